import { setTimeout } from 'node:timers/promises';
import { z } from 'zod';
import { systemClock } from '../base/clock.ts';
import { createLog, errorText } from '../base/log.ts';
import { resolveSecret } from '../config/index.ts';
import { connectStore, createSessionProjection, ensureMigrated } from '../store/index.ts';
import { apiClient, apiHelp, apiOptions, type ApiClient } from './api-client.ts';
import { CommandError, exitCodes, parse, type Command, type Io } from './command.ts';
import { configOf } from './gateway-file.ts';
import { json, safeText, table } from './output.ts';
import { commandSchema, sessionLines, type ShownCommand } from './session-lines.ts';

const sessionSchema = z.object({
  id: z.string(),
  basis: z.string(),
  label: z.string(),
  requestId: z.string().nullable(),
  user: z.object({ username: z.string() }),
  cluster: z.string(),
  userAgent: z.string(),
  sourceIp: z.string(),
  startedAt: z.string(),
  lastAt: z.string(),
  requests: z.number(),
  incomplete: z.string().nullable(),
});
const detailSchema = z.object({ session: sessionSchema, streams: z.array(sessionSchema) });

const paging = {
  limit: { type: 'string', default: '50' },
  cursor: { type: 'string' },
} as const;

const who = {
  since: { type: 'string' },
  until: { type: 'string' },
  user: { type: 'string' },
  group: { type: 'string' },
  cluster: { type: 'string' },
} as const;

const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), cursor: z.string().nullable() });

async function list(args: readonly string[], io: Io): Promise<number> {
  const { values } = parse(args, { ...apiOptions, ...who, ...paging, label: { type: 'string' } });
  const client = await apiClient(values, io);
  const { since, until, user, group, cluster, label, limit, cursor } = values;
  const query = { since, until, user, group, cluster, label, limit, cursor };
  const answer = await client.get('/api/v1/sessions', query);
  if (values.output === 'json') {
    io.out(json(answer));
    return exitCodes.ok;
  }
  const page = pageOf(sessionSchema).parse(answer);
  const rows = page.items.map((one) => [
    one.startedAt,
    one.lastAt,
    one.user.username,
    one.cluster,
    one.label === '' ? one.userAgent : `${one.basis} ${one.label}`,
    String(one.requests),
    one.incomplete ?? '',
    one.id,
  ]);
  io.out(
    table([['BEGAN', 'LAST', 'USER', 'CLUSTER', 'BY', 'REQUESTS', 'INCOMPLETE', 'ID'], ...rows]),
  );
  if (page.cursor !== null) io.err(`more: --cursor ${page.cursor}\n`);
  return exitCodes.ok;
}

/** Commands that `show` prints; a session of more is searched. */
const shownMax = 10_000;

async function show(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parse(
    args,
    { ...apiOptions, all: { type: 'boolean', default: false } },
    { min: 1, max: 1 },
  );
  const client = await apiClient(values, io);
  const answer = await client.get(`/api/v1/sessions/${encodeURIComponent(positionals[0] ?? '')}`);
  const { session } = detailSchema.parse(answer);
  const query = { session: session.id, order: 'oldest', folded: String(values.all), limit: '500' };
  const commands = await allCommands(client, query, shownMax);
  if (values.output === 'json') {
    io.out(json({ ...detailOf(answer), commands: commands.items }));
    return exitCodes.ok;
  }
  const by = session.label === '' ? session.userAgent : `${session.basis} ${session.label}`;
  io.out(
    `${safeText(`${session.user.username} on ${session.cluster}, ${by}, ${session.startedAt} to ${session.lastAt}`)}\n\n`,
  );
  io.out(sessionLines(commands.items, { withDate: false }));
  if (session.incomplete !== null) io.out(`\nincomplete: ${safeText(session.incomplete)}\n`);
  if (commands.more) io.err(`only the first ${shownMax} commands; see: holdgate sessions search\n`);
  return exitCodes.ok;
}

const detailOf = (answer: unknown) => z.looseObject({}).parse(answer);

async function allCommands(
  client: ApiClient,
  query: Readonly<Record<string, string>>,
  max: number,
): Promise<{ readonly items: readonly ShownCommand[]; readonly more: boolean }> {
  const items: ShownCommand[] = [];
  let cursor: string | undefined;
  do {
    const page: { items: ShownCommand[]; cursor: string | null } = pageOf(commandSchema).parse(
      await client.get('/api/v1/commands', { ...query, cursor }),
    );
    items.push(...page.items);
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined && items.length < max);
  return { items, more: cursor !== undefined };
}

const searchOptions = {
  ...apiOptions,
  ...who,
  ...paging,
  namespace: { type: 'string', short: 'n' },
  verb: { type: 'string' },
  resource: { type: 'string' },
  verdict: { type: 'string' },
  rule: { type: 'string' },
  command: { type: 'string' },
  match: { type: 'string' },
  all: { type: 'boolean', default: false },
} as const;

async function search(args: readonly string[], io: Io): Promise<number> {
  const { values } = parse(args, searchOptions);
  const client = await apiClient(values, io);
  const { since, until, user, group, cluster, namespace, verb, resource, verdict, rule } = values;
  const { command, match, limit, cursor } = values;
  const answer = await client.get('/api/v1/commands', {
    since,
    until,
    user,
    group,
    cluster,
    namespace,
    verb,
    resource,
    verdict,
    rule,
    command,
    match,
    limit,
    cursor,
    folded: String(values.all),
  });
  if (values.output === 'json') {
    io.out(json(answer));
    return exitCodes.ok;
  }
  const page = pageOf(commandSchema).parse(answer);
  io.out(sessionLines(page.items, { withDate: true }));
  if (page.cursor !== null) io.err(`more: --cursor ${page.cursor}\n`);
  return exitCodes.ok;
}

/** Before it tries again where a gateway works on the same. Milliseconds. */
const busyMs = 100;

/** Works on the database itself: what is rebuilt is more than a request may wait for. */
async function rebuild(args: readonly string[], io: Io): Promise<number> {
  const { values } = parse(args, { config: { type: 'string', short: 'c' } });
  const config = await configOf(values.config ?? null, io);
  const log = createLog('warn', io.err);
  const url =
    config.database === undefined ? null : resolveSecret(config.database.url, '.', io.env);
  if (url !== null && !url.ok) throw new CommandError(url.error);
  try {
    const store = await connectStore({
      url: url === null ? null : url.value,
      dataDirectory: config.dataDirectory,
      log,
      clock: systemClock,
    });
    try {
      await ensureMigrated(store, { migrate: false, log });
      const projection = createSessionProjection(store);
      await projection.clear();
      let records = 0;
      for (;;) {
        const step = await projection.step();
        if (io.stop.aborted) throw new CommandError('stopped; a running gateway does the rest');
        // A gateway that runs at the same time takes its turns too.
        if (step.kind === 'busy') {
          await setTimeout(busyMs);
          continue;
        }
        records += step.records;
        if (step.drained) break;
      }
      io.out(`made from ${records} records\n`);
    } finally {
      await store.close();
    }
  } catch (cause) {
    throw cause instanceof CommandError ? cause : new CommandError(errorText(cause));
  }
  return exitCodes.ok;
}

export const sessionsCommand: Command = {
  name: 'sessions',
  summary: 'list, show and search what was done, as command lines',
  help: `usage: holdgate sessions list [--user, --group, --cluster, --label] [--since, --until]
       holdgate sessions show ID [--all]
       holdgate sessions search [filters]
       holdgate sessions rebuild [--config FILE]

A session is what one identity did on one cluster: told apart by the sid of its tokens, else by the task in its URL
(/s/TASK), else by client and time. Lines are for reading: bodies, files and the words of an exec are not on record.

  --all                 also requests that are folded into others: discovery, the read before a write
  --since, --until TIME RFC 3339
  --user, --group, --cluster, -n/--namespace, --verb, --resource, --verdict, --rule
  --command PATTERN     in the line, without case
  --match HOW           substring (default), glob (the whole line, with * and ?) or regex
  --label TEXT          the sid or the task
  --limit N             default 50
  --cursor TEXT         the next page, as the last one said
${apiHelp}
rebuild makes sessions and commands again from the records, by the owner of the tables; stop the gateway first where the
database is the embedded one.

example: holdgate sessions search --command 'kubectl delete * -n payments*' --match glob --since 2026-11-20T00:00:00Z
`,
  run: (args, io) => {
    const [sub, ...rest] = args;
    if (sub === 'list') return list(rest, io);
    if (sub === 'show') return show(rest, io);
    if (sub === 'search') return search(rest, io);
    if (sub === 'rebuild') return rebuild(rest, io);
    throw new CommandError('say what: list, show, search or rebuild', exitCodes.usage);
  },
};
