import { drizzle } from 'drizzle-orm/postgres-js';
import postgres, { type Sql } from 'postgres';
import type { Database } from './store.ts';

/** Makes a postgres.js client of one connection (`max: 1`), which connects by itself when used. */
export type OpenClient = (handlers: { readonly onclose: () => void }) => Sql;

/** One connection to the database: once it is lost, it stays so. */
export type Connection = {
  /** Its `begin` is ours, see `transaction`; one query at a time. */
  readonly sql: Sql;
  readonly db: Database;
  readonly isLost: () => boolean;
  /** Drops it: what is under way on it and whatever is asked of it later rejects. */
  readonly drop: () => void;
  /** Waits for what is under way, at most 5 seconds, and closes. */
  readonly end: () => Promise<void>;
};

/**
 * A client of postgres.js that is thrown away with its connection. postgres.js itself would go on with the client, and two
 * things of it then end badly. Its `begin` sends what follows in a transaction, above all its own rollback, on a connection
 * whose socket is gone already: a TypeError out of an immediate, which ends the process (postgres src/index.js, `scope`;
 * src/connection.js, `closed` and `nextWrite`). And a statement that comes late would run on the next connection, outside
 * of its transaction.
 */
export function openConnection(open: OpenClient): Connection {
  let lost = false;
  const drop = (): void => {
    if (lost) return;
    lost = true;
    // A microtask later the client refuses every query, so none makes it connect again.
    client.end({ timeout: 0 }).catch(() => {});
  };
  const client: Sql = open({ onclose: drop });
  const begin = <T>(work: (sql: Sql) => Promise<T>): Promise<T> =>
    transaction({ sql: client, isLost: () => lost, drop }, work);
  const sql = Object.assign(client, { begin });
  return {
    sql,
    // At once: it changes how the client reads dates, and they must not depend on what ran before.
    db: drizzle(sql),
    isLost: () => lost,
    drop,
    end: async () => {
      if (lost) return;
      await client.end({ timeout: 5 });
    },
  };
}

/** A transaction as plain statements, which postgres.js allows on a client of one connection. */
async function transaction<T>(
  connection: Pick<Connection, 'sql' | 'isLost' | 'drop'>,
  work: (sql: Sql) => Promise<T>,
): Promise<T> {
  const { sql, isLost, drop } = connection;
  await sql`begin`.simple();
  let result: T;
  try {
    result = await work(sql);
  } catch (cause) {
    // The server rolls back by itself what it loses the connection of.
    if (isBroken(cause)) drop();
    if (!isLost()) await sql`rollback`.simple().catch(drop);
    throw cause;
  }
  const end = await sql`commit`.simple();
  // The server answers so where a statement had failed and `work` made nothing of it.
  if (end.command !== 'COMMIT') throw new Error(`a transaction ended with ${end.command}`);
  return result;
}

/** True for an error of the socket, which may come before the connection is known to be closed. */
function isBroken(cause: unknown): boolean {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  return inner instanceof Error && !(inner instanceof postgres.PostgresError) && 'code' in inner;
}
