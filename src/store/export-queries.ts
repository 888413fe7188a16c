import type { Sql } from 'postgres';
import type { ExportPosition } from './export-cursor.ts';

/** A stream with something to read. */
export type UnreadStream = { readonly id: string; readonly epoch: string };

/** A leaf as an export reads it. */
export type ExportLeaf = {
  readonly seq: number;
  readonly kind: string;
  readonly requestId: string;
  /** The leaf's bytes as text, and how many they are. */
  readonly text: string;
  readonly bytes: number;
  /** Whether it lies between since and until. */
  readonly isWanted: boolean;
  /** Whether it is older than the time that an outcome is waited for. */
  readonly isSettled: boolean;
};

/** Days around a time in which a record of it may lie: see `aroundDays` of decisions.ts. */
const aroundDays = 1;

/** Positions as the statements read them: one JSON parameter, so that their text never changes. */
const positionsJson = ({ streams }: ExportPosition): string =>
  JSON.stringify([...streams].map(([id, { seq }]) => ({ id, seq })));

/**
 * The next streams that have records behind their position, in the order of their days, after a stream. One look at the
 * primary key for each stream that is not known to be read to its end.
 */
export async function unreadStreams(
  sql: Sql,
  position: ExportPosition,
  after: UnreadStream,
  limit: number,
): Promise<readonly UnreadStream[]> {
  const { since, until, floor } = position;
  return sql<UnreadStream[]>`
    select s.id, s.epoch::text as epoch
    from streams s
    left join jsonb_to_recordset(${positionsJson(position)}::text::jsonb) as p(id text, seq bigint) on p.id = s.id
    where s.epoch >= ${floor}::text::date
      and (s.epoch, s.id) > (${after.epoch}::text::date, ${after.id}::text)
      and (${since}::text is null
        or s.epoch >= (${since}::text::timestamptz at time zone 'UTC')::date - ${aroundDays}::text::int)
      and (${until}::text is null
        or s.epoch <= (${until}::text::timestamptz at time zone 'UTC')::date + ${aroundDays}::text::int)
      and (s.closed_size is null or coalesce(p.seq, 0) < s.closed_size)
      and exists (
        select from records r
        where r.epoch = s.epoch and r.stream = s.id and r.seq >= coalesce(p.seq, 0))
    order by s.epoch, s.id
    limit ${limit}::text::int`;
}

/** The earliest day, from the floor on, with a stream that was not closed: it may still get records. Null where none is. */
export async function earliestOpenDay(sql: Sql, floor: string): Promise<string | null> {
  const [row] = await sql<{ epoch: string | null }[]>`
    select min(epoch)::text as epoch from streams
    where epoch >= ${floor}::text::date and closed_size is null`;
  return row?.epoch ?? null;
}

/** What is read of a stream at a time. */
export type LeafRange = {
  readonly stream: UnreadStream;
  readonly from: number;
  readonly rowsMax: number;
  /** At least one leaf is read, whatever its size. */
  readonly bytesMax: number;
  readonly since: string | null;
  readonly until: string | null;
  /** RFC 3339: what is as old is settled. */
  readonly settledBefore: string;
};

/** The next leaves of a stream. The size is counted before the bytes are fetched. */
export async function nextLeaves(sql: Sql, range: LeafRange): Promise<readonly ExportLeaf[]> {
  const { stream, from, rowsMax, bytesMax, since, until, settledBefore } = range;
  return sql<ExportLeaf[]>`
    select seq::float8 as seq, kind, request_id as "requestId", convert_from(bytes, 'UTF8') as text,
      octet_length(bytes) as bytes,
      (${since}::text is null or ts >= ${since}::text::timestamptz)
        and (${until}::text is null or ts < ${until}::text::timestamptz) as "isWanted",
      ts <= ${settledBefore}::text::timestamptz as "isSettled"
    from (
      select seq, kind, request_id, bytes, ts,
        sum(octet_length(bytes)) over (order by seq) - octet_length(bytes) as before
      from (
        select seq, kind, request_id, bytes, ts from records
        where epoch = ${stream.epoch}::text::date and stream = ${stream.id}
          and seq >= ${from}::text::bigint
        order by seq
        limit ${rowsMax}::text::int) as next) as counted
    where before < ${bytesMax}::text::bigint
    order by seq`;
}

/**
 * The outcomes of requests that were decided in a stream of a day, by request: the first of each. They are looked for in the
 * days in which the `decisions` view looks for them.
 */
export async function outcomesOf(
  sql: Sql,
  epoch: string,
  requestIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (requestIds.length === 0) return new Map();
  const rows = await sql<{ requestId: string; text: string }[]>`
    select distinct on (r.request_id) r.request_id as "requestId", convert_from(r.bytes, 'UTF8') as text
    from jsonb_array_elements_text(${JSON.stringify(requestIds)}::text::jsonb) as wanted(id)
    join records r on r.request_id = wanted.id and r.kind = 'outcome'
      and r.epoch between ${epoch}::text::date - 1 and ${epoch}::text::date + 31
    order by r.request_id, r.ts`;
  return new Map(rows.map(({ requestId, text }) => [requestId, text]));
}
