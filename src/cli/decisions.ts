import { z } from 'zod';
import { apiClient, apiHelp, apiOptions } from './api-client.ts';
import { CommandError, exitCodes, parse, type Command, type Io } from './command.ts';
import { json, table } from './output.ts';

const rowSchema = z.object({
  requestId: z.string(),
  at: z.string(),
  user: z.object({ username: z.string() }).nullable(),
  verdict: z.string(),
  verb: z.string(),
  method: z.string(),
  target: z.string(),
  resource: z.string(),
  namespace: z.string(),
  name: z.string(),
  because: z.array(z.object({ rule: z.string(), id: z.string() })),
  masked: z.boolean(),
  code: z.string().nullable(),
  outcome: z.object({ status: z.number() }).nullable(),
});
type Row = z.infer<typeof rowSchema>;

function cells(row: Row): readonly string[] {
  const what =
    row.resource === '' ? `${row.method} ${row.target}` : `${row.verb} ${row.resource} ${row.name}`;
  const rules = row.because.map((one) => `${one.rule}/${one.id}`).join(' ');
  return [
    row.at,
    row.user?.username ?? '',
    row.masked ? `${row.verdict}, masked` : row.verdict,
    what.trim(),
    row.namespace,
    row.outcome === null ? '' : String(row.outcome.status),
    rules === '' ? (row.code ?? '') : rules,
    row.requestId,
  ];
}

const filters = {
  since: { type: 'string' },
  until: { type: 'string' },
  user: { type: 'string' },
  cluster: { type: 'string' },
  namespace: { type: 'string', short: 'n' },
  verb: { type: 'string' },
  resource: { type: 'string' },
  verdict: { type: 'string' },
  rule: { type: 'string' },
  limit: { type: 'string', default: '50' },
  cursor: { type: 'string' },
} as const;

async function list(args: readonly string[], io: Io): Promise<number> {
  const { values } = parse(args, { ...apiOptions, ...filters });
  const client = await apiClient(values, io);
  const { since, until, user, cluster, namespace, verb, resource, verdict, rule, limit, cursor } =
    values;
  const query = {
    since,
    until,
    user,
    cluster,
    namespace,
    verb,
    resource,
    verdict,
    rule,
    limit,
    cursor,
  };
  const answer = await client.get('/api/v1/decisions', query);
  if (values.output === 'json') {
    io.out(json(answer));
    return exitCodes.ok;
  }
  const page = z.object({ items: z.array(rowSchema), cursor: z.nullish(z.string()) }).parse(answer);
  const heading = ['TIME', 'USER', 'VERDICT', 'REQUEST', 'NAMESPACE', 'STATUS', 'WHY', 'ID'];
  io.out(table([heading, ...page.items.map(cells)]));
  if (page.cursor !== null && page.cursor !== undefined) io.err(`more: --cursor ${page.cursor}\n`);
  return exitCodes.ok;
}

async function show(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, apiOptions, { min: 1, max: 1 });
  const client = await apiClient(values, io);
  io.out(json(await client.get(`/api/v1/decisions/${encodeURIComponent(positionals[0] ?? '')}`)));
  return exitCodes.ok;
}

export const decisionsCommand: Command = {
  name: 'decisions',
  summary: 'list and show recorded decisions',
  help: `usage: holdgate decisions list [filters]
       holdgate decisions show ID

  --since, --until TIME  RFC 3339
  --user, --cluster, --verb, --resource, --verdict, --rule, -n/--namespace
  --limit N              default 50
  --cursor TEXT          the next page, as the last one said
${apiHelp}
example: holdgate decisions list --verdict deny --since 2026-11-20T00:00:00Z
`,
  run: (args, io) => {
    const [sub, ...rest] = args;
    if (sub === 'list') return list(rest, io);
    if (sub === 'show') return show(rest, io);
    throw new CommandError('say what: list or show', exitCodes.usage);
  },
};
