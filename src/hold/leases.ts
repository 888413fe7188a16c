import { errorText, type Log } from '../base/log.ts';
import type { Claim } from './approval.ts';
import type { ApprovalStore } from './approval-store.ts';

export type LeasePorts = {
  readonly renew: ApprovalStore['renew'];
  readonly leaseSeconds: number;
  readonly log: Log;
};

/** Three tries a lease: one lost query must not make an execution UNKNOWN. */
const triesPerLease = 3;

/** Keeps the leases of executions alive until they end. One that was lost is not renewed any more. */
export class Leases {
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #ports: LeasePorts;

  constructor(ports: LeasePorts) {
    this.#ports = ports;
  }

  /** Renews a claim's lease from now on. */
  keep({ approval: { id }, fence }: Claim): void {
    const { renew, leaseSeconds, log } = this.#ports;
    const renewOnce = async (): Promise<void> => {
      try {
        if (await renew(id, fence, leaseSeconds)) return;
        if (!this.#timers.has(id)) return; // it ended while the query was under way
        log.error('the lease of an execution was lost', { approval: id });
        this.end(id);
      } catch (cause) {
        log.warn('a lease could not be renewed', { approval: id, cause: errorText(cause) });
      }
    };
    const everyMs = (leaseSeconds * 1000) / triesPerLease;
    this.#timers.set(
      id,
      setInterval(() => void renewOnce(), everyMs),
    );
  }

  /** Renews no longer. */
  end(id: string): void {
    clearInterval(this.#timers.get(id));
    this.#timers.delete(id);
  }

  close(): void {
    for (const timer of this.#timers.values()) clearInterval(timer);
    this.#timers.clear();
  }
}
