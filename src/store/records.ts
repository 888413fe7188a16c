import type { Sql } from 'postgres';
import type { Leaf, RecordStore, StreamRow } from '../record/index.ts';
import { isStatementError, postgresError, unavailable } from './failure.ts';
import { recordRow } from './record-columns.ts';
import type { Store } from './store.ts';

/**
 * The recorder's port on the database. A batch is one statement with one JSON parameter: its text never changes, so the
 * server plans it once. Measured as fast as arrays or VALUES, and faster than COPY at up to a thousand rows.
 */
export function createRecordStore(store: Pick<Store, 'recording'>): RecordStore {
  const { recording } = store;
  return {
    openStream: (stream) =>
      recording.raw(async (sql) => {
        await sql.begin(async (tx) => {
          await tx`select open_epoch(${stream.epoch}::text::date)`;
          await tx`
            insert into streams (id, epoch, replica, opened_at, seen_at, settled)
            values (${stream.id}, ${stream.epoch}::text::date, ${stream.replica}, ${stream.openedAt}::text::timestamptz,
              clock_timestamp(), false)
            on conflict (id) do nothing`;
        });
      }),
    append: async (stream, batch, checkpoint) => {
      try {
        return await recording.raw(async (sql) => {
          const count = await insert(sql, stream, batch, checkpoint);
          if (count === batch.length) return { kind: 'committed' };
          const seq = await firstDifference(sql, stream.epoch, stream.id, batch);
          return seq === null ? { kind: 'committed' } : { kind: 'fork', seq };
        });
      } catch (cause) {
        const error = postgresError(cause);
        // Classes 22 and 23 are about the data; 23514 without a partition for the day is about the database.
        const isData = error !== null && /^2[23]/.test(error.code) && error.code !== '23514';
        if (isData) return { kind: 'refused', reason: `${error.message} (SQLSTATE ${error.code})` };
        if (isStatementError(cause)) throw unavailable('it lacks what the record needs', cause);
        throw cause;
      }
    },
    closeStream: (stream, size, closedAt) =>
      recording.raw(async (sql) => {
        await sql`
          update streams set closed_at = ${closedAt}::text::timestamptz, closed_size = ${size}::text::bigint
          where id = ${stream.id}`;
      }),
    reset: recording.reset,
  };
}

/** Inserts what is not there yet, and says how many rows that were. */
async function insert(
  sql: Sql,
  { epoch, id: stream }: StreamRow,
  batch: readonly Leaf[],
  checkpoint: string,
): Promise<number> {
  const last = batch.length - 1;
  const rows = JSON.stringify(
    batch.map((leaf, index) => recordRow(leaf, index === last ? checkpoint : null)),
  );
  const result = await sql`
    insert into records (
      epoch, stream, seq, leaf, bytes, kind, request_id, ts, cluster, username, issuer, subject,
      verb, resource, namespace, name, verdict, rules, code, status, approval_id, checkpoint)
    select
      ${epoch}::text::date, ${stream}::text, r.seq, decode(r.leaf, 'hex'), convert_to(r.bytes, 'UTF8'),
      r.kind, r.request_id, r.ts, r.cluster, r.username, r.issuer, r.subject,
      r.verb, r.resource, r.namespace, r.name, r.verdict, r.rules, r.code, r.status, r.approval_id,
      r.checkpoint
    from jsonb_to_recordset(${rows}::text::jsonb) as r(
      seq bigint, leaf text, bytes text, kind text, request_id text, ts timestamptz, cluster text,
      username text, issuer text, subject text, verb text, resource text, namespace text, name text,
      verdict text, rules text[], code text, status integer, approval_id text, checkpoint text)
    on conflict (epoch, stream, seq) do nothing`;
  return result.count;
}

/** The first position of a batch where another leaf stands, or none does; null where all are as sent. */
async function firstDifference(
  sql: Sql,
  epoch: string,
  stream: string,
  batch: readonly Leaf[],
): Promise<number | null> {
  const [from, to] = [batch[0]?.seq ?? 0, batch.at(-1)?.seq ?? 0];
  const rows = await sql<{ seq: string; leaf: Uint8Array }[]>`
    select seq::text as seq, leaf from records
    where epoch = ${epoch}::text::date and stream = ${stream}
      and seq between ${from}::text::bigint and ${to}::text::bigint`;
  const stored = new Map(rows.map((row) => [Number(row.seq), Buffer.from(row.leaf)]));
  const different = batch.find((leaf) => stored.get(leaf.seq)?.equals(leaf.hash) !== true);
  return different?.seq ?? null;
}
