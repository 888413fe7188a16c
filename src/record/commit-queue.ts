import { DependencyError } from '../base/errors.ts';
import { recordBatchCharsMax, recordBatchRowsMax, recorderQueueCharsMax } from '../base/limits.ts';
import { sealEntry, type SealedEntry } from './leaf.ts';
import type { RecordEntry } from './entry.ts';

/** An entry whose caller waits. */
export type Waiting = {
  readonly sealed: SealedEntry;
  readonly ts: string;
  readonly monotonicMs: number;
  /** Settles as the caller's own promise does. */
  readonly done: Promise<void>;
  /** Answers the caller, once; later calls do nothing. Null: committed. */
  readonly settle: (failure: string | null) => void;
  readonly isSettled: () => boolean;
};

/** What waits for its batch, bounded in size: those that are under way count until their callers were answered. */
export class CommitQueue {
  #queue: Waiting[] = [];
  #chars = 0;
  /** How many at the head are sent one by one, because a batch with them was refused. */
  #singles = 0;

  get length(): number {
    return this.#queue.length;
  }

  isFull(): boolean {
    return this.#chars >= recorderQueueCharsMax;
  }

  /** Takes an entry in, or says why not. */
  push(entry: RecordEntry, ts: string, monotonicMs: number): Promise<void> {
    const sealed = sealEntry(entry);
    const size = sealed.charsLength;
    if (size > recordBatchCharsMax) {
      return Promise.reject(
        notRecorded(`the entry takes ${size} characters, more than ${recordBatchCharsMax}`),
      );
    }
    if (this.#chars + size > recorderQueueCharsMax) {
      return Promise.reject(
        notRecorded(
          `more than ${recorderQueueCharsMax} characters of records wait for the database`,
        ),
      );
    }
    this.#chars += size;
    let settled = false;
    let settle: Waiting['settle'] = () => {};
    const done = new Promise<void>((resolve, reject) => {
      settle = (failure) => {
        if (settled) return;
        settled = true;
        this.#chars -= size;
        if (failure === null) resolve();
        else reject(notRecorded(failure));
      };
    });
    const isSettled = (): boolean => settled;
    this.#queue.push({ sealed, ts, monotonicMs, done, settle, isSettled });
    return done;
  }

  /** When the oldest that waits was appended; null where none does. */
  oldestMonotonicMs(): number | null {
    return this.#queue[0]?.monotonicMs ?? null;
  }

  all(): readonly Waiting[] {
    return this.#queue;
  }

  /** The next batch, in order of arrival; empty where nothing waits. */
  take(): readonly Waiting[] {
    let count = 0;
    let chars = 0;
    const rowsMax = this.#singles > 0 ? 1 : recordBatchRowsMax;
    for (const { sealed } of this.#queue) {
      if (count >= rowsMax || (count > 0 && chars + sealed.charsLength > recordBatchCharsMax)) {
        break;
      }
      count += 1;
      chars += sealed.charsLength;
    }
    if (count > 0 && this.#singles > 0) this.#singles -= 1;
    return this.#queue.splice(0, count);
  }

  /** Puts a refused batch back to the head, to be sent one by one: a bad entry must not take the others with it. */
  isolate(batch: readonly Waiting[]): void {
    const again = batch.filter((one) => !one.isSettled());
    this.#queue = [...again, ...this.#queue];
    this.#singles += again.length;
  }

  /** Removes those that were appended before `monotonicMs`. */
  removeBefore(monotonicMs: number): readonly Waiting[] {
    const late = this.#queue.filter((one) => one.monotonicMs <= monotonicMs);
    if (late.length > 0) this.#queue = this.#queue.filter((one) => one.monotonicMs > monotonicMs);
    return late;
  }
}

/** What a caller reads whose entry is not, or may not be, recorded. */
export function notRecorded(why: string): DependencyError {
  return new DependencyError('HOLDGATE_RECORD_UNAVAILABLE', `not recorded: ${why}`);
}
