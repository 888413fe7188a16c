import { z } from 'zod';
import { apiClient, apiHelp, apiOptions } from './api-client.ts';
import { CommandError, exitCodes, parse, type Command, type Io } from './command.ts';
import { json, table } from './output.ts';

const rowSchema = z.looseObject({
  requestId: z.string(),
  ts: z.string(),
  username: z.nullish(z.string()),
  verdict: z.nullish(z.string()),
  verb: z.nullish(z.string()),
  resource: z.nullish(z.string()),
  namespace: z.nullish(z.string()),
  name: z.nullish(z.string()),
  status: z.nullish(z.number()),
  code: z.nullish(z.string()),
  rules: z.nullish(z.array(z.string())),
});

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
  const rows = page.items.map((row) => [
    row.ts,
    row.username ?? '',
    row.verdict ?? '',
    `${row.verb ?? ''} ${row.resource ?? ''} ${row.name ?? ''}`.trim(),
    row.namespace ?? '',
    row.status === null || row.status === undefined ? '' : String(row.status),
    row.code ?? (row.rules ?? []).join(' '),
    row.requestId,
  ]);
  io.out(
    table([['TIME', 'USER', 'VERDICT', 'REQUEST', 'NAMESPACE', 'STATUS', 'WHY', 'ID'], ...rows]),
  );
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
