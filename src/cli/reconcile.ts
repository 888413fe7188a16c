import { errorText } from '../base/log.ts';
import {
  Reconciliation,
  RecordedCalls,
  type CallFinding,
  type Reconciled,
} from '../record/index.ts';
import { apiClient, apiHelp, apiOptions, type ApiClient } from './api-client.ts';
import { readAuditFiles } from './audit-files.ts';
import { CommandError, exitCodes, parse, type Command, type Io } from './command.ts';
import { json, safeText, table } from './output.ts';
import { recordPages } from './record-pages.ts';

const options = {
  ...apiOptions,
  since: { type: 'string' },
  until: { type: 'string' },
  cluster: { type: 'string' },
  'ignore-user': { type: 'string', multiple: true },
  'gateway-user': { type: 'string', multiple: true },
  reads: { type: 'boolean', default: false },
  'skew-seconds': { type: 'string', default: '5' },
  json: { type: 'boolean', default: false },
} as const;

/** The cluster's own parts, and service accounts: none of them comes through the gateway. */
const ignoredByDefault = ['system:*'];

/** A call waits for people so long at most before it is sent, and its decision is as much older. Milliseconds. */
const heldMsMax = 3_600_000;

type Range = { readonly sinceMs: number; readonly untilMs: number };

async function reconcile(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals: files } = parse(args, options, { min: 1, max: 1000 });
  const client = await apiClient(values, io);
  const wanted = {
    sinceMs: timeOption('since', values.since, -Infinity),
    untilMs: timeOption('until', values.until, Infinity),
  };
  const covered = await rangeOf(files, wanted, io);
  const calls = await readCalls(client, covered, values.cluster ?? null);
  const ignoredUsers = values['ignore-user'] ?? ignoredByDefault;
  const held = new Reconciliation(calls, {
    ...wanted,
    ignoredUsers,
    gatewayUsers: values['gateway-user'] ?? [],
    reads: values.reads,
    skewMs: secondsOption(values['skew-seconds']) * 1000,
  });
  for await (const item of readAuditFiles(files)) if (item.kind === 'event') held.add(item.event);
  const result = held.result();
  const shown = { ...result, ...isoRange(covered), ignoredUsers, recorded: calls.byId.size };
  io.out(values.json || values.output === 'json' ? json(shown) : report(result, shown));
  const isClean = result.findings.length === 0 && result.counts.unlisted === 0;
  return isClean ? exitCodes.ok : exitCodes.failed;
}

function timeOption(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const ms = Date.parse(text);
  if (/^\d{4}-\d\d-\d\dT/.test(text) && !Number.isNaN(ms)) return ms;
  throw new CommandError(`--${name} is a time as RFC 3339 writes it`, exitCodes.usage);
}

function secondsOption(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new CommandError('--skew-seconds is a number of seconds', exitCodes.usage);
}

/** The time that the log covers. A log without an event says nothing, which must not look like agreement. */
async function rangeOf(files: readonly string[], wanted: Range, io: Io): Promise<Range> {
  let [sinceMs, untilMs, others] = [Infinity, -Infinity, 0];
  for await (const item of readAuditFiles(files)) {
    if (item.kind === 'truncated') io.err('the last line is not written to its end: left out\n');
    if (item.kind === 'other') others += 1;
    if (item.kind !== 'event') continue;
    const ms = Date.parse(item.event.requestReceivedTimestamp);
    if (ms < wanted.sinceMs || ms >= wanted.untilMs) continue;
    sinceMs = Math.min(sinceMs, ms);
    untilMs = Math.max(untilMs, ms);
  }
  if (others > 0) io.err(`${others} lines or messages are no audit events: left out\n`);
  if (untilMs !== -Infinity) return { sinceMs, untilMs };
  throw new CommandError(
    "there is no event of audit.k8s.io/v1 in this time; is it an API server's audit log?",
    exitCodes.usage,
  );
}

/** The calls that may explain what the log holds. */
async function readCalls(
  client: ApiClient,
  { sinceMs, untilMs }: Range,
  cluster: string | null,
): Promise<RecordedCalls> {
  const calls = new RecordedCalls(cluster);
  const pages = recordPages(client, {
    format: 'records',
    since: new Date(sinceMs - heldMsMax).toISOString(),
    // An outcome is recorded when the call ended, which the log may not have seen.
    until: new Date(untilMs + heldMsMax).toISOString(),
  });
  for await (const { text } of pages) {
    for (const line of text.split('\n')) {
      if (line === '' || calls.add(line)) continue;
      throw new CommandError(
        'there are more records in this time than fit in memory; narrow it with --since and --until',
        exitCodes.usage,
      );
    }
  }
  calls.finish();
  return calls;
}

const isoRange = ({ sinceMs, untilMs }: Range): { since: string; until: string } => ({
  since: new Date(sinceMs).toISOString(),
  until: new Date(untilMs).toISOString(),
});

const TITLES: Readonly<Record<CallFinding['kind'], string>> = {
  'gateway-credential': "with the gateway's credential, and not on record",
  unrecorded:
    'went round the gateway: writes, sessions and reads of secrets that no record explains',
  refused: 'in the log, and on record as refused',
  repeated: 'in the log more often than on record',
  'other-user': 'by another user than the gateway, with an Audit-ID of ours',
  different: 'in the log, and different on record',
  missing: 'on record as answered by the cluster, and not in the log',
};

function report(
  { findings, counts, gatewayUsers }: Reconciled,
  about: { since: string; until: string; ignoredUsers: readonly string[]; recorded: number },
): string {
  const { calls, explained, plainReads, ignored, unlisted } = counts;
  const lines = [
    `log from ${about.since} to ${about.until}: ${calls} calls, ${explained} of them on record (${about.recorded} records of that time read)`,
    `calls of the gateway came as: ${gatewayUsers.map(safeText).join(', ') || 'nobody: is this the log of a cluster behind this gateway?'}`,
    `left out: ${ignored} calls of ignored users (${about.ignoredUsers.map(safeText).join(', ')}), ${plainReads} plain reads`,
  ];
  if (unlisted > 0) lines.push(`not listed, too many: ${unlisted} more`);
  const parts = [`${lines.join('\n')}\n`];
  for (const [kind, title] of Object.entries(TITLES)) {
    const of = findings.filter((one) => one.kind === kind);
    if (of.length === 0) continue;
    const rows = of.map(({ at, user, verb, what, detail, auditId }) => [
      at,
      user,
      verb,
      what,
      detail,
      auditId,
    ]);
    parts.push(
      `\n${title}: ${of.length}\n${table([['TIME', 'USER', 'VERB', 'WHAT', 'DETAIL', 'AUDIT-ID'], ...rows])}`,
    );
  }
  if (findings.length === 0) parts.push('\nno differences\n');
  return parts.join('');
}

export const reconcileCommand: Command = {
  name: 'reconcile',
  summary: "compare an API server's audit log with the record",
  help: `usage: holdgate reconcile AUDIT.LOG... [--since TIME] [--until TIME] [--json]

Reads a cluster's own audit log, joins it with the record by Audit-ID, and lists calls that went round the gateway (writes,
sessions and reads of secrets), calls that are on record and not in the log, and what both tell differently. Role auditor.
Exit code 0: nothing; 1: something; 2: the log or the record cannot be read.

  AUDIT.LOG             JSON lines of audit.k8s.io/v1 Event or EventList, or messages of CloudWatch; gzip too; several
                        files of one cluster are one log
  --since, --until TIME RFC 3339; default: all that the log covers
  --cluster NAME        compare with records of this cluster only
  --ignore-user NAME    users of the cluster that do not come through the gateway; may be repeated, * at the end stands
                        for anything; default system:*. The gateway's own user is never ignored
  --gateway-user NAME   the gateway's user in the cluster; default: whoever calls on record came as. May be repeated
  --reads               plain reads count too: where the cluster's audit policy logs all of them
  --skew-seconds N      how far the clocks may be apart: default 5
  --json                as -o json
${apiHelp}
example: holdgate reconcile /var/log/kubernetes/audit.log --gateway-user system:serviceaccount:holdgate:gateway
`,
  // 1 says that log and record differ: whatever hinders the comparison must not look like that.
  run: (args, io) =>
    reconcile(args, io).catch((cause: unknown) => {
      throw new CommandError(errorText(cause), exitCodes.usage);
    }),
};
