import { z } from 'zod';
import { apiClient, apiHelp, apiOptions } from './api-client.ts';
import { CommandError, exitCodes, parse, type Command, type Io } from './command.ts';
import { facts, json, table } from './output.ts';

const person = z.object({ username: z.string(), issuer: z.string(), subject: z.string() });

const approvalSchema = z.object({
  id: z.string(),
  state: z.string(),
  version: z.number(),
  requester: person,
  summary: z.object({
    cluster: z.string(),
    verb: z.string(),
    resource: z.string(),
    namespace: z.string(),
    name: z.string(),
    method: z.string(),
    target: z.string(),
    claimed: z.object({ client: z.string(), command: z.string(), reason: z.string() }),
  }),
  requirements: z.array(
    z.object({
      rule: z.string(),
      id: z.string(),
      reason: z.string(),
      groups: z.array(z.string()),
      quorum: z.number(),
    }),
  ),
  votes: z.array(z.object({ by: person, vote: z.string(), reason: z.string(), at: z.string() })),
  createdAt: z.string(),
  decideBy: z.string(),
  outcome: z.string(),
});
type Approval = z.infer<typeof approvalSchema>;

const whatOf = ({ summary }: Approval): string =>
  [
    summary.verb,
    summary.resource,
    summary.name,
    summary.namespace === '' ? '' : `-n ${summary.namespace}`,
  ]
    .filter((part) => part !== '')
    .join(' ');

function show(approval: Approval): string {
  const lines: [string, string][] = [
    ['id', approval.id],
    ['state', approval.outcome === '' ? approval.state : `${approval.state}: ${approval.outcome}`],
    ['request', whatOf(approval)],
    ['wire', `${approval.summary.method} ${approval.summary.target}`],
    ['cluster', approval.summary.cluster],
    ['asked by', `${approval.requester.username} (${approval.requester.issuer})`],
    ['says (unverified)', approval.summary.claimed.reason],
    ['asked', approval.createdAt],
    ['decide by', approval.decideBy],
  ];
  for (const one of approval.requirements) {
    lines.push([
      'needs',
      `${one.quorum} of ${one.groups.join(', ')}: ${one.reason} (${one.rule}/${one.id})`,
    ]);
  }
  for (const vote of approval.votes) {
    lines.push([
      vote.vote,
      `${vote.by.username} at ${vote.at}${vote.reason === '' ? '' : `: ${vote.reason}`}`,
    ]);
  }
  return facts(lines);
}

async function list(args: readonly string[], io: Io): Promise<number> {
  const { values } = parse(args, { ...apiOptions, state: { type: 'string' } });
  const client = await apiClient(values, io);
  const answer = await client.get('/api/v1/approvals', { state: values.state });
  if (values.output === 'json') {
    io.out(json(answer));
    return exitCodes.ok;
  }
  const { items } = z.object({ items: z.array(approvalSchema) }).parse(answer);
  const rows = items.map((one) => [
    one.id,
    one.state,
    one.requester.username,
    whatOf(one),
    one.requirements.map((need) => `${need.quorum} of ${need.groups.join('|')}`).join(' and '),
    one.decideBy,
  ]);
  io.out(table([['ID', 'STATE', 'ASKED BY', 'REQUEST', 'NEEDS', 'DECIDE BY'], ...rows]));
  return exitCodes.ok;
}

async function showOne(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, apiOptions, { min: 1, max: 1 });
  const client = await apiClient(values, io);
  const answer = await client.get(`/api/v1/approvals/${encodeURIComponent(positionals[0] ?? '')}`);
  io.out(values.output === 'json' ? json(answer) : show(approvalSchema.parse(answer)));
  return exitCodes.ok;
}

async function castVote(
  kind: 'approve' | 'deny',
  args: readonly string[],
  io: Io,
): Promise<number> {
  const { values, positionals } = parse(
    args,
    { ...apiOptions, reason: { type: 'string', short: 'r' } },
    { min: 1, max: 1 },
  );
  const client = await apiClient(values, io);
  const id = encodeURIComponent(positionals[0] ?? '');
  // The version that is voted on is the one that stands now: a change in between refuses the vote.
  const { version } = approvalSchema.parse(await client.get(`/api/v1/approvals/${id}`));
  const answer = await client.post(`/api/v1/approvals/${id}/${kind}`, {
    reason: values.reason ?? '',
    version,
  });
  io.out(values.output === 'json' ? json(answer) : show(approvalSchema.parse(answer)));
  return exitCodes.ok;
}

export const approvalsCommand: Command = {
  name: 'approvals',
  summary: 'list, show, approve and deny held requests',
  help: `usage: holdgate approvals list [--state PENDING]
       holdgate approvals show ID
       holdgate approvals approve ID [--reason TEXT]
       holdgate approvals deny ID [--reason TEXT]

  --state STATE         PENDING, APPROVED, DENIED, EXPIRED, EXECUTED, …
  -r, --reason TEXT     told to the requester, and recorded
${apiHelp}
example: holdgate approvals approve 4be1a2c0-… --reason "agreed in the stand-up"
`,
  run: (args, io) => {
    const [sub, ...rest] = args;
    if (sub === 'list') return list(rest, io);
    if (sub === 'show') return showOne(rest, io);
    if (sub === 'approve' || sub === 'deny') return castVote(sub, rest, io);
    throw new CommandError('say what: list, show, approve or deny', exitCodes.usage);
  },
};
