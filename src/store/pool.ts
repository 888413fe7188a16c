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
  /** Connections of the client: as much work is let in at a time. */
  readonly connections: number;
  readonly secrets: readonly string[];
  readonly log: Log;
};

/**
 * Lets as much work in as there are connections. When none is idle, postgres.js puts a query behind the one that a busy
 * connection works on; a transaction that begins there never learns its connection, and the process ends with a
 * TypeError (postgres src/index.js, `begin` and `onexecute`). So none ever begins on a busy one.
 */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** A turn: `come` resolves when it is there, `give` ends it or the wait for it. Giving twice changes nothing. */
  take(): { readonly come: Promise<void>; readonly give: () => void } {
    let state: 'waiting' | 'running' | 'given' = 'waiting';
    let start: () => void = () => {};
    const come = new Promise<void>((resolve) => {
      start = () => {
        state = 'running';
        resolve();
      };
    });
    if (this.#free > 0) {
      this.#free -= 1;
      start();
    } else {
      this.#waiting.push(start);
    }
    const give = (): void => {
      if (state === 'waiting') this.#waiting.splice(this.#waiting.indexOf(start), 1);
      else if (state === 'running') this.#next();
      state = 'given';
    };
    return { come, give };
  }

  #next(): void {
    const start = this.#waiting.shift();
    if (start === undefined) this.#free += 1;
    else start();
  }
}

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
  const slots = new Slots(options.connections);

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
    let used: typeof current | null = null;
    let over = false;
    const turn = slots.take();
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        over = true;
        // Work that only waited for its turn says nothing of the connections.
        if (used === current) reset(`no answer within ${timeoutMs} ms`);
        reject(unavailable(`no answer within ${timeoutMs} ms`, null));
      }, timeoutMs);
    });
    const inTurn = async (): Promise<T> => {
      await turn.come;
      if (over) throw unavailable('its turn came too late', null);
      used = current;
      return work();
    };
    try {
      return await Promise.race([inTurn(), late]);
    } catch (cause) {
      throw storeFailure(cause, secrets);
    } finally {
      clearTimeout(timer);
      turn.give();
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
