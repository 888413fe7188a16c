import type { Sql } from 'postgres';
import type { SinkHolder, SinkRow, SinkStore } from '../record/index.ts';
import type { Store } from './store.ts';

/** A failure's text as it is kept. Characters. */
const errorCharsMax = 1024;

/**
 * The sinks' port on the database, on the general pool. Times are those of the database's clock, so that the replicas' own need
 * not agree.
 */
export function createSinkStore({ general }: Pick<Store, 'general'>): SinkStore {
  return {
    claim: (sink, seconds) => general.raw((sql) => claim(sql, sink, seconds)),
    move: ({ name, holder }, { from, cursor, lagSeconds }) =>
      general.raw(async (sql) => {
        const moved = await sql`
          update sinks set cursor = ${cursor}, moved_at = clock_timestamp(), last_error = null,
            lag = ${lagSeconds}::text::double precision
          where name = ${name} and holder = ${holder} and cursor is not distinct from ${from}::text
          returning name`;
        return moved.length === 1;
      }),
    fail: ({ name, holder }, { error, lagSeconds, holdSeconds }) =>
      general.raw(async (sql) => {
        // NUL is the one character that PostgreSQL's text cannot hold.
        await sql`
          update sinks set last_error = ${error.slice(0, errorCharsMax).replaceAll('\0', '\ufffd')},
            lag = ${lagSeconds}::text::double precision,
            held_until = clock_timestamp() + make_interval(secs => ${holdSeconds}::text::double precision)
          where name = ${name} and holder = ${holder}`;
      }),
    release: ({ name, holder }) =>
      general.raw(async (sql) => {
        await sql`update sinks set holder = null where name = ${name} and holder = ${holder}`;
      }),
  };
}

async function claim(sql: Sql, { name, holder }: SinkHolder, seconds: number): Promise<SinkRow> {
  const known = await rowOf(sql, { name, holder }, seconds);
  if (known?.isHeld === true) return known;
  // Twice as long as is asked for, so that only every other claim of a sink with nothing to send is a write.
  const [taken] = await sql<Omit<SinkRow, 'isHeld'>[]>`
    insert into sinks (name, holder, held_until)
    values (${name}, ${holder}, clock_timestamp() + make_interval(secs => ${seconds * 2}::text::double precision))
    on conflict (name) do update set holder = excluded.holder, held_until = excluded.held_until
    where sinks.holder is null or sinks.holder = excluded.holder or sinks.held_until < clock_timestamp()
    returning cursor, last_error as "lastError", lag as "lagSeconds"`;
  if (taken !== undefined) return { ...taken, isHeld: true };
  const other = known ?? (await rowOf(sql, { name, holder }, seconds));
  return other ?? { isHeld: false, cursor: null, lastError: null, lagSeconds: 0 };
}

/** A sink's row; held where this holder has it for so many seconds more. */
async function rowOf(
  sql: Sql,
  { name, holder }: SinkHolder,
  seconds: number,
): Promise<SinkRow | undefined> {
  const [row] = await sql<SinkRow[]>`
    select cursor, last_error as "lastError", lag as "lagSeconds",
      coalesce(holder = ${holder}
        and held_until >= clock_timestamp() + make_interval(secs => ${seconds}::text::double precision), false) as "isHeld"
    from sinks where name = ${name}`;
  return row;
}
