import type { TransactionSql } from 'postgres';
import type { OutcomeEntry } from '../../record/index.ts';
import type { Recorded } from '../decision-row.ts';
import { storableText } from '../record-columns.ts';
import { hashOf } from './hash.ts';
import type { SessionLeaf } from './read-batch.ts';

/** Requests that open a stream: each that was let through is a session of its own. */
const STREAMS = ['pods/exec', 'pods/attach', 'pods/portforward'];

const childId = (requestId: string): string => hashOf(['stream', requestId]);

/**
 * Opens a child session for each exec, attach and port-forward that the batch let through: at its decision, or, held, at
 * its release. A second try of the same release changes nothing.
 */
export async function openChildren(
  tx: TransactionSql,
  leaves: readonly SessionLeaf[],
): Promise<void> {
  const opened = leaves.filter(
    (leaf) => leaf.kind === 'release' || (leaf.kind === 'decision' && leaf.verdict === 'allow'),
  );
  const rows = opened.map(({ requestId, ts }) => ({
    id: childId(requestId),
    request_id: requestId,
    ts,
  }));
  if (rows.length === 0) return;
  await tx`
    insert into sessions (id, key, basis, parent_id, request_id, issuer, subject, username, groups, cluster, user_agent,
      source_ip, started_at, last_at, requests)
    select distinct on (r.id) r.id, r.id, 'stream', p.id, r.request_id, p.issuer, p.subject, p.username, p.groups,
      p.cluster, p.user_agent, p.source_ip, r.ts, r.ts, 1
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as r(id text, request_id text, ts timestamptz)
    join commands c on c.request_id = r.request_id
    join sessions p on p.id = c.session_id
    where c.verb = 'connect'
      and c.resource in (select jsonb_array_elements_text(${JSON.stringify(STREAMS)}::text::jsonb))
    order by r.id, r.ts
    on conflict (id) do nothing`;
}

/** Writes the outcomes of a batch to their requests, their sessions and, where they were streams, their own sessions. */
export async function writeEnds(tx: TransactionSql, leaves: readonly SessionLeaf[]): Promise<void> {
  const outcomes = leaves.filter((leaf) => leaf.kind === 'outcome');
  if (outcomes.length === 0) return;
  const json = JSON.stringify(outcomes.map(endRow));
  await tx`
    with ended as (
      update commands c set ended_at = r.ts, status = r.status, code = coalesce(r.code, c.code),
        exit_code = r.exit_code, incomplete = r.incomplete
      from jsonb_to_recordset(${json}::text::jsonb) as r(request_id text, ts timestamptz, status integer, code text,
        exit_code integer, incomplete text)
      where c.request_id = r.request_id
      returning c.session_id, c.ended_at)
    update sessions s set last_at = greatest(s.last_at, e.at)
    from (select session_id, max(ended_at) as at from ended group by session_id) e
    where s.id = e.session_id`;
  await tx`
    update sessions s set facts = r.facts, last_at = r.ts
    from jsonb_to_recordset(${json}::text::jsonb) as r(child_id text, ts timestamptz, facts jsonb)
    where s.id = r.child_id and r.facts is not null and r.facts <> 'null'::jsonb`;
  // The cluster did not open the stream, so there was no session.
  await tx`
    delete from sessions s
    using jsonb_to_recordset(${json}::text::jsonb) as r(child_id text, facts jsonb, complete boolean)
    where s.id = r.child_id and r.complete and (r.facts is null or r.facts = 'null'::jsonb)`;
}

function endRow(leaf: Recorded<OutcomeEntry>) {
  const { requestId, ts, status, code, session, complete, endedBy, detail } = leaf;
  const why = storableText(session === null ? detail : session.detail);
  return {
    request_id: requestId,
    child_id: childId(requestId),
    ts,
    status,
    code,
    exit_code: session?.exitCode ?? null,
    complete,
    incomplete: complete ? null : `ended by ${endedBy}${why === '' ? '' : `: ${why}`}`,
    facts: session === null ? null : storableFacts(session),
  };
}

/** What passed, with texts that jsonb can hold. */
function storableFacts(session: NonNullable<OutcomeEntry['session']>) {
  const { wire, protocol, bytes, exitCode, failure, ports, connections, detail } = session;
  return {
    wire,
    protocol: storableText(protocol),
    bytes,
    exitCode,
    failure: storableText(failure),
    ports,
    connections,
    detail: storableText(detail),
  };
}

/** Why a request without an outcome will not get one. */
const NO_OUTCOME = 'no outcome is on record: its process ended first';

/**
 * Marks requests whose process ended before they did. Only right when all records were read; an outcome that comes all the
 * same takes the mark away. A stream has ended where it was closed and its process has no later one open, where the same
 * replica opened another on its day, or the day is long over; `exclusive` says that there is one process at a time.
 */
export async function markLost(tx: TransactionSql, exclusive: boolean): Promise<void> {
  await tx`
    update commands c set incomplete = ${NO_OUTCOME}
    from streams s
    where c.stream = s.id and c.ended_at is null and c.incomplete is null and (
      (s.closed_at is not null or s.epoch < (now() at time zone 'UTC')::date - 1) and not exists (
        select from streams t
        where t.replica = s.replica and t.epoch > s.epoch and t.closed_at is null)
      or s.closed_at is null and exists (
        select from streams t where t.opened_at > s.opened_at
          and (t.replica = s.replica and t.epoch = s.epoch or ${exclusive} and t.replica <> s.replica)))`;
}
