import { DependencyError } from '../base/errors.ts';
import { errorText, type Log } from '../base/log.ts';
import type { HoldTransitionEntry, Recorder } from '../record/index.ts';
import type { Approval, Person } from './approval.ts';
import type { Transition } from './approval-store.ts';

/** Transitions that wait to be recorded, per process: what is above it goes to the log instead. */
const lateEntriesMax = 1000;

/**
 * Records the changes of state. A change is committed to its row first and recorded next, so a recorder that is down
 * leaves a change unrecorded: it is kept here and tried again at each sweep, and until then its approval is not claimed.
 */
export class TransitionLog {
  readonly #recorder: Pick<Recorder, 'append'>;
  readonly #log: Log;
  #late: readonly HoldTransitionEntry[] = [];
  #flushing: Promise<void> | null = null;

  constructor(recorder: Pick<Recorder, 'append'>, log: Log) {
    this.#recorder = recorder;
    this.#log = log;
  }

  /** Resolves once the transition is recorded; rejects with a DependencyError where it is not, and keeps it for later. */
  async append(
    { from, approval }: Transition | { readonly from: ''; readonly approval: Approval },
    by: Person | null,
    reason: string,
  ): Promise<void> {
    const entry = transitionEntry(approval, from, by, reason);
    try {
      await this.#recorder.append(entry);
    } catch (cause) {
      this.#keep(entry);
      throw cause;
    }
  }

  /** The same, where nobody can be told of a failure. */
  async appendLater(transition: Transition, by: Person | null, reason: string): Promise<void> {
    await this.append(transition, by, reason).catch((cause: unknown) => {
      this.#log.warn('a change of an approval is not recorded yet', {
        approval: transition.approval.id,
        cause: errorText(cause),
      });
    });
  }

  /** Tries again what waits. Never rejects. */
  flush(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = null;
    });
    return this.#flushing;
  }

  async #flush(): Promise<void> {
    const tried = this.#late;
    if (tried.length === 0) return;
    const ends = await Promise.allSettled(tried.map((entry) => this.#recorder.append(entry)));
    const recorded = new Set(tried.filter((_entry, index) => ends[index]?.status === 'fulfilled'));
    this.#late = this.#late.filter((entry) => !recorded.has(entry));
  }

  /** Rejects with a DependencyError where an earlier change of this approval is still not on record. */
  async requireRecorded(approvalId: string): Promise<void> {
    const waits = (): boolean => this.#late.some((entry) => entry.approvalId === approvalId);
    if (!waits()) return;
    await this.flush();
    if (!waits()) return;
    throw new DependencyError(
      'HOLDGATE_RECORD_UNAVAILABLE',
      `approval ${approvalId} is not used: how it came about is not on record yet`,
    );
  }

  /** What waits still is logged in full: nothing else holds who decided, but the row. */
  close(): void {
    for (const entry of this.#late) this.#giveUp(entry);
    this.#late = [];
  }

  #keep(entry: HoldTransitionEntry): void {
    if (this.#late.length >= lateEntriesMax) this.#giveUp(entry);
    else this.#late = [...this.#late, entry];
  }

  #giveUp(entry: HoldTransitionEntry): void {
    this.#log.error('a change of an approval is not recorded', { ...entry });
  }
}

function transitionEntry(
  approval: Approval,
  from: string,
  by: Person | null,
  reason: string,
): HoldTransitionEntry {
  return {
    kind: 'hold',
    requestId: approval.executedBy ?? approval.openedBy,
    cluster: approval.summary.cluster,
    approvalId: approval.id,
    from,
    to: approval.state,
    by: by === null ? null : { issuer: by.issuer, subject: by.subject, username: by.username },
    reason,
  };
}
