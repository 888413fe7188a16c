import type { PendingQuery, Row, TransactionSql } from 'postgres';
import { refusal, type Refusal } from '../../base/errors.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Verdict } from '../../decide/index.ts';
import { postgresError } from '../failure.ts';
import type { Store } from '../store.ts';
import { invalid, linePattern, type CommandPattern, type LinePattern } from './command-pattern.ts';
import { readRowCursor, writeRowCursor, type RowCursor } from './row-cursor.ts';
import type { CommandRow } from './session-row.ts';

/** Which commands; every field narrows. */
export type CommandFilter = {
  /** RFC 3339, inclusive. */
  readonly since?: string;
  /** RFC 3339, exclusive. */
  readonly until?: string;
  readonly session?: string;
  readonly username?: string;
  /** A group of the session's tokens. */
  readonly group?: string;
  readonly cluster?: string;
  readonly namespace?: string;
  readonly verb?: string;
  /** As RBAC writes it: `pods/exec`. */
  readonly resource?: string;
  readonly verdict?: Verdict;
  /** `payments_pods`, or one element of it: `payments_pods/delete`. */
  readonly rule?: string;
  readonly command?: CommandPattern;
  /** Also the requests that are folded into others. */
  readonly folded?: boolean;
};

export type CommandPage = {
  readonly rows: readonly CommandRow[];
  /** Where the next page begins; null at the end. A page may be short, or empty, and have one. */
  readonly next: string | null;
};

export type PageOptions = {
  readonly limit: number;
  readonly cursor?: string | undefined;
  readonly order: 'newest' | 'oldest';
};

const pageRowsMax = 500;

/** How long a search may take on PostgreSQL; the embedded database has no such clock. Milliseconds. */
const searchTimeoutMs = 3000;

/**
 * Lines that one page of a pattern looks at in the embedded database, where a slow query would make recording wait, and
 * one of more than six seconds would end the database's thread.
 */
const embeddedLinesMax = 50_000;

type CommandSqlRow = Omit<CommandRow, 'folded'> & {
  readonly stream: string;
  readonly seq: string;
  readonly ts: string;
  readonly folded: CommandRow['folded'] | null;
};

/** SQLSTATE of a statement that took too long, and of a regular expression that is none. */
const canceled = '57014';
const regexInvalid = '2201B';

/** A page of commands. A pattern or a cursor of the wrong form, or a search that takes too long, is a refusal. */
export async function searchCommands(
  store: Pick<Store, 'general' | 'kind'>,
  filter: CommandFilter,
  page: PageOptions,
): Promise<Result<CommandPage, Refusal>> {
  const after = page.cursor === undefined ? null : readRowCursor(page.cursor);
  if (page.cursor !== undefined && after === null) return err(badCursor());
  const pattern = filter.command === undefined ? null : linePattern(filter.command);
  if (pattern !== null && !pattern.ok) return pattern;
  const limit = Math.min(Math.max(1, page.limit), pageRowsMax);
  const linesMax = pattern !== null && store.kind === 'embedded' ? embeddedLinesMax : null;
  const wanted = { filter, after, pattern: pattern?.value ?? null, limit, order: page.order };
  return store.general.raw(async (sql) => {
    try {
      return ok(
        await sql.begin(async (tx) => {
          await tx.unsafe(`set local statement_timeout = ${searchTimeoutMs}`);
          return readPage(tx, wanted, linesMax);
        }),
      );
    } catch (cause) {
      const error = postgresError(cause);
      if (error?.code === canceled) return err(tooSlow());
      if (error?.code === regexInvalid)
        return err(invalid(`is no regular expression: ${error.message}`));
      throw cause;
    }
  });
}

/** The refusal of a cursor that no list made. */
export const badCursor = (): Refusal =>
  refusal(
    'HOLDGATE_CONSOLE_REQUEST_INVALID',
    'cursor is none that this list gave; leave it out to begin anew',
  );

const tooSlow = (): Refusal =>
  refusal(
    'HOLDGATE_CONSOLE_REQUEST_INVALID',
    `the search takes longer than ${searchTimeoutMs / 1000} s: give since or a longer pattern`,
  );

type Wanted = {
  readonly filter: CommandFilter;
  readonly after: RowCursor | null;
  readonly pattern: LinePattern | null;
  readonly limit: number;
  readonly order: PageOptions['order'];
};

type Condition = PendingQuery<Row[]>;

async function readPage(
  tx: TransactionSql,
  { filter, after, pattern, limit, order }: Wanted,
  linesMax: number | null,
): Promise<CommandPage> {
  const newest = order === 'newest';
  const sorted = newest
    ? tx`order by c.ts desc, c.stream desc, c.seq desc`
    : tx`order by c.ts, c.stream, c.seq`;
  const narrowed = conditions(tx, filter);
  if (after !== null) narrowed.push(beyond(tx, after, newest));
  const bound = linesMax === null ? null : await boundOf(tx, narrowed, sorted, linesMax);
  if (bound !== null) {
    narrowed.push(
      newest
        ? tx`(c.ts, c.stream, c.seq) >= (${bound.ts}::text::timestamptz, ${bound.id}, ${bound.seq}::int8)`
        : tx`(c.ts, c.stream, c.seq) <= (${bound.ts}::text::timestamptz, ${bound.id}, ${bound.seq}::int8)`,
    );
  }
  if (pattern !== null) {
    const { operator, operand } = pattern;
    narrowed.push(operator === 'ilike' ? tx`c.line ilike ${operand}` : tx`c.line ~* ${operand}`);
  }
  const rows = await tx<CommandSqlRow[]>`
    with found as (
      select c.* from commands c where ${all(tx, narrowed)} ${sorted} limit ${limit + 1}::int)
    select c.request_id as "requestId", c.session_id as "sessionId", c.command_id as "commandId",
      c.folded_into as "foldedInto", c.fold, to_json(c.ts at time zone 'UTC') #>> '{}' || 'Z' as at, c.cluster, c.username,
      c.verb, c.resource, c.namespace, c.name, c.verdict, to_json(c.rules) as rules, c.masked, c.code, c.line, c.fidelity,
      to_json(c.ended_at at time zone 'UTC') #>> '{}' || 'Z' as "endedAt", c.status, c.exit_code as "exitCode",
      c.incomplete, c.stream, c.seq::text as seq, c.ts::text as ts,
      (select json_object_agg(f.fold, f.count) from (
        select fold, count(*)::int as count from commands where folded_into = c.request_id group by fold) f) as folded,
      (select json_build_object('id', a.id, 'state', a.state, 'votes', coalesce((
          select json_agg(json_build_object('username', v.username, 'vote', v.vote) order by v.at)
          from votes v where v.approval_id = a.id), '[]'::json))
        from approvals a where a.id = c.approval_id) as approval
    from found c ${sorted}`;
  const shown = rows.slice(0, limit);
  const last = rows.length > limit ? shown.at(-1) : undefined;
  const end = last === undefined ? bound : { ts: last.ts, id: last.stream, seq: Number(last.seq) };
  return { rows: shown.map(commandRow), next: end === null ? null : writeRowCursor(end) };
}

function commandRow({ stream: _stream, seq: _seq, ts: _ts, ...row }: CommandSqlRow): CommandRow {
  return { ...row, folded: row.folded ?? {} };
}

/** The last line that a search of a pattern looks at; null where it looks at all. */
async function boundOf(
  tx: TransactionSql,
  narrowed: readonly Condition[],
  sorted: Condition,
  linesMax: number,
): Promise<RowCursor | null> {
  const [row] = await tx<{ ts: string; id: string; seq: string }[]>`
    select c.ts::text as ts, c.stream as id, c.seq::text as seq from commands c
    where ${all(tx, narrowed)} ${sorted} offset ${linesMax}::int limit 1`;
  return row === undefined ? null : { ...row, seq: Number(row.seq) };
}

function beyond(tx: TransactionSql, { ts, id, seq }: RowCursor, newest: boolean): Condition {
  return newest
    ? tx`(c.ts, c.stream, c.seq) < (${ts}::text::timestamptz, ${id}, ${seq}::int8)`
    : tx`(c.ts, c.stream, c.seq) > (${ts}::text::timestamptz, ${id}, ${seq}::int8)`;
}

const all = (tx: TransactionSql, conditionList: readonly Condition[]): Condition =>
  conditionList.reduce((joined, one) => tx`${joined} and ${one}`, tx`true`);

function conditions(tx: TransactionSql, filter: CommandFilter): Condition[] {
  const { since, until, group, rule } = filter;
  const equal = [
    ['session_id', filter.session],
    ['username', filter.username],
    ['cluster', filter.cluster],
    ['namespace', filter.namespace],
    ['verb', filter.verb],
    ['resource', filter.resource],
    ['verdict', filter.verdict],
  ] as const;
  return [
    ...(filter.folded === true ? [] : [tx`c.folded_into is null`]),
    ...equal.flatMap(([column, value]) =>
      value === undefined ? [] : [tx`c.${tx(column)} = ${value}`],
    ),
    ...(since === undefined ? [] : [tx`c.ts >= ${since}::text::timestamptz`]),
    ...(until === undefined ? [] : [tx`c.ts < ${until}::text::timestamptz`]),
    ...(rule === undefined ? [] : [tx`${rule}::text = any(c.rules)`]),
    ...(group === undefined
      ? []
      : [tx`c.session_id in (select id from sessions where groups @> array[${group}::text])`]),
  ];
}
