import { drizzle } from 'drizzle-orm/postgres-js';
import type { Sql } from 'postgres';
import type { Log } from '../base/log.ts';
import { storeFailure, unavailable } from './failure.ts';
import type { Database, RawRunner } from './store.ts';

/** How long a statement may take, on the server and as seen from here. Milliseconds. */
export const statementTimeoutMs = 5000;

/** Past the server's own timeout the connection itself must be dead (a network that drops packets). Milliseconds. */
const clientTimeoutMs = statementTimeoutMs + 1000;

export type Pool = RawRunner & { readonly close: () => Promise<void> };

type PoolOptions = {
  /** Makes a fresh postgres.js client; it connects by itself when used. */
  readonly open: () => Sql;
  /** Called at a reset, after the connections were dropped. */
  readonly onReset?: () => void;
  readonly name: string;
  readonly secrets: readonly string[];
  readonly log: Log;
};

/**
 * A postgres.js client that can be replaced: postgres.js reconnects by itself after an error, but not from a
 * connection on which nothing ever comes back. Work that takes longer than its timeout is rejected and the whole
 * client is replaced, which also ends the others that hang on it.
 */
export function createPool(options: PoolOptions): Pool {
  const { name, secrets, log } = options;
  const make = (): { sql: Sql; db: Database } => {
    const sql = options.open();
    return { sql, db: drizzle(sql) };
  };
  let current = make();
  let closed = false;

  const reset = (why: string): void => {
    if (closed) return;
    log.warn('dropping the database connections', { pool: name, why });
    const old = current.sql;
    current = make();
    // Rejects everything that is under way on the old client; nobody waits for its goodbye.
    old.end({ timeout: 0 }).catch(() => {});
    options.onReset?.();
  };

  const guarded = async <T>(work: () => Promise<T>, timeoutMs: number): Promise<T> => {
    if (closed) throw unavailable('it was closed', null);
    let timer: NodeJS.Timeout | undefined;
    const used = current;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        if (used === current) reset(`no answer within ${timeoutMs} ms`);
        reject(unavailable(`no answer within ${timeoutMs} ms`, null));
      }, timeoutMs);
    });
    try {
      return await Promise.race([work(), late]);
    } catch (cause) {
      throw storeFailure(cause, secrets);
    } finally {
      clearTimeout(timer);
    }
  };

  return {
    run: (work) => guarded(() => work(current.db), clientTimeoutMs),
    transaction: (work) => guarded(() => current.db.transaction(work), clientTimeoutMs),
    raw: (work, more = {}) => guarded(() => work(current.sql), more.timeoutMs ?? clientTimeoutMs),
    reset,
    close: async () => {
      closed = true;
      await current.sql.end({ timeout: 5 });
    },
  };
}
