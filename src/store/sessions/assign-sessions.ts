import type { TransactionSql } from 'postgres';
import type { CommandDraft } from './command-draft.ts';
import { hashOf } from './hash.ts';
import { isWithin, type SessionKey } from './session-key.ts';
import { storableText } from '../record-columns.ts';

/** A session while a batch is worked on. */
export type OpenSession = SessionKey & {
  readonly id: string;
  readonly isNew: boolean;
  /** The first request of the batch in it: says who and where. */
  readonly first: CommandDraft;
  startedMs: number;
  lastMs: number;
  requests: number;
  groups: Set<string>;
};

type Row = {
  readonly id: string;
  readonly key: string;
  readonly basis: string;
  readonly started_ms: number;
  readonly last_ms: number;
};

/** A session keeps so many groups of its callers' tokens, cut to what an index takes. */
const groupsMax = 256;

/** Gives each request its session: one that is there, or a new one. Sessions of the batch, by request. */
export async function assignSessions(
  tx: TransactionSql,
  drafts: readonly CommandDraft[],
): Promise<ReadonlyMap<CommandDraft, OpenSession>> {
  const newest = await loadNewest(tx, drafts);
  const open = new Map<string, OpenSession>();
  const assigned = new Map<CommandDraft, OpenSession>();
  for (const draft of drafts) {
    const { key } = draft.session;
    const current = open.get(key) ?? known(newest.get(key), draft);
    const session = current !== null && isWithin(current, draft.atMs) ? current : newSession(draft);
    open.set(key, session);
    assigned.set(draft, session);
    session.requests += 1;
    session.startedMs = Math.min(session.startedMs, draft.atMs);
    session.lastMs = Math.max(session.lastMs, draft.atMs);
    for (const group of draft.leaf.input?.user.groups ?? []) {
      if (session.groups.size < groupsMax) session.groups.add(storableText(group));
    }
  }
  return assigned;
}

async function loadNewest(
  tx: TransactionSql,
  drafts: readonly CommandDraft[],
): Promise<ReadonlyMap<string, Row>> {
  const keys = [...new Set(drafts.map((draft) => draft.session.key))];
  if (keys.length === 0) return new Map();
  const rows = await tx<Row[]>`
    select distinct on (key) id, key, basis,
      (extract(epoch from started_at) * 1000)::float8 as started_ms,
      (extract(epoch from last_at) * 1000)::float8 as last_ms
    from sessions
    where key in (select jsonb_array_elements_text(${JSON.stringify(keys)}::text::jsonb))
    order by key, started_at desc, id desc`;
  return new Map(rows.map((row) => [row.key, row]));
}

const counters = (draft: CommandDraft) => ({
  first: draft,
  requests: 0,
  groups: new Set<string>(),
});

function known(row: Row | undefined, draft: CommandDraft): OpenSession | null {
  if (row === undefined) return null;
  return {
    ...draft.session,
    id: row.id,
    isNew: false,
    startedMs: row.started_ms,
    lastMs: row.last_ms,
    ...counters(draft),
  };
}

/** The id is derived, so that a rebuild gives the same session the same one. */
function newSession(draft: CommandDraft): OpenSession {
  const { key, basis } = draft.session;
  return {
    ...draft.session,
    id: basis === 'client' ? hashOf([key, draft.leaf.requestId]) : key,
    isNew: true,
    startedMs: draft.atMs,
    lastMs: draft.atMs,
    ...counters(draft),
  };
}

/** Writes the sessions of a batch: new ones, and what grew in those that were there. */
export async function writeSessions(
  tx: TransactionSql,
  sessions: ReadonlySet<OpenSession>,
): Promise<void> {
  if (sessions.size === 0) return;
  const rows = [...sessions].map((session) => {
    const { leaf } = session.first;
    return {
      id: session.id,
      key: session.key,
      basis: session.basis,
      label: storableText(session.label),
      issuer: storableText(leaf.user?.issuer),
      subject: storableText(leaf.user?.subject),
      username: storableText(leaf.user?.username),
      groups: [...session.groups],
      cluster: storableText(leaf.cluster),
      user_agent: storableText(leaf.userAgent),
      source_ip: storableText(leaf.sourceIp),
      started_ms: session.startedMs,
      last_ms: session.lastMs,
      requests: session.requests,
    };
  });
  await tx`
    insert into sessions (id, key, basis, label, issuer, subject, username, groups, cluster, user_agent, source_ip,
      started_at, last_at, requests)
    select r.id, r.key, r.basis, r.label, r.issuer, r.subject, r.username, r.groups, r.cluster, r.user_agent,
      r.source_ip, to_timestamp(r.started_ms / 1000), to_timestamp(r.last_ms / 1000), r.requests
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as r(
      id text, key text, basis text, label text, issuer text, subject text, username text, groups text[],
      cluster text, user_agent text, source_ip text, started_ms float8, last_ms float8, requests bigint)
    on conflict (id) do update set
      started_at = least(sessions.started_at, excluded.started_at),
      last_at = greatest(sessions.last_at, excluded.last_at),
      requests = sessions.requests + excluded.requests,
      groups = case when sessions.groups @> excluded.groups then sessions.groups else (
        select array_agg(g order by g) from (
          select distinct unnest(sessions.groups || excluded.groups) as g limit ${groupsMax}::int) u) end`;
}
