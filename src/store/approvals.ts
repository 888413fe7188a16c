import type { Sql, TransactionSql } from 'postgres';
import { z } from 'zod';
import type {
  Approval,
  ApprovalState,
  ApprovalStore,
  DueRule,
  Transition,
  VoteEffect,
} from '../hold/index.ts';
import type { Store } from './store.ts';

const channel = 'holdgate_approvals';

type Row = {
  readonly id: string;
  readonly state: ApprovalState;
  readonly version: number;
  readonly digest: string;
  readonly document: Pick<Approval, 'requester' | 'summary' | 'requirements' | 'guard' | 'policy'>;
  readonly opened_by: string;
  readonly executed_by: string | null;
  readonly created_at: Date;
  readonly decide_by: Date;
  readonly spend_by: Date | null;
  readonly ended_at: Date | null;
  readonly outcome: string;
  readonly fence: string;
  readonly votes: Approval['votes'];
};

const timestamp = z.coerce.date();

/** timestamptz comes as a Date or as text, by the driver's settings. */
const iso = (value: unknown): string => timestamp.parse(value).toISOString();
const isoOrNull = (value: unknown): string | null => (value === null ? null : iso(value));

function approvalOf(row: Row): Approval {
  return {
    id: row.id,
    state: row.state,
    version: row.version,
    digest: row.digest,
    ...row.document,
    votes: row.votes.map((vote) => ({ ...vote, at: iso(vote.at) })),
    openedBy: row.opened_by,
    executedBy: row.executed_by,
    createdAt: iso(row.created_at),
    decideBy: iso(row.decide_by),
    spendBy: isoOrNull(row.spend_by),
    endedAt: isoOrNull(row.ended_at),
    outcome: row.outcome,
  };
}

type Runner = Sql | TransactionSql;

const columns = (sql: Runner) => sql`
  a.id, a.state, a.version, a.digest, a.document, a.opened_by, a.executed_by, a.created_at, a.decide_by, a.spend_by,
  a.ended_at, a.outcome, a.fence,
  coalesce((select json_agg(json_build_object(
      'by', json_build_object('issuer', v.issuer, 'subject', v.subject, 'username', v.username),
      'vote', v.vote, 'reason', v.reason, 'at', v.at) order by v.at)
    from votes v where v.approval_id = a.id), '[]'::json) as votes`;

async function readOne(sql: Runner, id: string): Promise<Row | null> {
  const [row] = await sql<Row[]>`select ${columns(sql)} from approvals a where a.id = ${id}`;
  return row ?? null;
}

const seconds = (sql: Runner, count: number) => sql`make_interval(secs => ${count}::float8)`;

const unique = '23505';

function isUniqueViolation(cause: unknown): boolean {
  return typeof cause === 'object' && cause !== null && 'code' in cause && cause.code === unique;
}

/** Joins the open approval of the same request, or opens one; null where the requester has too many open. */
async function openLocked(
  tx: TransactionSql,
  ...[id, request, limits]: Parameters<ApprovalStore['open']>
): ReturnType<ApprovalStore['open']> {
  const { requester, summary, requirements, guard, policy, digest } = request;
  const { issuer, subject } = requester;
  const { cluster } = summary;
  const [joined] = await tx<Row[]>`
    select ${columns(tx)} from approvals a
    where a.cluster = ${cluster} and a.requester_issuer = ${issuer}
      and a.requester_subject = ${subject} and a.digest = ${digest}
      and ((a.state = 'PENDING' and a.decide_by > clock_timestamp())
        or (a.state = 'APPROVED' and a.spend_by > clock_timestamp()))`;
  if (joined !== undefined) return { approval: approvalOf(joined), joined: true };
  // What is over by the clock but not yet swept must not stand in the way of a new request.
  await sweepRows(tx, limits.due, { cluster, issuer, subject, digest });
  const [open] = await tx<{ count: number }[]>`
    select count(*)::int as count from approvals
    where requester_issuer = ${issuer} and requester_subject = ${subject}
      and state in ('PENDING', 'APPROVED')`;
  if ((open?.count ?? 0) >= limits.openMax) return null;
  const document = JSON.stringify({ requester, summary, requirements, guard, policy });
  await tx`
    insert into approvals
      (id, state, cluster, digest, requester_issuer, requester_subject, document, opened_by, decide_by)
    values (${id}, 'PENDING', ${cluster}, ${digest}, ${issuer}, ${subject},
      ${document}::text::jsonb, ${request.requestId},
      clock_timestamp() + ${seconds(tx, limits.decideWithinSeconds)})`;
  const row = await readOne(tx, id);
  return row === null ? null : { approval: approvalOf(row), joined: false };
}

async function listRows(
  sql: Sql,
  { states, limit, before }: Parameters<ApprovalStore['list']>[0],
): Promise<readonly Approval[]> {
  const inStates = states === undefined ? sql`true` : sql`a.state in ${sql([...states])}`;
  const after =
    before === undefined
      ? sql`true`
      : sql`(a.created_at, a.id) < (select created_at, id from approvals where id = ${before})`;
  const rows = await sql<Row[]>`
    select ${columns(sql)} from approvals a where ${inStates} and ${after}
    order by a.created_at desc, a.id desc limit ${limit}`;
  return rows.map(approvalOf);
}

async function sweepAll(sql: Sql, due: readonly DueRule[]): Promise<readonly Transition[]> {
  const transitions: Transition[] = [];
  for (const { id, from } of await sweepRows(sql, due)) {
    const row = await readOne(sql, id);
    if (row !== null) transitions.push({ from, approval: approvalOf(row) });
  }
  return transitions;
}

/** Approvals in the database. Its clock decides; a change of state is one conditional statement or one locked transaction. */
export function createApprovalStore(
  store: Pick<Store, 'general' | 'notify' | 'onNotify'>,
): ApprovalStore {
  const raw = <T>(work: (sql: Sql) => Promise<T>): Promise<T> => store.general.raw(work);

  const open: ApprovalStore['open'] = (...wanted) =>
    raw((sql) => sql.begin((tx) => openLocked(tx, ...wanted)));
  return {
    open: async (id, request, limits) => {
      try {
        return await open(id, request, limits);
      } catch (cause) {
        // Two identical requests at once: the other one opened it, and this one joins.
        if (!isUniqueViolation(cause)) throw cause;
        return open(id, request, limits);
      }
    },
    read: (id) =>
      raw(async (sql) => {
        const row = await readOne(sql, id);
        return row === null ? null : approvalOf(row);
      }),
    list: (filter) => raw((sql) => listRows(sql, filter)),
    vote: (id, vote, spendWithinSeconds, judge) =>
      raw((sql) => sql.begin((tx) => voteLocked(tx, id, vote, spendWithinSeconds, judge))),
    claim: (id, requestId, leaseSeconds) =>
      raw(async (sql) => {
        const claimed = await sql<{ fence: string }[]>`
          update approvals set state = 'EXECUTING', version = version + 1, executed_by = ${requestId},
            fence = fence + 1, lease_until = clock_timestamp() + ${seconds(sql, leaseSeconds)}
          where id = ${id} and state = 'APPROVED' and spend_by > clock_timestamp()
          returning fence`;
        const row = claimed[0] === undefined ? null : await readOne(sql, id);
        return row === null ? null : { approval: approvalOf(row), fence: Number(row.fence) };
      }),
    renew: (id, fence, leaseSeconds) =>
      raw(async (sql) => {
        const renewed = await sql`
          update approvals set lease_until = clock_timestamp() + ${seconds(sql, leaseSeconds)}
          where id = ${id} and fence = ${fence} and state = 'EXECUTING' returning id`;
        return renewed.length > 0;
      }),
    finish: (id, fence, to, outcome) =>
      raw(async (sql) => {
        const finished = await sql`
          update approvals set state = ${to}, version = version + 1, outcome = ${outcome},
            ended_at = clock_timestamp(), lease_until = null
          where id = ${id} and fence = ${fence} and state = 'EXECUTING' returning id`;
        const row = finished.length === 0 ? null : await readOne(sql, id);
        return row === null ? null : approvalOf(row);
      }),
    sweep: (due) => raw((sql) => sweepAll(sql, due)),
    notify: (id) => store.notify(channel, id),
    onNotify: (listener) => store.onNotify(channel, listener),
  };
}

type Vote = Parameters<ApprovalStore['vote']>[1];

async function voteLocked<Refused>(
  tx: TransactionSql,
  id: string,
  vote: Vote,
  spendWithinSeconds: number,
  judge: (approval: Approval, due: boolean) => VoteEffect<Refused>,
) {
  const [locked] = await tx<{ due: boolean }[]>`
    select decide_by <= clock_timestamp() as due from approvals where id = ${id} for update`;
  const row = locked === undefined ? null : await readOne(tx, id);
  if (row === null || locked === undefined) return null;
  const effect = judge(approvalOf(row), locked.due);
  if (effect.kind === 'refused') return effect;
  const { issuer, subject, username } = vote.by;
  await tx`
    insert into votes (approval_id, issuer, subject, username, vote, reason)
    values (${id}, ${issuer}, ${subject}, ${username}, ${vote.vote}, ${vote.reason})`;
  const { to } = effect;
  await tx`
    update approvals set state = ${to}, version = version + 1, outcome = ${effect.outcome},
      spend_by = ${to === 'APPROVED' ? tx`clock_timestamp() + ${seconds(tx, spendWithinSeconds)}` : tx`spend_by`},
      ended_at = ${to === 'DENIED' ? tx`clock_timestamp()` : tx`ended_at`}
    where id = ${id}`;
  const after = await readOne(tx, id);
  if (after === null) return null;
  return { kind: 'counted' as const, from: row.state, approval: approvalOf(after) };
}

type Whose = {
  readonly cluster: string;
  readonly issuer: string;
  readonly subject: string;
  readonly digest: string;
};

/** Ends what is due, all of it or that of one request; tells what was in which state before. */
async function sweepRows(
  sql: Runner,
  due: readonly DueRule[],
  whose?: Whose,
): Promise<readonly { readonly id: string; readonly from: ApprovalState }[]> {
  const mine =
    whose === undefined
      ? sql`true`
      : sql`cluster = ${whose.cluster} and requester_issuer = ${whose.issuer}
          and requester_subject = ${whose.subject} and digest = ${whose.digest}`;
  const changed: { id: string; from: ApprovalState }[] = [];
  for (const { from, to, clock, outcome } of due) {
    const rows = await sql<{ id: string }[]>`
      update approvals set state = ${to}, version = version + 1, outcome = ${outcome}, ended_at = clock_timestamp(),
        lease_until = null
      where state = ${from} and ${sql(clock)} <= clock_timestamp() and ${mine} returning id`;
    changed.push(...rows.map(({ id }) => ({ id, from })));
  }
  return changed;
}
