import type { Sql, TransactionSql } from 'postgres';
import { z } from 'zod';
import type {
  ActEnd,
  Approval,
  ApprovalState,
  ApprovalStore,
  DueRule,
  Opening,
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

/**
 * What PostgreSQL's text and jsonb cannot hold (NUL, halves of surrogate pairs) becomes U+FFFD: a caller who writes one
 * into a name or a reason must not make an approval fail as if the gateway had a bug.
 */
const storable = (text: string): string => text.replace(/[\0\p{Surrogate}]/gu, '\ufffd');

const storableJson = (value: object): string =>
  JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'string' ? storable(part) : part,
  );

/** Joins the open approval of the same request where it still fits, or opens one. */
async function openLocked(
  tx: TransactionSql,
  ...[id, request, limits]: Parameters<ApprovalStore['open']>
): Promise<Opening> {
  const { requester, summary, requirements, guard, policy, digest } = request;
  const { issuer, subject } = requester;
  const { cluster } = summary;
  // What is over by the clock but not yet swept must not stand in the way of a new request.
  const ended = [...(await endDue(tx, limits.due, { cluster, issuer, subject, digest }))];
  const [locked] = await tx<{ id: string }[]>`
    select id from approvals
    where cluster = ${cluster} and requester_issuer = ${issuer}
      and requester_subject = ${subject} and digest = ${digest} and state in ('PENDING', 'APPROVED')
    for update`;
  const there = locked === undefined ? null : await readOne(tx, locked.id);
  if (there !== null) {
    const approval = approvalOf(there);
    const misfit = limits.misfit?.(approval) ?? null;
    if (misfit === null) return { opened: { approval, joined: true }, ended };
    await tx`
      update approvals set state = 'STALE', version = version + 1, outcome = ${misfit},
        ended_at = clock_timestamp()
      where id = ${there.id}`;
    const after = await readOne(tx, there.id);
    if (after !== null) ended.push({ from: there.state, approval: approvalOf(after) });
  }
  const [open] = await tx<{ count: number }[]>`
    select count(*)::int as count from approvals
    where requester_issuer = ${issuer} and requester_subject = ${subject}
      and state in ('PENDING', 'APPROVED')`;
  if ((open?.count ?? 0) >= limits.openMax) return { opened: null, ended };
  const document = storableJson({ requester, summary, requirements, guard, policy });
  await tx`
    insert into approvals
      (id, state, cluster, digest, requester_issuer, requester_subject, document, opened_by, decide_by)
    values (${id}, 'PENDING', ${cluster}, ${digest}, ${issuer}, ${subject},
      ${document}::text::jsonb, ${request.requestId},
      clock_timestamp() + ${seconds(tx, limits.decideWithinSeconds)})`;
  const row = await readOne(tx, id);
  if (row === null) throw new Error(`approval ${id} was inserted and is not there`);
  return { opened: { approval: approvalOf(row), joined: false }, ended };
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
    pending: (ids) =>
      raw(async (sql) => {
        const rows = await sql<{ id: string }[]>`
          select id from approvals
          where state = 'PENDING' and id in (
            select jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb))`;
        return rows.map((row) => row.id);
      }),
    list: (filter) => raw((sql) => listRows(sql, filter)),
    vote: (id, vote, spendWithinSeconds, judge) =>
      raw((sql) => sql.begin((tx) => actLocked(tx, id, judge, { vote, spendWithinSeconds }))),
    withdraw: (id, judge) => raw((sql) => sql.begin((tx) => actLocked(tx, id, judge, null))),
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
          update approvals set state = ${to}, version = version + 1, outcome = ${storable(outcome)},
            ended_at = clock_timestamp(), lease_until = null
          where id = ${id} and fence = ${fence} and state = 'EXECUTING' returning id`;
        const row = finished.length === 0 ? null : await readOne(sql, id);
        return row === null ? null : approvalOf(row);
      }),
    sweep: (due) => raw((sql) => endDue(sql, due)),
    notify: (id) => store.notify(channel, id),
    onNotify: (listener) => store.onNotify(channel, listener),
  };
}

type Ballot = {
  readonly vote: Parameters<ApprovalStore['vote']>[1];
  readonly spendWithinSeconds: number;
};

/** One locked transaction: what somebody does is judged on the row as it stands, and committed with its effect. */
async function actLocked<Refused>(
  tx: TransactionSql,
  id: string,
  judge: (approval: Approval, due: boolean) => VoteEffect<Refused>,
  ballot: Ballot | null,
): Promise<ActEnd<Refused> | null> {
  const [locked] = await tx<{ due: boolean }[]>`
    select coalesce(
      case state when 'PENDING' then decide_by when 'APPROVED' then spend_by end <= clock_timestamp(),
      false) as due
    from approvals where id = ${id} for update`;
  const row = locked === undefined ? null : await readOne(tx, id);
  if (row === null || locked === undefined) return null;
  const effect = judge(approvalOf(row), locked.due);
  if (effect.kind === 'refused') return effect;
  if (ballot !== null) await insertVote(tx, id, ballot.vote);
  const { to } = effect;
  const opens = to === 'PENDING' || to === 'APPROVED';
  const spendBy =
    to === 'APPROVED' && ballot !== null
      ? tx`clock_timestamp() + ${seconds(tx, ballot.spendWithinSeconds)}`
      : tx`spend_by`;
  await tx`
    update approvals set state = ${to}, version = version + 1, outcome = ${storable(effect.outcome)},
      spend_by = ${spendBy}, ended_at = ${opens ? tx`ended_at` : tx`clock_timestamp()`}
    where id = ${id}`;
  const after = await readOne(tx, id);
  return after === null ? null : { kind: 'counted', from: row.state, approval: approvalOf(after) };
}

async function insertVote(tx: TransactionSql, id: string, vote: Ballot['vote']): Promise<void> {
  const { issuer, subject, username } = vote.by;
  await tx`
    insert into votes (approval_id, issuer, subject, username, vote, reason)
    values (${id}, ${issuer}, ${subject}, ${storable(username)}, ${vote.vote}, ${storable(vote.reason)})`;
}

type Whose = {
  readonly cluster: string;
  readonly issuer: string;
  readonly subject: string;
  readonly digest: string;
};

/** Ends what is due by the clock, all of it or that of one request, each row by exactly one caller. */
async function endDue(
  sql: Runner,
  due: readonly DueRule[],
  whose?: Whose,
): Promise<readonly Transition[]> {
  const mine =
    whose === undefined
      ? sql`true`
      : sql`a.cluster = ${whose.cluster} and a.requester_issuer = ${whose.issuer}
          and a.requester_subject = ${whose.subject} and a.digest = ${whose.digest}`;
  const transitions: Transition[] = [];
  for (const { from, to, clock, outcome } of due) {
    const rows = await sql<Row[]>`
      update approvals a set state = ${to}, version = version + 1, outcome = ${outcome},
        ended_at = clock_timestamp(), lease_until = null
      where a.state = ${from} and a.${sql(clock)} <= clock_timestamp() and ${mine}
      returning ${columns(sql)}`;
    transitions.push(...rows.map((row) => ({ from, approval: approvalOf(row) })));
  }
  return transitions;
}
