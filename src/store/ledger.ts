import type { Sql, TransactionSql } from 'postgres';
import type {
  LedgerAddition,
  LedgerStore,
  LedgerView,
  SilentStream,
  StoredHead,
} from '../record/index.ts';
import type { Store } from './store.ts';

/** After how long without a sign of life others take down a stream's checkpoints. Seconds. */
const silentSeconds = 5;

/** Silent streams that one append looks at; the others have their turn when these are settled or heard of. */
const silentStreamsMax = 100;

/** A first leaf or a checkpoint that takes more is not ours, and not read. Bytes, characters. */
const leafBytesMax = 64 * 1024;
const checkpointCharsMax = 4096;

/** Inside of a transaction or not. */
type Queries = Sql | TransactionSql;

/** The ledger's port on the database. */
export function createLedgerStore(store: Pick<Store, 'general'>): LedgerStore {
  const { general } = store;
  return {
    append: (asked, build) =>
      general.raw((sql) =>
        sql.begin(async (tx) => {
          // As for partitions in 0001_records.sql; 2 is for the ledger.
          const [lock] = await tx<{ locked: boolean }[]>`
            select pg_try_advisory_xact_lock(1752132708, 2) as locked`;
          if (lock?.locked !== true) return false;
          const addition = build(await viewOf(tx, asked));
          if (addition !== null) await add(tx, addition);
          return true;
        }),
      ),
    look: (seenSize) =>
      general.raw(async (sql) => ({
        head: await headOf(sql),
        seen: await checkpointAt(sql, seenSize),
      })),
    settle: (stream) =>
      general.raw(async (sql) => {
        await sql`update streams set settled = true where id = ${stream}`;
      }),
    noteAnchor: ({ ledgerSize, kind, ref }) =>
      general.raw(async (sql) => {
        await sql`
          insert into anchors (ledger_size, kind, ref) values (${ledgerSize}::text::bigint, ${kind}, ${ref})`;
      }),
  };
}

async function viewOf(
  sql: Queries,
  asked: { readonly seenSize: number; readonly ownStreams: readonly string[] },
): Promise<LedgerView> {
  const [heartbeat] = await sql<{ age: number }[]>`
    select (extract(epoch from clock_timestamp() - at) * 1000)::double precision as age
    from ledger where kind = 'heartbeat' order by ledger.seq desc limit 1`;
  return {
    head: await headOf(sql),
    seen: await checkpointAt(sql, asked.seenSize),
    heartbeatAgeMs: heartbeat?.age ?? null,
    silent: await silentStreams(sql, asked.ownStreams),
  };
}

async function headOf(sql: Queries): Promise<StoredHead | null> {
  const [row] = await sql<{ seq: string; checkpoint: string | null; peaks: Uint8Array | null }[]>`
    select seq::text as seq, left(checkpoint, ${checkpointCharsMax}::text::integer) as checkpoint,
      substring(peaks for 4096) as peaks
    from ledger order by ledger.seq desc limit 1`;
  if (row === undefined) return null;
  return { size: Number(row.seq) + 1, checkpoint: row.checkpoint, peaks: row.peaks };
}

async function checkpointAt(sql: Queries, size: number): Promise<string | null> {
  const [row] = await sql<{ checkpoint: string | null }[]>`
    select left(checkpoint, ${checkpointCharsMax}::text::integer) as checkpoint
    from ledger where seq = ${size - 1}::text::bigint`;
  return row?.checkpoint ?? null;
}

async function silentStreams(
  sql: Queries,
  ownStreams: readonly string[],
): Promise<readonly SilentStream[]> {
  const rows = await sql<
    {
      id: string;
      silent_ms: number;
      ledger_size: string;
      first_leaf: Uint8Array | null;
      seq: string | null;
      kind: string | null;
      checkpoint: string | null;
    }[]
  >`
    select
      s.id, (extract(epoch from clock_timestamp() - s.seen_at) * 1000)::double precision as silent_ms,
      s.ledger_size::text as ledger_size, first.bytes as first_leaf,
      last.seq::text as seq, last.kind, last.checkpoint
    from streams s
    left join lateral (
      select r.bytes from records r where r.epoch = s.epoch and r.stream = s.id and r.seq = 0
        and octet_length(r.bytes) <= ${leafBytesMax}::text::integer
    ) first on true
    left join lateral (
      select r.seq, r.kind, left(r.checkpoint, ${checkpointCharsMax}::text::integer) as checkpoint
      from records r where r.epoch = s.epoch and r.stream = s.id
      order by r.seq desc limit 1
    ) last on true
    where not s.settled and s.seen_at < clock_timestamp() - make_interval(secs => ${silentSeconds}::text::integer)
      and s.id not in (select jsonb_array_elements_text(${JSON.stringify(ownStreams)}::text::jsonb))
    order by s.seen_at
    limit ${silentStreamsMax}::text::integer`;
  return rows.map((row) => ({
    id: row.id,
    silentMs: row.silent_ms,
    ledgerSize: Number(row.ledger_size),
    firstLeaf: row.first_leaf === null ? null : Buffer.from(row.first_leaf).toString('utf8'),
    last:
      row.seq === null || row.kind === null
        ? null
        : { seq: Number(row.seq), kind: row.kind, checkpoint: row.checkpoint },
  }));
}

async function add(sql: Queries, { rows, signed, streams }: LedgerAddition): Promise<void> {
  if (rows.length > 0 && signed !== null) {
    const values = rows.map(({ kind, text, leaf }, index) => {
      const isLast = index === rows.length - 1;
      return {
        n: index,
        kind,
        leaf: leaf.toString('hex'),
        bytes: text,
        checkpoint: isLast ? signed.checkpoint : null,
        peaks: isLast ? Buffer.from(signed.peaks).toString('hex') : null,
      };
    });
    await sql`
      insert into ledger (seq, kind, leaf, bytes, checkpoint, peaks)
      select head.size + r.n, r.kind, decode(r.leaf, 'hex'), convert_to(r.bytes, 'UTF8'),
        r.checkpoint, decode(r.peaks, 'hex')
      from jsonb_to_recordset(${JSON.stringify(values)}::text::jsonb) as r(
        n bigint, kind text, leaf text, bytes text, checkpoint text, peaks text),
        (select coalesce(max(seq) + 1, 0) as size from ledger) head`;
  }
  if (streams.length === 0) return;
  const notes = JSON.stringify(
    streams.map(({ id, ledgerSize, settled, own }) => ({ id, size: ledgerSize, settled, own })),
  );
  await sql`
    update streams s set
      ledger_size = greatest(s.ledger_size, r.size),
      settled = s.settled or r.settled,
      seen_at = case when r.own then clock_timestamp() else s.seen_at end
    from jsonb_to_recordset(${notes}::text::jsonb) as r(id text, size bigint, settled boolean, own boolean)
    where s.id = r.id`;
}
