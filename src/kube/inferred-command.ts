import { option, resourceParts, type LineParts, type RequestFacts } from './command-facts.ts';
import { resourceWord } from './resource-words.ts';

/**
 * The kubectl line that a request is, worked out from the request alone; null where no kubectl command sends it. Bodies and
 * argv are not recorded: where a file would stand, the object is named instead, and an exec says how many words it had.
 */
export function inferredCommand(facts: RequestFacts): LineParts | null {
  if (facts.scope === 'nonresource') return null;
  const [, subresource] = resourceParts(facts.resource);
  const special = SPECIAL.get(facts.resource) ?? SPECIAL.get(`*/${subresource}`);
  if (special !== undefined) return special(facts);
  if (facts.group === 'metrics.k8s.io' && READS.has(facts.verb)) return top(facts);
  if (subresource === 'proxy') return null;
  return plain(facts, subresource);
}

const READS = new Set(['get', 'list', 'watch']);

type Infer = (facts: RequestFacts) => LineParts | null;

/** Subresources that are a command of their own. */
const SPECIAL: ReadonlyMap<string, Infer> = new Map<string, Infer>([
  ['pods/log', (facts) => (facts.verb === 'get' ? logs(facts) : null)],
  ['pods/exec', execLine],
  ['pods/attach', execLine],
  ['pods/portforward', portForward],
  // An eviction is a step of a drain: the node is in the pod, not in the request.
  ['pods/eviction', (facts) => withSlash(facts, ['drain'], 'create')],
  ['serviceaccounts/token', tokenLine],
  ['pods/ephemeralcontainers', (facts) => withSlash(facts, ['debug'], 'patch')],
  ['*/scale', scale],
  ['selfsubjectaccessreviews', (facts) => bare(facts, ['auth', 'can-i'])],
  ['selfsubjectrulesreviews', (facts) => bare(facts, ['auth', 'can-i', '--list'])],
  ['selfsubjectreviews', (facts) => bare(facts, ['auth', 'whoami'])],
]);

function bare(facts: RequestFacts, command: readonly string[]): LineParts | null {
  return facts.verb === 'create' ? { command, object: [], flags: namespaceFlags(facts) } : null;
}

function withSlash(
  facts: RequestFacts,
  command: readonly string[],
  verb: string,
): LineParts | null {
  if (facts.verb !== verb || facts.name === '') return null;
  return { command, object: slashObject(facts), flags: commonFlags(facts) };
}

function logs(facts: RequestFacts): LineParts {
  const { log } = facts;
  const values = [
    ['tail', 'tailLines', ''],
    ['since', 'sinceSeconds', 's'],
    ['since-time', 'sinceTime', ''],
    ['limit-bytes', 'limitBytes', ''],
  ] as const;
  return {
    command: ['logs'],
    object: [facts.name],
    flags: [
      ...namespaceFlags(facts),
      ...pair('-c', log?.container ?? ''),
      ...(log?.follow === true ? ['-f'] : []),
      ...(log?.previous === true ? ['-p'] : []),
      ...(isOn(option(facts, 'timestamps')) ? ['--timestamps'] : []),
      ...values.flatMap(([flag, name, unit]) => valueFlag(flag, option(facts, name), unit)),
    ],
  };
}

function execLine(facts: RequestFacts): LineParts | null {
  const { exec } = facts;
  if (exec === null) return null;
  const attach = facts.resource === 'pods/attach';
  const terminal = `${exec.stdin ? 'i' : ''}${exec.tty ? 't' : ''}`;
  const argv = exec.argc === 1 ? '[1 word]' : `[${exec.argc} words]`;
  return {
    command: [attach ? 'attach' : 'exec'],
    object: [facts.name],
    flags: [
      ...namespaceFlags(facts),
      ...pair('-c', exec.container),
      ...(terminal === '' ? [] : [`-${terminal}`]),
      ...(attach ? [] : ['--', argv]),
    ],
  };
}

function portForward(facts: RequestFacts): LineParts {
  const ports = (facts.portforward?.ports ?? []).map(String);
  return {
    command: ['port-forward'],
    object: [`pod/${facts.name}`, ...ports],
    flags: namespaceFlags(facts),
  };
}

function tokenLine(facts: RequestFacts): LineParts | null {
  if (facts.verb !== 'create') return null;
  return { command: ['create', 'token'], object: [facts.name], flags: commonFlags(facts) };
}

function scale(facts: RequestFacts): LineParts | null {
  if (facts.verb !== 'patch' && facts.verb !== 'update') return plain(facts, 'scale');
  return { command: ['scale'], object: slashObject(facts), flags: commonFlags(facts) };
}

function top(facts: RequestFacts): LineParts {
  const [resource] = resourceParts(facts.resource);
  const { object } = selected({ ...facts, group: '', resource, name: '' }, true);
  return {
    command: ['top', ...object],
    object: facts.name === '' ? [] : [facts.name],
    flags: selected(facts, facts.name === '').flags,
  };
}

/** Verbs of an object or a list, with `--subresource` where kubectl has it. */
function plain(facts: RequestFacts, subresource: string): LineParts | null {
  const flags = subresource === '' ? [] : [`--subresource=${subresource}`];
  switch (facts.verb) {
    case 'get':
    case 'list':
    case 'watch': {
      const { object, flags: where } = selected(facts, facts.name === '');
      const watching = facts.verb === 'watch' ? ['-w'] : [];
      return { command: ['get'], object, flags: [...where, ...watching, ...flags] };
    }
    case 'create':
      if (subresource !== '') return null;
      return { command: ['create'], object: slashObject(facts), flags: commonFlags(facts) };
    case 'update':
      return {
        command: ['replace'],
        object: slashObject(facts),
        flags: [...commonFlags(facts), ...flags],
      };
    case 'patch':
      return patch(facts, flags);
    case 'delete':
    case 'deletecollection':
      return subresource === '' ? deletion(facts) : null;
    default:
      return null;
  }
}

function patch(facts: RequestFacts, flags: readonly string[]): LineParts {
  const kind = PATCH_KINDS.get(facts.contentType);
  const manager = option(facts, 'fieldManager');
  if (kind === 'server-side') {
    const common = commonFlags(facts);
    const force = isOn(option(facts, 'force')) ? ['--force-conflicts'] : [];
    const field = manager === '' || manager === 'kubectl' ? [] : [`--field-manager=${manager}`];
    return {
      command: ['apply'],
      object: slashObject(facts),
      flags: [...common, '--server-side', ...force, ...field, ...flags],
    };
  }
  const type = kind === undefined ? [] : [`--type=${kind}`];
  if (manager === 'kubectl-client-side-apply') {
    return { command: ['apply'], object: slashObject(facts), flags: commonFlags(facts) };
  }
  return {
    command: ['patch'],
    object: objectWords(facts),
    flags: [...commonFlags(facts), ...type, ...flags],
  };
}

/** The media types of patches (apimachinery pkg/types/patch.go). */
const PATCH_KINDS: ReadonlyMap<string, string> = new Map([
  ['application/json-patch+json', 'json'],
  ['application/merge-patch+json', 'merge'],
  ['application/strategic-merge-patch+json', 'strategic'],
  ['application/apply-patch+yaml', 'server-side'],
  ['application/apply-patch+cbor', 'server-side'],
]);

function deletion(facts: RequestFacts): LineParts {
  const { object, flags } = selected(facts, facts.name === '');
  const all = facts.labelSelector === '' && facts.fieldSelector === '' && facts.name === '';
  const cascade = option(facts, 'propagationPolicy').toLowerCase();
  const orphan = isOn(option(facts, 'orphanDependents'));
  const grace = option(facts, 'gracePeriodSeconds');
  return {
    command: ['delete'],
    object,
    flags: [
      ...flags,
      ...(all ? ['--all'] : []),
      ...valueFlag('grace-period', grace),
      // What kubectl sends when nothing is said.
      ...(cascade === 'background' ? [] : valueFlag('cascade', orphan ? 'orphan' : cascade)),
      ...dryRunFlag(facts),
    ],
  };
}

/** The object and where it is, for a list (with selectors) or a single one. */
function selected(
  facts: RequestFacts,
  list: boolean,
): { readonly object: readonly string[]; readonly flags: readonly string[] } {
  const [resource] = resourceParts(facts.resource);
  const word = resourceWord(facts.group, resource);
  const everywhere = list && facts.scope === 'cluster' && word.namespaced !== false;
  const byName = facts.fieldSelector === `metadata.name=${facts.name}`;
  return {
    object: list ? [word.plural] : [word.singular, facts.name],
    flags: [
      ...(everywhere ? ['-A'] : namespaceFlags(facts)),
      ...pair('-l', facts.labelSelector),
      ...(byName ? [] : valueFlag('field-selector', facts.fieldSelector)),
    ],
  };
}

const namespaceFlags = (facts: RequestFacts): readonly string[] => pair('-n', facts.namespace);

const dryRunFlag = (facts: RequestFacts): readonly string[] =>
  facts.dryRun ? ['--dry-run=server'] : [];

const commonFlags = (facts: RequestFacts): readonly string[] => [
  ...namespaceFlags(facts),
  ...dryRunFlag(facts),
];

const pair = (flag: string, value: string): readonly string[] =>
  value === '' ? [] : [flag, value];

const valueFlag = (flag: string, value: string, unit = ''): readonly string[] =>
  value === '' ? [] : [`--${flag}=${value}${unit}`];

const isOn = (value: string): boolean => value === 'true' || value === '1';

/** `pod web`; `pods` where the name is not known. */
export function objectWords(facts: RequestFacts): readonly string[] {
  const word = resourceWord(facts.group, resourceParts(facts.resource)[0]);
  return facts.name === '' ? [word.plural] : [word.singular, facts.name];
}

/** `pod/web`; `pod` where the name is not known, as in a create with generateName. */
export function slashObject(facts: RequestFacts): readonly string[] {
  const word = resourceWord(facts.group, resourceParts(facts.resource)[0]);
  return [facts.name === '' ? word.singular : `${word.singular}/${facts.name}`];
}
