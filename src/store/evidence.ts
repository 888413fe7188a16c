import type {
  EvidenceRow,
  EvidenceSource,
  EvidenceLedgerRow as LedgerRow,
  StreamPlace,
} from '../record/index.ts';
import type { Store } from './store.ts';

/** What one page holds at most; a single record that is larger comes alone. */
const pageRowsMax = 1000;
const pageBytesMax = 4 * 1024 * 1024;

/** Numbers that a stream can have; what somebody put elsewhere is no record. */
const seqMax = Number.MAX_SAFE_INTEGER;

type Row = { seq: string; bytes: Uint8Array; leaf: Uint8Array; checkpoint: string | null };

/**
 * The record as evidence is made from it: page by page along the primary key, on the general pool, no connection or snapshot
 * held in between. The columns are taken as they are: whoever verifies looks for what is wrong with them.
 */
export function createEvidenceSource(store: Pick<Store, 'general'>): EvidenceSource {
  const { general } = store;
  return {
    days: () => skipThrough(store, null),
    streamsOf: (epoch) => skipThrough(store, epoch),
    page: (place, fromSeq) => page(store, place, fromSeq),
    hashes: ({ epoch, stream }, fromSeq, limit) =>
      general.raw(async (sql) => {
        const rows = await sql<{ seq: string; leaf: Uint8Array }[]>`
          select seq::text as seq, leaf from records
          where epoch = ${epoch}::text::date and stream = ${stream}
            and seq between ${fromSeq}::text::bigint and ${seqMax}::text::bigint
          order by records.seq limit ${limit}::text::integer`;
        return rows.map(({ seq, leaf }) => ({ seq: Number(seq), leaf: Buffer.from(leaf) }));
      }),
    rows: ({ epoch, stream }, seqs) =>
      general.raw(async (sql) => {
        const rows = await sql<Row[]>`
          select seq::text as seq, bytes, leaf, checkpoint from records
          where epoch = ${epoch}::text::date and stream = ${stream}
            and seq in (select value::bigint from jsonb_array_elements_text(${JSON.stringify(seqs)}::text::jsonb))
          order by records.seq`;
        return rows.map(evidenceRow);
      }),
    checkpointFrom: ({ epoch, stream }, seq) =>
      general.raw(async (sql) => {
        const [row] = await sql<{ seq: string; checkpoint: string }[]>`
          select seq::text as seq, checkpoint from records
          where epoch = ${epoch}::text::date and stream = ${stream}
            and seq between ${seq}::text::bigint and ${seqMax}::text::bigint and checkpoint is not null
          order by records.seq limit 1`;
        return row === undefined ? null : { seq: Number(row.seq), checkpoint: row.checkpoint };
      }),
    placesOf: (of, limit) => placesOf(store, of, limit),
    ledgerPage: (fromSeq) => ledgerPage(store, fromSeq),
    anchors: () =>
      general.raw(async (sql) => {
        const rows = await sql<{ kind: string; ref: string; ledger_size: string; at: Date }[]>`
          select distinct on (kind, ref) kind, ref, ledger_size::text as ledger_size, at from anchors
          order by kind, ref, anchors.ledger_size desc limit 100`;
        return rows.map(({ kind, ref, ledger_size: size, at }) => ({
          kind,
          ref,
          ledgerSize: Number(size),
          at: new Date(at).toISOString(),
        }));
      }),
  };
}

/** The distinct days of all records, or the distinct streams of a day: one look into the primary key for each. */
async function skipThrough(
  { general }: Pick<Store, 'general'>,
  epoch: string | null,
): Promise<readonly string[]> {
  const found: string[] = [];
  for (;;) {
    const last = found.at(-1);
    const rows = await general.raw((sql) =>
      epoch === null
        ? sql<{ value: string }[]>`
            select epoch::text as value from records
            where epoch > ${last ?? '-infinity'}::text::date order by records.epoch limit 1`
        : sql<{ value: string }[]>`
            select stream as value from records
            where epoch = ${epoch}::text::date and stream > ${last ?? ''} order by stream limit 1`,
    );
    const [row] = rows;
    if (row === undefined) return found;
    found.push(row.value);
  }
}

function page(
  store: Pick<Store, 'general'>,
  { epoch, stream }: StreamPlace,
  fromSeq: number,
): Promise<readonly EvidenceRow[]> {
  return store.general.raw(async (sql) => {
    // The sum looks at lengths only: what does not fit is never read.
    const rows = await sql<Row[]>`
      select seq::text as seq, bytes, leaf, checkpoint from (
        select seq, bytes, leaf, checkpoint,
          sum(octet_length(bytes)) over (order by seq) - octet_length(bytes) as before
        from (
          select seq, bytes, leaf, checkpoint from records
          where epoch = ${epoch}::text::date and stream = ${stream}
            and seq between ${fromSeq}::text::bigint and ${seqMax}::text::bigint
          order by seq limit ${pageRowsMax}::text::integer
        ) next
      ) summed
      where before < ${pageBytesMax}::text::bigint
      order by summed.seq`;
    return rows.map(evidenceRow);
  });
}

function ledgerPage(store: Pick<Store, 'general'>, fromSeq: number): Promise<readonly LedgerRow[]> {
  return store.general.raw(async (sql) => {
    const rows = await sql<(Row & { kind: string; at: Date })[]>`
      select seq::text as seq, kind, at, bytes, leaf, checkpoint from ledger
      where seq between ${fromSeq}::text::bigint and ${seqMax}::text::bigint
      order by ledger.seq limit ${pageRowsMax}::text::integer`;
    return rows.map((row) => ({
      ...evidenceRow(row),
      kind: row.kind.slice(0, 64),
      at: new Date(row.at).toISOString(),
    }));
  });
}

/** Requests with all that belongs to them: their own records, and those of the approvals that they opened or joined. */
function placesOf(
  store: Pick<Store, 'general'>,
  of: { readonly requests: readonly string[] } | { readonly approval: string },
  limit: number,
): Promise<readonly (StreamPlace & { readonly seq: number })[]> {
  const requests = JSON.stringify('requests' in of ? of.requests : []);
  const approval = 'approval' in of ? of.approval : null;
  return store.general.raw(async (sql) => {
    const rows = await sql<{ epoch: string; stream: string; seq: string }[]>`
      with asked as (
        select value as request_id from jsonb_array_elements_text(${requests}::text::jsonb)
        union select request_id from records where approval_id = ${approval}::text
      ), own as (
        select approval_id from records
        where request_id in (select request_id from asked) and request_id <> '' and approval_id is not null
        union select ${approval}::text
      )
      select epoch::text as epoch, stream, seq::text as seq from records
      where (request_id in (select request_id from asked) and request_id <> '')
        or approval_id in (select approval_id from own)
      order by records.epoch, stream, records.seq limit ${limit}::text::integer`;
    return rows.map(({ epoch, stream, seq }) => ({ epoch, stream, seq: Number(seq) }));
  });
}

const evidenceRow = ({ seq, bytes, leaf, checkpoint }: Row): EvidenceRow => ({
  seq: Number(seq),
  bytes: Buffer.from(bytes),
  leaf: Buffer.from(leaf),
  checkpoint,
});
