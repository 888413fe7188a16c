import { resourceParts, type LineParts, type RequestFacts } from './command-facts.ts';
import { objectWords, slashObject } from './inferred-command.ts';

/**
 * kubectl says in `Kubectl-Command` which sub-command runs (KEP-859, kubectl pkg/cmd/cmd.go). Anybody can send that header,
 * so it names a line only where that command sends such a request: a delete is never shown as a get.
 */
type Claim = {
  /** Verbs of the requests that the command is there for. */
  readonly verbs: readonly string[];
  /** Their resource with subresource; absent: any without a subresource. */
  readonly resource?: RegExp;
  /** How the object is written: as `inferred` has it, `pod/web`, `pod web`, `web`, or not at all. */
  readonly object: 'inferred' | 'slash' | 'words' | 'name' | 'none';
};

const reads = ['get', 'list', 'watch'];
const workloads = /^(deployments|daemonsets|statefulsets|replicasets)$/;
const nodes = /^nodes$/;

const CLAIMS: ReadonlyMap<string, Claim> = new Map<string, Claim>([
  ['get', { verbs: reads, object: 'inferred' }],
  ['describe', { verbs: ['get', 'list'], object: 'words' }],
  ['events', { verbs: ['list', 'watch'], resource: /^events$/, object: 'none' }],
  ['wait', { verbs: reads, object: 'slash' }],
  ['apply', { verbs: ['create', 'patch'], object: 'slash' }],
  ['diff', { verbs: ['create', 'patch'], object: 'slash' }],
  ['create', { verbs: ['create'], object: 'slash' }],
  ['replace', { verbs: ['update', 'create'], object: 'slash' }],
  ['patch', { verbs: ['patch'], object: 'words' }],
  ['edit', { verbs: ['patch'], object: 'words' }],
  ['label', { verbs: ['patch'], object: 'words' }],
  ['annotate', { verbs: ['patch'], object: 'words' }],
  ['set', { verbs: ['patch'], object: 'slash' }],
  ['run', { verbs: ['create'], resource: /^pods$/, object: 'name' }],
  ['expose', { verbs: ['create'], resource: /^services$/, object: 'slash' }],
  ['autoscale', { verbs: ['create'], resource: /^horizontalpodautoscalers$/, object: 'slash' }],
  ['scale', { verbs: ['patch', 'update'], resource: /\/scale$/, object: 'slash' }],
  ['rollout restart', { verbs: ['patch'], resource: workloads, object: 'slash' }],
  ['rollout pause', { verbs: ['patch'], resource: workloads, object: 'slash' }],
  ['rollout resume', { verbs: ['patch'], resource: workloads, object: 'slash' }],
  ['rollout undo', { verbs: ['patch'], resource: workloads, object: 'slash' }],
  ['rollout status', { verbs: reads, resource: workloads, object: 'slash' }],
  ['rollout history', { verbs: reads, resource: workloads, object: 'slash' }],
  ['delete', { verbs: ['delete', 'deletecollection'], object: 'inferred' }],
  ['cordon', { verbs: ['patch'], resource: nodes, object: 'name' }],
  ['uncordon', { verbs: ['patch'], resource: nodes, object: 'name' }],
  ['drain', { verbs: ['patch'], resource: nodes, object: 'name' }],
  ['taint', { verbs: ['patch'], resource: nodes, object: 'words' }],
  ['logs', { verbs: ['get'], resource: /^pods\/log$/, object: 'inferred' }],
  ['exec', { verbs: ['connect'], resource: /^pods\/exec$/, object: 'inferred' }],
  ['cp', { verbs: ['connect'], resource: /^pods\/exec$/, object: 'inferred' }],
  ['attach', { verbs: ['connect'], resource: /^pods\/attach$/, object: 'inferred' }],
  ['port-forward', { verbs: ['connect'], resource: /^pods\/portforward$/, object: 'inferred' }],
  ['debug', { verbs: ['patch'], resource: /^pods\/ephemeralcontainers$/, object: 'slash' }],
  ['certificate approve', { verbs: ['update'], resource: /\/approval$/, object: 'name' }],
  ['certificate deny', { verbs: ['update'], resource: /\/approval$/, object: 'name' }],
]);

/** Commands that read discovery alone, with the paths that they read. */
const OPEN = /^(api-resources|api-versions|version|explain|cluster-info)$/;

/** Only sub-commands of the known forms: KEP-859 sends no arguments and no flags. */
const FORM = /^kubectl((?: [a-z][a-z-]{0,30}){1,4})$/;

/**
 * The line that the claimed command makes of a request, or null where the claim is none, unknown, or does not fit it. A
 * claim may be longer than what is known of it, as `create secret generic` or `set image`.
 */
export function claimedCommand(
  claim: string,
  facts: RequestFacts,
  inferred: LineParts | null,
): LineParts | null {
  const said = FORM.exec(claim)?.[1]?.trim().split(' ') ?? [];
  const [first = '', second = ''] = said;
  if (facts.scope === 'nonresource') {
    return OPEN.test(first) && said.length === 1 ? { command: said, object: [], flags: [] } : null;
  }
  const known = CLAIMS.get(`${first} ${second}`) ?? CLAIMS.get(first);
  if (known === undefined || inferred === null || !fits(known, facts)) return null;
  const object = objectOf(known, facts, inferred, said);
  // The kind of patch is an option of `kubectl patch` alone.
  const flags = inferred.flags.filter((flag) => first === 'patch' || !flag.startsWith('--type='));
  return { command: said, object, flags };
}

function fits(claim: Claim, facts: RequestFacts): boolean {
  if (!claim.verbs.includes(facts.verb)) return false;
  const [, subresource] = resourceParts(facts.resource);
  return claim.resource === undefined ? subresource === '' : claim.resource.test(facts.resource);
}

function objectOf(
  claim: Claim,
  facts: RequestFacts,
  inferred: LineParts,
  said: readonly string[],
): readonly string[] {
  // `create secret generic` and `create deployment` name the kind themselves.
  if (said[0] === 'create' && said.length > 1) return facts.name === '' ? [] : [facts.name];
  switch (claim.object) {
    case 'inferred':
      return inferred.object;
    case 'slash':
      return slashObject(facts);
    case 'words':
      return objectWords(facts);
    case 'name':
      return facts.name === '' ? [] : [facts.name];
    case 'none':
      return [];
  }
}
