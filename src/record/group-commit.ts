import { isoTime, type Clock } from '../base/clock.ts';
import type { Ids } from '../base/ids.ts';
import { errorText, type Log } from '../base/log.ts';
import { CommitQueue, notRecorded, type Waiting } from './commit-queue.ts';
import type { RecordEntry } from './entry.ts';
import { makeLeaf, type Leaf } from './leaf.ts';
import type { RecordStore, StreamRow } from './record-store.ts';

/** How long a caller waits for its commit. Milliseconds. */
const commitTimeoutMs = 5000;

/** How often waiting entries are looked at, and the pauses between tries while the store is down. Milliseconds. */
const sweepMs = 250;
const retryMs = { first: 50, max: 1000 } as const;

/** A stream is for a UTC day; leap seconds are not in Unix time. Milliseconds. */
const dayMs = 86_400_000;

/** What the recorder tells whoever watches it. */
export type RecorderEvent =
  | { readonly kind: 'down'; readonly message: string }
  | { readonly kind: 'recovered'; readonly downMs: number }
  /** Recording ended for good: somebody else writes this process's stream, or the recorder has a bug. */
  | { readonly kind: 'stopped'; readonly message: string };

type GroupCommitOptions = {
  readonly store: RecordStore;
  readonly clock: Clock;
  readonly ids: Ids;
  /** Host and process, for people. */
  readonly replica: string;
  readonly log: Log;
  readonly onEvent: (event: RecorderEvent) => void;
};

type Stream = StreamRow & {
  readonly openedMonotonicMs: number;
  /** The end of its UTC day, milliseconds since the Unix epoch. */
  readonly endsMs: number;
  size: number;
};
type Batch = {
  readonly stream: Stream;
  readonly waiting: readonly Waiting[];
  readonly leaves: readonly Leaf[];
};

/**
 * Group commit without a timer: a batch leaves as soon as the one before it returned, so it is as large as the load asks
 * and as small as the store's speed lets it be. One batch is under way at a time; sequence numbers are given when it is
 * made, and the next ones only after it is known to be committed.
 *
 * A batch whose end is unknown (the connection broke, no answer came) stays: the identical batch is sent until the store says
 * what it holds. That is at once the probe that closes the breaker and the way to learn what was committed. Its
 * callers are told after `commitTimeoutMs` that their entry may not be recorded; it may yet be, which is the safe side.
 */
export class GroupCommit {
  readonly #options: GroupCommitOptions;
  readonly #queue = new CommitQueue();
  #batch: Batch | null = null;
  #stream: Stream | null = null;
  #running: Promise<void> | null = null;
  #sweep: NodeJS.Timeout | null = null;
  #callSinceMs: number | null = null;
  #downSinceMs: number | null = null;
  /** Set once nothing more is taken: why. */
  #stopped: string | null = null;
  #wake: () => void = () => {};

  constructor(options: GroupCommitOptions) {
    this.#options = options;
  }

  /** See `Recorder.append`. */
  append(entry: RecordEntry): Promise<void> {
    if (this.#stopped !== null) return Promise.reject(notRecorded(this.#stopped));
    // What opens something new is refused at once while the store is down; what ends something that already happened
    // waits for its return, as nothing else can record it.
    const opens = entry.kind === 'decision' || entry.kind === 'attempt';
    if (this.#downSinceMs !== null && opens) {
      return Promise.reject(notRecorded('the database is down'));
    }
    const { clock } = this.#options;
    const ts = isoTime(clock.nowMs());
    const done = this.#queue.push(entry, ts, clock.monotonicMs());
    this.#start();
    return done;
  }

  /** See `Recorder.available`. */
  available(): boolean {
    return this.#stopped === null && this.#downSinceMs === null && !this.#queue.isFull();
  }

  /** Waits until every caller was answered, at most `commitTimeoutMs`, and ends the stream. */
  async close(): Promise<void> {
    this.#stopped ??= 'the recorder is closed';
    await Promise.allSettled(this.#waiting().map((one) => one.done));
    if (this.#running === null) this.#endSweep();
    this.#wake();
    if (this.#downSinceMs !== null) return;
    await this.#running;
    if (this.#batch === null) await this.#closeStream();
  }

  #waiting(): readonly Waiting[] {
    return [...(this.#batch?.waiting ?? []), ...this.#queue.all()];
  }

  #start(): void {
    if (this.#running !== null || this.#queue.length === 0) return;
    // One timer for all batches of a busy time, not one for each: it ends itself once it finds nothing under way.
    this.#sweep ??= setInterval(() => this.#rejectLate(), sweepMs);
    // A microtask later: what is appended in the same turn of the event loop shares the batch.
    this.#running = Promise.resolve()
      .then(() => this.#run())
      .catch((cause: unknown) => this.#stop(`the recorder failed: ${errorText(cause)}`));
  }

  async #run(): Promise<void> {
    let pauseMs: number = retryMs.first;
    while (this.#hasWork()) {
      this.#callSinceMs = this.#options.clock.monotonicMs();
      try {
        await this.#step();
        this.#markUp();
        pauseMs = retryMs.first;
      } catch (cause) {
        this.#callSinceMs = null;
        this.#markDown(errorText(cause));
        await this.#pause(pauseMs);
        pauseMs = Math.min(pauseMs * 2, retryMs.max);
      }
    }
    // In the same turn as the last look at the queue: an append after it starts anew.
    this.#end();
  }

  #end(): void {
    this.#callSinceMs = null;
    this.#running = null;
    if (this.#stopped !== null) this.#endSweep();
  }

  #endSweep(): void {
    if (this.#sweep !== null) clearInterval(this.#sweep);
    this.#sweep = null;
  }

  /** While the store is down there is always something to try, unless nobody will ever ask again. */
  #hasWork(): boolean {
    const isOpen = (one: Waiting): boolean => !one.isSettled();
    if (this.#batch?.waiting.some(isOpen) === true || this.#queue.all().some(isOpen)) return true;
    return this.#stopped === null && (this.#downSinceMs !== null || this.#batch !== null);
  }

  async #step(): Promise<void> {
    this.#batch ??= this.#nextBatch(this.#streamOfToday() ?? (await this.#openStream()));
    const batch = this.#batch;
    if (batch === null) return;
    const { stream, leaves, waiting } = batch;
    const end = await this.#options.store.append(stream, leaves);
    this.#batch = null;
    switch (end.kind) {
      case 'committed':
        stream.size += leaves.length;
        for (const one of waiting) one.settle(null);
        return;
      case 'refused':
        if (waiting.length > 1) {
          this.#queue.isolate(waiting);
          return;
        }
        this.#options.log.error('the database refused a record', { reason: end.reason });
        waiting[0]?.settle(`the database refused it: ${end.reason}`);
        return;
      case 'fork': {
        const message = `another writer has record ${end.seq} of stream ${stream.id}`;
        for (const one of waiting) one.settle(message);
        this.#stop(message);
      }
    }
  }

  /** The open stream, where it is that of today. */
  #streamOfToday(): Stream | null {
    const stream = this.#stream;
    if (stream === null) return null;
    const nowMs = this.#options.clock.nowMs();
    return nowMs < stream.endsMs && nowMs >= stream.endsMs - dayMs ? stream : null;
  }

  /** Opens the stream of a new day, its row committed before its first record. */
  async #openStream(): Promise<Stream> {
    const { clock, ids, replica, store } = this.#options;
    const nowMs = clock.nowMs();
    const openedAt = isoTime(nowMs);
    await this.#closeStream();
    const row = { id: ids.next(), epoch: openedAt.slice(0, 10), replica, openedAt };
    await store.openStream(row);
    const openedMonotonicMs = this.#queue.oldestMonotonicMs() ?? clock.monotonicMs();
    const endsMs = (Math.floor(nowMs / dayMs) + 1) * dayMs;
    this.#stream = { ...row, openedMonotonicMs, endsMs, size: 0 };
    return this.#stream;
  }

  async #closeStream(): Promise<void> {
    const stream = this.#stream;
    if (stream === null) return;
    this.#stream = null;
    const closedAt = isoTime(this.#options.clock.nowMs());
    await this.#options.store.closeStream(stream, stream.size, closedAt).catch((cause: unknown) => {
      // For people only: a stream without it reads as one whose process ended.
      const fields = { stream: stream.id, cause: errorText(cause) };
      this.#options.log.warn('cannot note the end of a record stream', fields);
    });
  }

  #nextBatch(stream: Stream): Batch | null {
    const waiting = this.#queue.take();
    if (waiting.length === 0) return null;
    const leaves = waiting.map((one, index) =>
      makeLeaf(one.sealed, {
        stream: stream.id,
        seq: stream.size + index,
        ts: one.ts,
        monoNs: Math.max(0, Math.round((one.monotonicMs - stream.openedMonotonicMs) * 1e6)),
      }),
    );
    return { stream, waiting, leaves };
  }

  /** Answers whoever waited too long, and drops the connections of a call that does not return. */
  #rejectLate(): void {
    if (this.#running === null) {
      this.#endSweep();
      return;
    }
    const sinceMs = this.#options.clock.monotonicMs() - commitTimeoutMs;
    const why = `no commit within ${commitTimeoutMs} ms`;
    if (this.#callSinceMs !== null && this.#callSinceMs <= sinceMs) {
      this.#callSinceMs = null;
      this.#markDown(why);
      this.#options.store.reset(why);
    }
    for (const one of this.#batch?.waiting ?? []) {
      if (one.monotonicMs <= sinceMs) one.settle(why);
    }
    for (const one of this.#queue.removeBefore(sinceMs)) one.settle(why);
  }

  #markDown(message: string): void {
    if (this.#downSinceMs !== null) return;
    this.#downSinceMs = this.#options.clock.monotonicMs();
    this.#options.log.error('records cannot be committed; requests are refused until they can', {
      cause: message,
    });
    this.#options.onEvent({ kind: 'down', message });
  }

  #markUp(): void {
    if (this.#downSinceMs === null) return;
    const downMs = this.#options.clock.monotonicMs() - this.#downSinceMs;
    this.#downSinceMs = null;
    this.#options.log.info('records are committed again', { downMs: Math.round(downMs) });
    this.#options.onEvent({ kind: 'recovered', downMs });
  }

  #stop(message: string): void {
    this.#stopped = message;
    this.#downSinceMs = null;
    for (const one of this.#waiting()) one.settle(message);
    this.#queue.removeBefore(Infinity);
    this.#batch = null;
    this.#end();
    this.#options.log.error('recording has stopped; look into it, then restart the gateway', {
      cause: message,
    });
    this.#options.onEvent({ kind: 'stopped', message });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
