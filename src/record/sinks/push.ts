import type { Clock, Schedule } from '../../base/clock.ts';
import { errorText, type Log } from '../../base/log.ts';
import type { RecordEntry } from '../entry.ts';
import { batchesOf, halvesOf } from './batches.ts';
import { nextTryMs } from './next-try.ts';
import type { DeliveryFailure, Sink, SinkEntry } from './sink.ts';
import type { ReadRecord, SinkHolder, SinkRow, SinkStore } from './sink-store.ts';

export type PushOptions = {
  readonly sink: Sink;
  readonly store: SinkStore;
  readonly read: ReadRecord;
  /** The recorder's append. */
  readonly record: (entry: RecordEntry) => Promise<void>;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** From 0 to 1: spreads the tries of several replicas. */
  readonly random: () => number;
  readonly log: Log;
  /** Names this process. */
  readonly holder: string;
  /** RFC 3339: where a sink without a cursor begins. Undefined begins with the first record. */
  readonly since: string | undefined;
  readonly settleSeconds: number;
  /** How long a delivery may take. */
  readonly timeoutMs: number;
};

/** What an operator sees of a sink. Counts are this process's. */
export type SinkStatus = {
  readonly name: string;
  /** Age of the oldest record that waits. Seconds. */
  readonly lagSeconds: number;
  /** Why the last delivery failed; empty where it arrived. */
  readonly problem: string;
  readonly counts: SinkCounts;
};

export type SinkCounts = {
  readonly delivered: number;
  /** Deliveries that did not arrive and are tried again. */
  readonly failed: number;
  /** Entries that the sink refused alone, and that were gone past. */
  readonly skipped: number;
  /** Entries that the sink took and threw away. */
  readonly rejected: number;
};

/** Waits between turns: with nothing to do, where another process has the sink, and between pages. Milliseconds. */
const idleMs = 1000;
const otherMs = 5000;
const pauseMs = 20;

/** How long a sink is held past the time limit of a delivery: for the database, and the record of a skipped entry. */
const holdMarginMs = 10_000;

/** How often a failure that lasts is logged. Milliseconds. */
const repeatedMs = 60_000;

/** What is kept of a failure's text. UTF-16 units. */
const detailCharsMax = 1024;

/** What was read and is not delivered yet. */
type Pending = {
  /** The cursor before it and behind it. */
  readonly from: string | null;
  readonly to: string;
  readonly more: boolean;
  readonly batches: (readonly SinkEntry[])[];
};

/**
 * The loop of one sink: reads from its cursor on, delivers in that order, and moves the cursor when everything that was read
 * is delivered. A crash in between sends again, so each entry arrives at least once. Nothing waits for it: it reads with the
 * general connections, and what fails is tried again with growing waits.
 *
 * An entry that the sink refuses for what it is would hold up everything behind it. The batch is halved until it stands
 * alone; then it is skipped, with a record that says so.
 */
export class SinkPush {
  readonly #options: PushOptions;
  readonly #who: SinkHolder;
  readonly #closing = new AbortController();
  #pending: Pending | null = null;
  #running: Promise<void> = Promise.resolve();
  #cancel: () => void = () => {};
  #isHeld = false;
  #failures = 0;
  #loggedMs = -Infinity;
  #lagSeconds = 0;
  #problem = '';
  #counts = { delivered: 0, failed: 0, skipped: 0, rejected: 0 };

  constructor(options: PushOptions) {
    this.#options = options;
    this.#who = { name: options.sink.name, holder: options.holder };
  }

  start(): void {
    this.#next(0);
  }

  status(): SinkStatus {
    return {
      name: this.#who.name,
      lagSeconds: this.#lagSeconds,
      problem: this.#problem,
      counts: { ...this.#counts },
    };
  }

  /** Breaks off the delivery that is under way (it is sent again by whoever is next), and lets the sink go. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#cancel();
    await this.#running;
    if (!this.#isHeld) return;
    this.#isHeld = false;
    try {
      await this.#options.store.release(this.#who);
    } catch {
      // The hold ends by itself.
    }
  }

  #next(delayMs: number): void {
    if (this.#closing.signal.aborted) return;
    this.#cancel = this.#options.schedule(delayMs, () => {
      this.#running = this.#turn().then((waitMs) => this.#next(waitMs));
    });
  }

  /** One turn; answers the wait before the next. Never rejects. */
  async #turn(): Promise<number> {
    try {
      return await this.#step();
    } catch (cause) {
      // The database, or a record that could not be written: nothing was passed over.
      return this.#failed({ retry: true, detail: errorText(cause), retryAfterMs: null });
    }
  }

  async #step(): Promise<number> {
    const row = await this.#claim();
    if (!row.isHeld) {
      this.#pending = null;
      this.#lagSeconds = row.lagSeconds;
      this.#problem = row.lastError ?? '';
      return otherMs;
    }
    // What is left of the turn before stands only if nobody else moved the cursor meanwhile.
    if (this.#pending?.from !== row.cursor) this.#pending = null;
    const pending = this.#pending ?? (await this.#readFrom(row));
    if ('detail' in pending) return this.#noteFailure(pending);
    this.#pending = pending;
    let last: SinkEntry | undefined;
    for (let batch = pending.batches[0]; batch !== undefined; batch = pending.batches[0]) {
      if (this.#closing.signal.aborted) return idleMs;
      if (last !== undefined && !(await this.#isStillAt(row))) return otherMs;
      last = batch.at(-1);
      const failure = await this.#deliver(pending, batch);
      if (this.#closing.signal.aborted) return idleMs;
      if (failure !== null) return this.#noteFailure(failure, batch[0]);
    }
    this.#pending = null;
    return this.#arrived(row, pending, last);
  }

  async #claim(): Promise<SinkRow> {
    const row = await this.#options.store.claim(this.#who, this.#holdSeconds());
    this.#isHeld = row.isHeld;
    return row;
  }

  /** For one delivery and all around it. */
  #holdSeconds(): number {
    return (this.#options.timeoutMs + holdMarginMs) / 1000;
  }

  async #isStillAt({ cursor }: SinkRow): Promise<boolean> {
    const row = await this.#claim();
    return row.isHeld && row.cursor === cursor;
  }

  async #readFrom({ cursor }: SinkRow): Promise<Pending | DeliveryFailure> {
    const { sink, read, since, settleSeconds } = this.#options;
    const from = cursor === null ? { since } : { cursor };
    const page = await read({ rows: sink.rows, settleSeconds, ...from });
    if (!page.ok) return { retry: true, detail: page.error.message, retryAfterMs: null };
    const batches = await batchesOf(sink, page.value.rows);
    return { from: cursor, to: page.value.cursor, more: page.value.more, batches };
  }

  /** Takes the first batch off, or puts its halves in its place. Null: go on. */
  async #deliver(pending: Pending, batch: readonly SinkEntry[]): Promise<DeliveryFailure | null> {
    const { sink, log } = this.#options;
    const sent = await this.#inTime((signal) => sink.deliver(batch, signal));
    if (sent.ok) {
      const { rejected, detail } = sent.value;
      this.#counts.delivered += batch.length - Math.min(rejected, batch.length);
      this.#counts.rejected += rejected;
      if (rejected > 0) log.error('a sink rejected entries', { sink: sink.name, rejected, detail });
      this.#failures = 0;
      pending.batches.shift();
      return null;
    }
    if (sent.error.retry) return sent.error;
    const [entry] = batch;
    if (entry !== undefined && batch.length === 1) {
      await this.#skip(entry, sent.error.detail);
      pending.batches.shift();
    } else {
      pending.batches.splice(0, 1, ...halvesOf(batch));
    }
    return null;
  }

  /** A call that ends with its time or with the push. Not AbortSignal.any: with a signal that lives long it leaks. */
  async #inTime<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { schedule, timeoutMs } = this.#options;
    const ending = new AbortController();
    const end = (): void => ending.abort();
    const cancel = schedule(timeoutMs, end);
    this.#closing.signal.addEventListener('abort', end, { once: true });
    try {
      return await call(ending.signal);
    } finally {
      cancel();
      this.#closing.signal.removeEventListener('abort', end);
    }
  }

  /**
   * Goes past an entry, once that is on record. A skipped `sink-skipped` is logged only: a sink that refuses everything would
   * otherwise make records of its own records without end.
   */
  async #skip({ stream, seq, kind }: SinkEntry, why: string): Promise<void> {
    const { record, log } = this.#options;
    const detail = why.slice(0, detailCharsMax);
    const sink = this.#who.name;
    if (kind !== 'sink-skipped') {
      const skipped = { stream, seq, kind };
      await record({ kind: 'sink-skipped', requestId: '', cluster: '', sink, skipped, detail });
    }
    log.error('a sink refused an entry, which was skipped', { sink, stream, seq, kind, detail });
    this.#counts.skipped += 1;
  }

  async #arrived(row: SinkRow, pending: Pending, last: SinkEntry | undefined): Promise<number> {
    const { store, log } = this.#options;
    if (!pending.more) this.#lagSeconds = 0;
    else if (last !== undefined) this.#lagSeconds = this.#ageSeconds(last);
    const isNew = pending.to !== row.cursor || row.lastError !== null || row.lagSeconds !== 0;
    if (isNew) {
      const to = { from: row.cursor, cursor: pending.to, lagSeconds: this.#lagSeconds };
      if (!(await store.move(this.#who, to))) return otherMs;
    }
    if (this.#problem !== '') log.info('a sink goes on', { sink: this.#who.name });
    this.#problem = '';
    this.#failures = 0;
    this.#loggedMs = -Infinity;
    return pending.more ? pauseMs : idleMs;
  }

  #ageSeconds({ ts }: SinkEntry): number {
    return Math.max(0, (this.#options.clock.nowMs() - Date.parse(ts)) / 1000);
  }

  /** Notes a failure in the database too, and holds the sink until the next try: Retry-After binds every replica. */
  async #noteFailure(failure: DeliveryFailure, oldest?: SinkEntry): Promise<number> {
    if (oldest !== undefined) this.#lagSeconds = this.#ageSeconds(oldest);
    const waitMs = this.#failed(failure);
    await this.#options.store.fail(this.#who, {
      error: this.#problem,
      lagSeconds: this.#lagSeconds,
      holdSeconds: waitMs / 1000 + this.#holdSeconds(),
    });
    return waitMs;
  }

  #failed({ detail, retryAfterMs }: DeliveryFailure): number {
    const { clock, random, log } = this.#options;
    const waitMs = nextTryMs(this.#failures, retryAfterMs, random());
    this.#failures += 1;
    this.#counts.failed += 1;
    this.#problem = detail.slice(0, detailCharsMax);
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#loggedMs >= repeatedMs) {
      this.#loggedMs = nowMs;
      log.warn('a sink does not take the record', { sink: this.#who.name, cause: this.#problem });
    }
    return waitMs;
  }
}
