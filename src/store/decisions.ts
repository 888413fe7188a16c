import { and, asc, desc, eq, gte, lte, lt, or, sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import type {
  AttemptEntry,
  DecisionEntry,
  HoldTransitionEntry,
  OutcomeEntry,
  ReleaseEntry,
} from '../record/index.ts';
import { decisionRow, isKind, parseLeaf, type DecisionRow, type Recorded } from './decision-row.ts';
import { decisions, records } from './schema.ts';
import type { Store } from './store.ts';

/** Which decisions; every field narrows. */
export type DecisionFilter = {
  /** RFC 3339, inclusive. */
  readonly since?: string;
  /** RFC 3339, exclusive. */
  readonly until?: string;
  readonly username?: string;
  readonly cluster?: string;
  readonly namespace?: string;
  readonly verb?: string;
  /** As RBAC writes it: `pods/exec`. */
  readonly resource?: string;
  readonly verdict?: DecisionEntry['verdict'];
  /** `payments_pods`, or one element of it: `payments_pods/delete`. */
  readonly rule?: string;
  readonly requestId?: string;
};

export type DecisionPage = {
  readonly rows: readonly DecisionRow[];
  /** Where the next page begins; null at the end. */
  readonly next: string | null;
};

/** All that is recorded of one request. */
export type DecisionDetail = {
  readonly decision: Recorded<DecisionEntry>;
  /** The gateway's own calls, made to decide. */
  readonly attempts: readonly Recorded<AttemptEntry>[];
  /** The changes of the approval that the request opened, joined or was released by. */
  readonly holds: readonly Recorded<HoldTransitionEntry>[];
  readonly releases: readonly Recorded<ReleaseEntry>[];
  /** Null while the request runs, or where its process ended before it did. */
  readonly outcome: Recorded<OutcomeEntry> | null;
};

export type DecisionStore = {
  /** Newest first. `limit` counts up to 1000; a cursor that this store did not make is a refusal. */
  readonly list: (
    filter: DecisionFilter,
    page: { readonly limit: number; readonly cursor?: string | undefined },
  ) => Promise<Result<DecisionPage, Refusal>>;
  readonly show: (requestId: string) => Promise<DecisionDetail | null>;
  /** All that match, newest first, page by page: no connection and no snapshot is held in between. */
  readonly stream: (filter: DecisionFilter) => AsyncGenerator<DecisionRow, void, void>;
};

/** Rows of one page. */
const pageRowsMax = 1000;

/** Rows of one request that `show` reads: a call has a handful. */
const detailRowsMax = 1000;

type Cursor = { readonly ts: string; readonly stream: string; readonly seq: number };

/** The decisions as people read them, on the general pool: reading never makes a decision wait. */
export function createDecisionStore(store: Pick<Store, 'run'>): DecisionStore {
  const page = async (
    filter: DecisionFilter,
    limit: number,
    after: Cursor | null,
  ): Promise<DecisionPage> => {
    const rows = await store.run((db) =>
      db
        .select()
        .from(decisions)
        .where(and(...conditions(filter), after === null ? undefined : before(after)))
        .orderBy(desc(decisions.ts), desc(decisions.stream), desc(decisions.seq))
        .limit(limit + 1),
    );
    const shown = rows.slice(0, limit);
    const last = shown.at(-1);
    const more = rows.length > limit && last !== undefined;
    return { rows: shown.map(decisionRow), next: more ? writeCursor(last) : null };
  };
  return {
    list: async (filter, { limit, cursor }) => {
      const after = cursor === undefined ? null : readCursor(cursor);
      if (cursor !== undefined && after === null) {
        return err(
          refusal(
            'HOLDGATE_CONSOLE_REQUEST_INVALID',
            'cursor is none that this list gave; leave it out to begin anew',
          ),
        );
      }
      return ok(await page(filter, Math.min(Math.max(1, limit), pageRowsMax), after));
    },
    show: (requestId) => show(store, requestId),
    stream: async function* stream(filter) {
      let after: Cursor | null = null;
      for (;;) {
        const { rows, next }: DecisionPage = await page(filter, pageRowsMax, after);
        yield* rows;
        if (next === null) return;
        after = readCursor(next);
      }
    },
  };
}

/**
 * Days around a time in which a record of it may lie: its stream's day is its own, or a neighbour's where it waited over
 * midnight or a clock was set back. Lets the planner leave out the other partitions.
 */
const aroundDays = 1;

function conditions(filter: DecisionFilter): (SQL | undefined)[] {
  const day = (at: string, days: number): SQL =>
    sql`((${at}::text::timestamptz at time zone 'UTC')::date + ${days}::int)`;
  const { since, until, rule } = filter;
  const equal = [
    [decisions.username, filter.username],
    [decisions.cluster, filter.cluster],
    [decisions.namespace, filter.namespace],
    [decisions.verb, filter.verb],
    [decisions.resource, filter.resource],
    [decisions.verdict, filter.verdict],
    [decisions.requestId, filter.requestId],
  ] as const;
  return [
    ...equal.map(([column, value]) => (value === undefined ? undefined : eq(column, value))),
    rule === undefined ? undefined : sql`${rule} = any(${decisions.rules})`,
    since === undefined ? undefined : gte(decisions.ts, since),
    since === undefined ? undefined : gte(decisions.epoch, day(since, -aroundDays)),
    until === undefined ? undefined : lt(decisions.ts, until),
    until === undefined ? undefined : lte(decisions.epoch, day(until, aroundDays)),
  ];
}

function before(cursor: Cursor): SQL | undefined {
  const { ts, stream, seq } = cursor;
  return and(
    lte(decisions.ts, ts),
    or(
      lt(decisions.ts, ts),
      lt(decisions.stream, stream),
      and(eq(decisions.stream, stream), lt(decisions.seq, seq)),
    ),
  );
}

function writeCursor(row: Cursor): string {
  const { ts, stream, seq } = row;
  return Buffer.from(JSON.stringify([ts, stream, seq])).toString('base64url');
}

/** A time as PostgreSQL writes it. */
const cursorSchema = z.tuple([
  z.string().regex(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?\+00$/),
  z.string(),
  z.int(),
]);

function readCursor(text: string): Cursor | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    const parts = cursorSchema.safeParse(value).data;
    return parts === undefined ? null : { ts: parts[0], stream: parts[1], seq: parts[2] };
  } catch {
    return null;
  }
}

async function show(store: Pick<Store, 'run'>, requestId: string): Promise<DecisionDetail | null> {
  const order = [asc(records.ts), asc(records.stream), asc(records.seq)];
  const ofRequest = await store.run((db) =>
    db
      .select({ bytes: records.bytes })
      .from(records)
      .where(eq(records.requestId, requestId))
      .orderBy(...order)
      .limit(detailRowsMax),
  );
  const leaves = ofRequest.map((row) => parseLeaf(row.bytes));
  const decision = leaves.find(isKind('decision'));
  if (decision === undefined) return null;
  const { approvalId } = decision;
  const ofApproval =
    approvalId === null
      ? []
      : await store.run((db) =>
          db
            .select({ bytes: records.bytes })
            .from(records)
            .where(and(eq(records.approvalId, approvalId), eq(records.kind, 'hold')))
            .orderBy(...order)
            .limit(detailRowsMax),
        );
  const holds = approvalId === null ? leaves : ofApproval.map((row) => parseLeaf(row.bytes));
  return {
    decision,
    attempts: leaves.filter(isKind('attempt')),
    holds: holds.filter(isKind('hold')),
    releases: leaves.filter(isKind('release')),
    outcome: leaves.find(isKind('outcome')) ?? null,
  };
}
