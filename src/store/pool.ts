import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { openConnection, type Connection, type OpenClient } from './connection.ts';
import { storeFailure, unavailable } from './failure.ts';
import type { RawRunner } from './store.ts';

/** How long a statement may take, on the server and as seen from here. Milliseconds. */
export const statementTimeoutMs = 5000;

/** Past the server's own timeout the connection itself must be dead (a network that drops packets). Milliseconds. */
const clientTimeoutMs = statementTimeoutMs + 1000;

/** How long what is under way may take when the pool is closed. Milliseconds. */
const closeTimeoutMs = 5000;

export type Pool = RawRunner & { readonly close: () => Promise<void> };

type PoolOptions = {
  readonly open: OpenClient;
  /** Called after connections were dropped because nothing came back on one, or because of a reset. */
  readonly onReset?: () => void;
  readonly name: string;
  /** Connections: as much work is let in at a time. */
  readonly connections: number;
  /** A connection that is older is closed once it is idle: a server that was replaced is left some day. Milliseconds. */
  readonly ageMsMax: number;
  readonly secrets: readonly string[];
  readonly log: Log;
  readonly clock: Clock;
};

/** A place for one piece of work, with its connection where there is one. */
type Slot = { held: { readonly connection: Connection; readonly openedMs: number } | null };

type Turn = {
  /** Resolves when there is a place. */
  readonly come: Promise<Slot>;
  /** Gives the place back, or ends the wait for it. Giving twice changes nothing. */
  readonly give: () => void;
};

/** Lets as much work in as there are places, in the order of its coming. */
class Slots {
  readonly all: readonly Slot[];
  /** The one that was used last is used next: connections that nobody needs are never opened. */
  readonly #free: Slot[];
  readonly #waiting: ((slot: Slot) => void)[] = [];
  #onQuiet: () => void = () => {};

  constructor(count: number) {
    this.all = Array.from({ length: count }, () => ({ held: null }));
    this.#free = [...this.all];
  }

  take(): Turn {
    let taken: Slot | null = null;
    let isOver = false;
    let start: (slot: Slot) => void = () => {};
    const come = new Promise<Slot>((resolve) => {
      start = (slot) => {
        taken = slot;
        resolve(slot);
      };
    });
    const free = this.#free.pop();
    if (free === undefined) this.#waiting.push(start);
    else start(free);
    const give = (): void => {
      if (isOver) return;
      isOver = true;
      if (taken === null) this.#waiting.splice(this.#waiting.indexOf(start), 1);
      else this.#next(taken);
    };
    return { come, give };
  }

  /** Resolves once nothing is under way, at the latest after `timeoutMs`. */
  async quiet(timeoutMs: number): Promise<void> {
    if (this.#free.length === this.all.length) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onQuiet = resolve;
      timer = setTimeout(resolve, timeoutMs);
    });
    clearTimeout(timer);
  }

  #next(slot: Slot): void {
    const start = this.#waiting.shift();
    if (start !== undefined) {
      start(slot);
      return;
    }
    this.#free.push(slot);
    if (this.#free.length === this.all.length) this.#onQuiet();
  }
}

/**
 * Connections that are made when they are needed and thrown away when they are lost. Work that takes longer than its timeout
 * is rejected and its connection dropped, whatever hangs there: a piece of work can hold up no other one for longer.
 */
export function createPool(options: PoolOptions): Pool {
  const { name, secrets, log, clock } = options;
  const slots = new Slots(options.connections);
  let closed = false;

  const connectionOf = (slot: Slot): Connection => {
    const { held } = slot;
    const isOld = held !== null && clock.monotonicMs() - held.openedMs > options.ageMsMax;
    if (held !== null && !isOld && !held.connection.isLost()) return held.connection;
    held?.connection.end().catch(() => {});
    const connection = openConnection(options.open);
    slot.held = { connection, openedMs: clock.monotonicMs() };
    return connection;
  };
  const reset = (why: string, which: readonly Slot[] = slots.all): void => {
    if (closed) return;
    log.warn('dropping database connections', { pool: name, count: which.length, why });
    // Rejects everything that is under way on them; nobody waits for their goodbye.
    for (const slot of which) slot.held?.connection.drop();
    options.onReset?.();
  };

  const guarded = async <T>(
    work: (connection: Connection) => Promise<T>,
    timeoutMs: number,
  ): Promise<T> => {
    if (closed) throw unavailable('it was closed', null);
    let timer: NodeJS.Timeout | undefined;
    let used: Slot | null = null;
    let over = false;
    const turn = slots.take();
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => {
        over = true;
        // Work that only waited for its turn says nothing of the connections.
        if (used !== null) reset(`no answer within ${timeoutMs} ms`, [used]);
        reject(unavailable(`no answer within ${timeoutMs} ms`, null));
      }, timeoutMs);
    });
    const inTurn = async (): Promise<T> => {
      const slot = await turn.come;
      if (over || closed) throw unavailable('its turn came too late', null);
      used = slot;
      return work(connectionOf(slot));
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
    run: (work) => guarded(({ db }) => work(db), clientTimeoutMs),
    transaction: (work) => guarded(({ db }) => db.transaction(work), clientTimeoutMs),
    raw: (work, more = {}) => guarded(({ sql }) => work(sql), more.timeoutMs ?? clientTimeoutMs),
    reset,
    close: async () => {
      closed = true;
      // A client that ends takes nothing more, also not the rest of a transaction.
      await slots.quiet(closeTimeoutMs);
      await Promise.all(slots.all.map(async ({ held }) => held?.connection.end()));
    },
  };
}
