import {
  bigint,
  boolean,
  customType,
  date,
  doublePrecision,
  integer,
  jsonb,
  pgTable,
  pgView,
  primaryKey,
  text,
  timestamp,
} from 'drizzle-orm/pg-core';

/**
 * The tables as queries see them. The truth is `migrations/*.sql`, which holds what drizzle cannot say (partitions,
 * triggers, the view); a test compares the columns of both.
 */

const bytea = customType<{ data: Uint8Array; driverData: Uint8Array }>({ dataType: () => 'bytea' });

/** RFC 3339 text: drizzle hands over what the server wrote, in UTC as the sessions are. */
const instant = (column: string) => timestamp(column, { withTimezone: true, mode: 'string' });

/** One gateway process on one UTC day. */
export const streams = pgTable('streams', {
  id: text('id').primaryKey(),
  epoch: date('epoch', { mode: 'string' }).notNull(),
  replica: text('replica').notNull(),
  openedAt: instant('opened_at').notNull(),
  closedAt: instant('closed_at'),
  closedSize: bigint('closed_size', { mode: 'number' }),
  seenAt: instant('seen_at'),
  ledgerSize: bigint('ledger_size', { mode: 'number' }).notNull().default(0),
  settled: boolean('settled').notNull().default(true),
});

/** Append-only leaves, with columns derived for search. */
export const records = pgTable(
  'records',
  {
    epoch: date('epoch', { mode: 'string' }).notNull(),
    stream: text('stream').notNull(),
    seq: bigint('seq', { mode: 'number' }).notNull(),
    leaf: bytea('leaf').notNull(),
    bytes: bytea('bytes').notNull(),
    kind: text('kind').notNull(),
    requestId: text('request_id').notNull(),
    ts: instant('ts').notNull(),
    cluster: text('cluster').notNull(),
    username: text('username'),
    issuer: text('issuer'),
    subject: text('subject'),
    verb: text('verb'),
    resource: text('resource'),
    namespace: text('namespace'),
    name: text('name'),
    verdict: text('verdict'),
    rules: text('rules').array(),
    code: text('code'),
    status: integer('status'),
    approvalId: text('approval_id'),
    checkpoint: text('checkpoint'),
  },
  (table) => [primaryKey({ columns: [table.epoch, table.stream, table.seq] })],
);

/** Append-only leaves of the tree over the checkpoints of all streams. */
export const ledger = pgTable('ledger', {
  seq: bigint('seq', { mode: 'number' }).primaryKey(),
  kind: text('kind').notNull(),
  leaf: bytea('leaf').notNull(),
  bytes: bytea('bytes').notNull(),
  checkpoint: text('checkpoint'),
  peaks: bytea('peaks'),
  at: instant('at').notNull().defaultNow(),
});

/** Where a checkpoint of the ledger was put outside of this database. */
export const anchors = pgTable('anchors', {
  ledgerSize: bigint('ledger_size', { mode: 'number' }).notNull(),
  kind: text('kind').notNull(),
  ref: text('ref').notNull(),
  at: instant('at').notNull().defaultNow(),
});

/** A decision with its outcome: the one row that people see. */
export const decisions = pgView('decisions', {
  epoch: date('epoch', { mode: 'string' }).notNull(),
  stream: text('stream').notNull(),
  seq: bigint('seq', { mode: 'number' }).notNull(),
  ts: instant('ts').notNull(),
  requestId: text('request_id').notNull(),
  cluster: text('cluster').notNull(),
  username: text('username'),
  issuer: text('issuer'),
  subject: text('subject'),
  verb: text('verb'),
  resource: text('resource'),
  namespace: text('namespace'),
  name: text('name'),
  verdict: text('verdict'),
  rules: text('rules').array(),
  code: text('code'),
  approvalId: text('approval_id'),
  decision: bytea('decision').notNull(),
  endedAt: instant('ended_at'),
  status: integer('status'),
  outcomeCode: text('outcome_code'),
  outcome: bytea('outcome'),
}).existing();

/** The sources of every policy that decided. */
export const policySources = pgTable('policy_sources', {
  hash: text('hash').primaryKey(),
  wasm: text('wasm').notNull(),
  compiler: text('compiler').notNull(),
  files: jsonb('files').$type<Readonly<Record<string, string>>>().notNull(),
  firstSeen: instant('first_seen').notNull().defaultNow(),
});

/** Where the record is pushed to: how far each sink came, and which process pushes it. */
export const sinks = pgTable('sinks', {
  name: text('name').primaryKey(),
  cursor: text('cursor'),
  movedAt: instant('moved_at'),
  lastError: text('last_error'),
  lag: doublePrecision('lag').notNull().default(0),
  holder: text('holder'),
  heldUntil: instant('held_until'),
});
