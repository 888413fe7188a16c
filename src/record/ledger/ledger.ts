import { isoTime, type Clock } from '../../base/clock.ts';
import { errorText, type Log } from '../../base/log.ts';
import type { RecordEntry } from '../entry.ts';
import type { StreamState } from '../open-stream.ts';
import type { DeploymentKey } from '../signing/deployment-key.ts';
import {
  additionTo,
  checkHead,
  type AbandonedStream,
  type LedgerHead,
  type SeenHead,
} from './addition.ts';
import type { Anchors } from './anchors.ts';
import { writeLedgerHead } from './ledger-head-file.ts';
import type { LedgerStore } from './ledger-store.ts';

/** How often own streams that grew are taken down. Milliseconds. */
const tickMs = 1000;

/** How often the ledger is looked at when nothing grew: a sign of life, heartbeats, streams of others. Milliseconds. */
const idleMs = 10_000;

/** How often the head's file is written at most. Milliseconds. */
const headFileMs = 5000;

/**
 * How long the ledger has been reached without a failure before a stream of another process is called abandoned: after a
 * time without the database everybody is silent, and everybody gets this long to be heard again. Milliseconds.
 */
const steadyMs = 60_000;

/** How often a failure that lasts is logged. Milliseconds. */
const repeatedMs = 60_000;

export type LedgerOptions = {
  readonly store: LedgerStore;
  readonly deploymentKey: DeploymentKey;
  readonly clock: Clock;
  readonly log: Log;
  readonly anchors: Anchors;
  /** The file of `ledgerHeadFile`. */
  readonly headFile: string;
  /** What this gateway saw last; null at a first start, or where an operator acknowledged another database. */
  readonly seen: SeenHead | null;
};

/**
 * The deployment's ledger: the tree over the checkpoints of all streams. Every second each replica takes down its own streams
 * that grew; what a silent one left, any other does. Nothing of recording waits for it: while it fails, only the time
 * within which a cut tail is found gets longer.
 */
export class Ledger {
  readonly #options: LedgerOptions;
  /** This process's streams that are not settled. */
  readonly #own = new Map<string, { state: StreamState; ledgerSize: number }>();
  #record: ((entry: RecordEntry) => Promise<void>) | null = null;
  #seen: SeenHead | null;
  #head: LedgerHead | null = null;
  #timer: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #appendedMs = -Infinity;
  #steadySinceMs: number | null = null;
  #problem: string | null = null;
  #loggedMs = -Infinity;
  #headFile = { note: '', writtenMs: -Infinity };

  constructor(options: LedgerOptions) {
    this.#options = options;
    this.#seen = options.seen;
  }

  /** Takes note of what is committed of an own stream: the recorder's `onCommitted`. */
  noteStream(state: StreamState): void {
    const known = this.#own.get(state.id);
    if (known === undefined) this.#own.set(state.id, { state, ledgerSize: 0 });
    else known.state = state;
  }

  /** Begins to work. `record` is the recorder's append, for streams that others abandoned. */
  start(record: (entry: RecordEntry) => Promise<void>): void {
    this.#record = record;
    this.#timer ??= setInterval(() => void this.tick(), tickMs);
    this.#timer.unref();
  }

  /** One round; never rejects. A second call while one is under way waits for that. */
  tick(): Promise<void> {
    this.#running ??= this.#round(false).finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  /** Takes down the end of the own streams, once, and stops. Call it when the recorder is closed. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await this.#running;
    this.#record = null;
    if (this.#problem === null) await this.#round(true);
  }

  async #round(isLast: boolean): Promise<void> {
    const { clock, anchors } = this.#options;
    const nowMs = clock.monotonicMs();
    const grew = [...this.#own.values()].some((one) => one.state.size > one.ledgerSize);
    if (grew || isLast || nowMs - this.#appendedMs >= idleMs) {
      try {
        await this.#append(nowMs);
        this.#markUp(nowMs);
      } catch (cause) {
        this.#markDown(errorText(cause));
      }
    }
    await this.#writeHead(isLast);
    anchors.offer(this.#head);
    if (isLast) await anchors.close();
  }

  async #append(nowMs: number): Promise<void> {
    const { store, deploymentKey, clock } = this.#options;
    const own = [...this.#own.values()].map((one) => ({ ...one }));
    const asked = {
      seenSize: this.#seen?.size ?? 0,
      ownStreams: own.map((one) => one.state.id),
    };
    const outcome: { problem: string | null; made: ReturnType<typeof additionTo> | null } = {
      problem: null,
      made: null,
    };
    const had = await store.append(asked, (view) => {
      const head = checkHead(view, this.#seen, deploymentKey);
      outcome.problem = head.ok ? null : head.error;
      if (!head.ok) return null;
      outcome.made = additionTo(head.value, view, own, deploymentKey, isoTime(clock.nowMs()));
      return outcome.made.addition;
    });
    if (outcome.problem !== null) throw new Error(`the database: ${outcome.problem}`);
    if (!had || outcome.made === null) return;
    this.#appendedMs = nowMs;
    await this.#committed(outcome.made, own);
  }

  async #committed(
    { head, abandoned }: ReturnType<typeof additionTo>,
    own: readonly { readonly state: StreamState }[],
  ): Promise<void> {
    this.#head = head;
    this.#seen = head === null ? this.#seen : { ...head, accepted: this.#seen?.accepted ?? null };
    for (const { state } of own) {
      const one = this.#own.get(state.id);
      if (one === undefined) continue;
      one.ledgerSize = state.size;
      if (state.ended) this.#own.delete(state.id);
    }
    const { clock } = this.#options;
    const isSteady =
      this.#steadySinceMs !== null && clock.monotonicMs() - this.#steadySinceMs >= steadyMs;
    if (isSteady) for (const stream of abandoned) await this.#markAbandoned(stream);
  }

  /** First the record, then the row: two replicas may both record it, none of them may forget it. */
  async #markAbandoned({ id, size, root, problem }: AbandonedStream): Promise<void> {
    const { store, log } = this.#options;
    if (this.#record === null) return;
    log.warn('a record stream was abandoned by its process', { stream: id, size, problem });
    await this.#record({
      kind: 'stream-abandoned',
      requestId: '',
      cluster: '',
      abandoned: id,
      size,
      root,
      problem,
    });
    await store.settle(id);
  }

  async #writeHead(isLast: boolean): Promise<void> {
    const { clock, headFile, log } = this.#options;
    const nowMs = clock.monotonicMs();
    const note = this.#head?.note ?? '';
    if (note === '' || note === this.#headFile.note) return;
    if (!isLast && nowMs - this.#headFile.writtenMs < headFileMs) return;
    try {
      await writeLedgerHead(headFile, note);
      this.#headFile = { note, writtenMs: nowMs };
    } catch (cause) {
      log.warn('the ledger head cannot be written down', { cause: errorText(cause) });
    }
  }

  #markDown(problem: string): void {
    this.#steadySinceMs = null;
    const nowMs = this.#options.clock.monotonicMs();
    const isNew = this.#problem === null || nowMs - this.#loggedMs >= repeatedMs;
    this.#problem = problem;
    if (!isNew) return;
    this.#loggedMs = nowMs;
    this.#options.log.error('the ledger cannot go on; recording does', { cause: problem });
  }

  #markUp(nowMs: number): void {
    this.#steadySinceMs ??= nowMs;
    if (this.#problem === null) return;
    this.#problem = null;
    this.#options.log.info('the ledger goes on');
  }
}
