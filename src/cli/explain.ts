import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { systemClock } from '../base/clock.ts';
import { refusal } from '../base/errors.ts';
import {
  checkPolicies,
  locateElements,
  neededInputs,
  policyInput,
  problemText,
  type Because,
  type ElementPlace,
  type PolicyInput,
} from '../decide/index.ts';
import type { Identity } from '../identify/index.ts';
import { requestAttributes } from '../kube/attributes.ts';
import { isJsonObject, metadataOf, textAt } from '../kube/json-guards.ts';
import { parseJson } from '../kube/json.ts';
import { requestInfo } from '../kube/request-info.ts';
import type { JsonObject, RequestAttributes } from '../kube/request.ts';
import { parseTarget } from '../kube/target.ts';
import { maskPathProblem } from '../mask/index.ts';
import { apiClient, apiHelp, apiOptions } from './api-client.ts';
import { CommandError, exitCodes, parse, type Command, type Io } from './command.ts';
import { configOf, policiesDirectory } from './gateway-file.ts';
import { json, safeText } from './output.ts';

const explainedSchema = z.object({
  verdict: z.string(),
  elements: z.array(
    z.object({
      rule: z.string(),
      id: z.string(),
      reason: z.string(),
      places: z.array(z.object({ file: z.string(), line: z.number() })),
    }),
  ),
});
type Explained = z.infer<typeof explainedSchema>;

function text(explained: Explained): string {
  const lines = explained.elements.map((one) => {
    const places = one.places.map((place) => `${place.file}:${place.line}`).join(', ');
    return `  ${safeText(`${one.rule}/${one.id}: ${one.reason}`)}${places === '' ? '' : `\n    at ${safeText(places)}`}`;
  });
  return `${explained.verdict}\n${lines.join('\n')}\n`;
}

function objectFrom(file: string | undefined): JsonObject | null {
  if (file === undefined) return null;
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch {
    throw new CommandError(`the file ${file} could not be read`, exitCodes.usage);
  }
  const parsed = parseJson(bytes);
  if (!parsed.ok) {
    throw new CommandError(
      `${file}:${parsed.error.line}: ${parsed.error.message}`,
      exitCodes.usage,
    );
  }
  if (!isJsonObject(parsed.value))
    throw new CommandError(`${file} holds no object`, exitCodes.usage);
  return parsed.value;
}

/** `DELETE /api/v1/namespaces/payments/pods/checkout` to what policy sees of it. */
function attributesOf(line: string): RequestAttributes {
  const [method = '', rawTarget = ''] = line.trim().split(/\s+/, 2);
  const target = parseTarget(rawTarget);
  const info = target.ok ? requestInfo(method, target.value) : target;
  if (!target.ok || !info.ok) {
    const { message } = info.ok ? refusal('HOLDGATE_PARSE_REQUEST_UNSUPPORTED', '') : info.error;
    throw new CommandError(`"${line}" is no request: ${message}`, exitCodes.usage);
  }
  const attributes = requestAttributes(method, target.value, info.value);
  if (!attributes.ok)
    throw new CommandError(`"${line}": ${attributes.error.message}`, exitCodes.usage);
  return attributes.value;
}

type Who = { readonly user: string; readonly groups: readonly string[]; readonly kind: string };

function identityOf({ user, groups, kind }: Who): Identity {
  if (kind !== 'agent' && kind !== 'human' && kind !== 'workload') {
    throw new CommandError('--kind is agent, human or workload', exitCodes.usage);
  }
  const token = { type: '', id: '', expires: '', azp: '', acr: '', amr: [], authTime: '' };
  const nobody = { issuer: 'explain', subject: user, uid: '', actor: [], claims: {} };
  return { ...nobody, username: user, groups, groupsComplete: true, kind, token, expiresAtMs: 0 };
}

type Facts = {
  readonly attributes: RequestAttributes;
  readonly who: Who;
  readonly cluster: string;
  readonly object: JsonObject | null;
  readonly live: JsonObject | null;
};

function inputOf({ attributes, who, cluster, object, live }: Facts): PolicyInput {
  const metadata = metadataOf(object);
  const body = object === null ? 'none' : 'parsed';
  return policyInput({
    now: new Date(systemClock.nowMs()).toISOString(),
    cluster: { name: cluster, labels: {} },
    identity: identityOf(who),
    attributes,
    dryRun: attributes.dryRun,
    deleteOptions: null,
    objectIdentity: {
      kind: textAt(object, 'kind'),
      name: textAt(metadata, 'name'),
      generateName: textAt(metadata, 'generateName'),
    },
    contentType: object === null ? '' : 'application/json',
    body,
    object,
    patch: null,
    live,
    grants: [],
    sourceIp: '',
    claimed: { client: '', command: '', task: '', reason: '' },
  });
}

const options = {
  ...apiOptions,
  object: { type: 'string' },
  live: { type: 'string' },
  policies: { type: 'string' },
  user: { type: 'string', default: 'local-agent' },
  group: { type: 'string', default: 'local-agents' },
  kind: { type: 'string', default: 'agent' },
  cluster: { type: 'string', default: 'local' },
} as const;

type Values = ReturnType<typeof parse<typeof options>>['values'];

function joined(
  because: readonly Because[],
  places: readonly ElementPlace[],
): Explained['elements'] {
  return because.map(({ rule, id, reason }) => ({
    rule,
    id,
    reason,
    places: places.filter((place) => place.rule === rule && place.id === id),
  }));
}

async function explainRequest(line: string, values: Values, io: Io): Promise<number> {
  const config = await configOf(values.config ?? null, io);
  const opa = { configured: config.policies.opa, searchPath: io.env['PATH'] };
  const directory = policiesDirectory(values.policies, config);
  const loaded = await checkPolicies({
    directory,
    opa,
    approverGroups: null,
    isMaskPath: maskPathProblem,
  });
  if (!loaded.ok) throw new CommandError(loaded.error.map(problemText).join('\n'));
  const { policy, sources } = loaded.value;
  try {
    const object = objectFrom(values.object);
    const live = objectFrom(values.live);
    const who = { user: values.user, groups: values.group.split(','), kind: values.kind };
    const input = inputOf({
      attributes: attributesOf(line),
      who,
      cluster: values.cluster,
      object,
      live,
    });
    const needed = await neededInputs(policy, input);
    const missing = [
      ...(needed.object && object === null ? ['--object'] : []),
      ...(needed.live && live === null ? ['--live'] : []),
    ];
    if (missing.length > 0) {
      io.err(
        `no verdict: a rule reads what only ${missing.join(' and ')} can give for this request\n`,
      );
      return exitCodes.usage;
    }
    const decision = await policy.decide(input);
    const elements = [...decision.because, ...decision.mask, ...decision.record];
    const places = await locateElements(sources, elements, opa);
    if (!places.ok) throw new CommandError(places.error.map(problemText).join('\n'));
    const explained = { verdict: decision.verdict, elements: joined(elements, places.value) };
    io.out(values.output === 'json' ? json(explained) : text(explained));
    if (decision.failure !== undefined) io.err(`the policy failed: ${decision.failure}\n`);
    return exitCodes.ok;
  } finally {
    await policy.close();
  }
}

export const explainCommand: Command = {
  name: 'explain',
  summary: 'say which rules decided, or would decide, and where they are written',
  help: `usage: holdgate explain DECISION-ID
       holdgate explain "METHOD /path" [--object FILE] [--live FILE] [--user NAME] [--group NAME,NAME]

With a decision's id: the elements that its record holds, with file and line in the sources of that day.
With a request line: the policies are evaluated, nothing is sent. A rule that needs the object (--object: what would be
stored) or the live one (--live) and is not given it: exit code 2 and no verdict.

  --object FILE         JSON: the body of a create or update, the outcome of a patch
  --live FILE           JSON: the object as it is now
  --policies DIR        default: the configured folder
  --user, --group, --kind, --cluster   who asks, and where; default: the local agent
${apiHelp}
example: holdgate explain "DELETE /api/v1/namespaces/payments/pods/checkout-7b9"
`,
  run: async (args, io) => {
    const { values, positionals } = parse(args, options, { min: 1, max: 1 });
    const [subject = ''] = positionals;
    if (subject.includes(' ')) return explainRequest(subject, values, io);
    const client = await apiClient(values, io);
    const answer = await client.get(`/api/v1/decisions/${encodeURIComponent(subject)}/explain`);
    io.out(values.output === 'json' ? json(answer) : text(explainedSchema.parse(answer)));
    return exitCodes.ok;
  },
};
