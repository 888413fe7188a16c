import type { TransactionSql } from 'postgres';
import { isKind, parseLeaf, type Recorded } from '../decision-row.ts';
import type { DecisionEntry, OutcomeEntry, ReleaseEntry } from '../../record/index.ts';

export type SessionLeaf = Recorded<DecisionEntry> | Recorded<OutcomeEntry> | Recorded<ReleaseEntry>;

export type Batch = {
  /** What sessions are made of, in the order in which it happened; within a stream in the order of the stream. */
  readonly leaves: readonly SessionLeaf[];
  /** All records that were read, also of other kinds. */
  readonly records: number;
  /** Where each stream is read on from. */
  readonly nextSeqs: ReadonlyMap<string, number>;
  /** True where the records ended before the batch did. */
  readonly drained: boolean;
  /** When the last of them was recorded, milliseconds since the Unix epoch; null where there was none. */
  readonly reachedMs: number | null;
};

/** A batch takes no more of leaves than this and one leaf: what callers sent must not fill the memory. Bytes. */
const batchBytesMax = 4 * 1024 * 1024;

type Row = {
  readonly stream: string;
  readonly seq: string;
  /** Null where the record is of no kind that a session is made of. */
  readonly bytes: Uint8Array | null;
  readonly reached_ms: number;
  /** What was found, also what is left to the next batch for its size. */
  readonly found: number;
};

/** Reads on where the last batch ended, over all streams at once. */
export async function readBatch(tx: TransactionSql, recordsMax: number): Promise<Batch> {
  await tx`
    insert into session_cursors (stream, epoch)
    select s.id, s.epoch from streams s
    where not exists (select from session_cursors c where c.stream = s.id)
    on conflict do nothing`;
  // The greatest time so far keeps a stream in its own order, also where its clock was set back.
  const rows = await tx<Row[]>`
    select stream, seq::text as seq, bytes, (extract(epoch from reached) * 1000)::float8 as reached_ms, found
    from (
      select n.*, count(*) over ()::int as found,
        sum(coalesce(octet_length(n.bytes), 0)) over (order by n.reached, n.stream, n.seq) as bytes_until
      from (
        select c.stream, r.seq, r.bytes, r.reached
        from session_cursors c
        cross join lateral (
          select x.seq, x.bytes, max(x.ts) over (order by x.seq) as reached
          from (
            select seq, ts, case when kind in ('decision', 'outcome', 'release') then bytes end as bytes
            from records
            where epoch = c.epoch and stream = c.stream and seq >= c.next_seq
            order by seq limit ${recordsMax}::int
          ) x
        ) r
        where not c.done
        order by r.reached, c.stream, r.seq limit ${recordsMax}::int
      ) n
    ) b
    where bytes_until - coalesce(octet_length(bytes), 0) < ${batchBytesMax}::int
    order by reached, stream, b.seq`;
  const nextSeqs = new Map<string, number>();
  const leaves: SessionLeaf[] = [];
  for (const { stream, seq, bytes } of rows) {
    nextSeqs.set(stream, Number(seq) + 1);
    const leaf = bytes === null ? null : parseLeaf(bytes);
    if (leaf !== null && isOfSession(leaf)) leaves.push(leaf);
  }
  const last = rows.at(-1);
  return {
    leaves,
    records: rows.length,
    nextSeqs,
    drained: rows.length < recordsMax && rows.length === (last?.found ?? 0),
    reachedMs: last?.reached_ms ?? null,
  };
}

function isOfSession(leaf: ReturnType<typeof parseLeaf>): leaf is SessionLeaf {
  return isKind('decision')(leaf) || isKind('outcome')(leaf) || isKind('release')(leaf);
}

/** Notes how far it was read, and which streams have ended for good. */
export async function writeCursors(tx: TransactionSql, batch: Batch): Promise<void> {
  const rows = [...batch.nextSeqs].map(([stream, next]) => ({ stream, next }));
  if (rows.length > 0) {
    await tx`
      update session_cursors c set next_seq = r.next
      from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as r(stream text, next bigint)
      where c.stream = r.stream`;
  }
  if (!batch.drained) return;
  // A stream that its process did not close takes nothing more once its day is long over.
  await tx`
    update session_cursors c set done = true
    from streams s
    where s.id = c.stream and not c.done
      and (s.closed_size <= c.next_seq or s.epoch < (now() at time zone 'UTC')::date - 2)`;
}
