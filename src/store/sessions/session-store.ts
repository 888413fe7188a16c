import type { PendingQuery, Row, Sql } from 'postgres';
import type { Refusal } from '../../base/errors.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Store } from '../store.ts';
import {
  badCursor,
  searchCommands,
  type CommandFilter,
  type CommandPage,
  type PageOptions,
} from './command-search.ts';
import { readRowCursor, writeRowCursor } from './row-cursor.ts';
import type { SessionRow } from './session-row.ts';

/** Which sessions; every field narrows. Streams are found through the session that opened them. */
export type SessionFilter = {
  /** RFC 3339: sessions that something happened in from then on. */
  readonly since?: string;
  /** RFC 3339: sessions that began before. */
  readonly until?: string;
  readonly username?: string;
  readonly group?: string;
  readonly cluster?: string;
  /** The sid or the task. */
  readonly label?: string;
};

export type SessionPage = { readonly rows: readonly SessionRow[]; readonly next: string | null };

/** A session with the streams in it, oldest first, at most 100. */
export type SessionDetail = {
  readonly session: SessionRow;
  readonly streams: readonly SessionRow[];
};

export type SessionStore = {
  /** Sessions by their beginning, newest first. `limit` counts up to 500. */
  readonly list: (
    filter: SessionFilter,
    page: Pick<PageOptions, 'limit' | 'cursor'>,
  ) => Promise<Result<SessionPage, Refusal>>;
  readonly show: (id: string) => Promise<SessionDetail | null>;
  readonly commands: (
    filter: CommandFilter,
    page: PageOptions,
  ) => Promise<Result<CommandPage, Refusal>>;
};

const pageRowsMax = 500;
const streamsMax = 100;

type SessionSqlRow = Omit<SessionRow, 'user'> &
  SessionRow['user'] & {
    readonly ts: string;
  };

/** Sessions and commands as people read them. */
export function createSessionStore(store: Pick<Store, 'general' | 'kind'>): SessionStore {
  return {
    list: async (filter, page) => {
      const after = page.cursor === undefined ? null : readRowCursor(page.cursor);
      if (page.cursor !== undefined && after === null) return err(badCursor());
      const limit = Math.min(Math.max(1, page.limit), pageRowsMax);
      const rows = await store.general.raw((sql) => {
        const beyond =
          after === null
            ? sql``
            : sql`and (s.started_at, s.id) < (${after.ts}::text::timestamptz, ${after.id})`;
        return sql<SessionSqlRow[]>`
          select ${columns(sql)} from sessions s
          where s.parent_id is null ${conditions(sql, filter)} ${beyond}
          order by s.started_at desc, s.id desc limit ${limit + 1}::int`;
      });
      const shown = rows.slice(0, limit);
      const last = rows.length > limit ? shown.at(-1) : undefined;
      const next = last === undefined ? null : writeRowCursor({ ts: last.ts, id: last.id, seq: 0 });
      return ok({ rows: shown.map(sessionRow), next });
    },
    show: async (id) => {
      const rows = await store.general.raw(
        (sql) => sql<SessionSqlRow[]>`
          (select ${columns(sql)} from sessions s where s.id = ${id})
          union all
          (select ${columns(sql)} from sessions s where s.parent_id = ${id}
            order by s.started_at, s.id limit ${streamsMax}::int)`,
      );
      const [session, ...streams] = rows.map(sessionRow);
      return session === undefined || session.id !== id ? null : { session, streams };
    },
    commands: (filter, page) => searchCommands(store, filter, page),
  };
}

const columns = (sql: Sql): PendingQuery<Row[]> => sql`
  s.id, s.basis, s.label, s.parent_id as "parentId", s.request_id as "requestId", s.issuer, s.subject, s.username,
  to_json(s.groups) as groups, s.cluster, s.user_agent as "userAgent", s.source_ip as "sourceIp",
  to_json(s.started_at at time zone 'UTC') #>> '{}' || 'Z' as "startedAt",
  to_json(s.last_at at time zone 'UTC') #>> '{}' || 'Z' as "lastAt", s.requests::float8 as requests, s.facts,
  s.started_at::text as ts,
  (select c.incomplete from commands c
    where c.incomplete is not null and (c.session_id = s.id or c.request_id = s.request_id)
    order by c.ts limit 1) as incomplete`;

function conditions(sql: Sql, filter: SessionFilter): PendingQuery<Row[]> {
  const { since, until, username, group, cluster, label } = filter;
  return sql`
    ${since === undefined ? sql`` : sql`and s.last_at >= ${since}::text::timestamptz`}
    ${until === undefined ? sql`` : sql`and s.started_at < ${until}::text::timestamptz`}
    ${username === undefined ? sql`` : sql`and s.username = ${username}`}
    ${cluster === undefined ? sql`` : sql`and s.cluster = ${cluster}`}
    ${label === undefined ? sql`` : sql`and s.label = ${label}`}
    ${group === undefined ? sql`` : sql`and s.groups @> array[${group}::text]`}`;
}

function sessionRow({ issuer, subject, username, ts: _ts, ...row }: SessionSqlRow): SessionRow {
  return { ...row, user: { issuer, subject, username } };
}
