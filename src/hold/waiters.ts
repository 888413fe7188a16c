import type { StopSignal } from '../base/stop-signal.ts';
import type { Approval, WaitEnd } from './approval.ts';

export type WaitPorts = {
  readonly read: (id: string) => Promise<Approval | null>;
  /** Of these, the ids of those that are PENDING. */
  readonly pending: (ids: readonly string[]) => Promise<readonly string[]>;
  readonly onNotify: (listener: (id: string) => void) => () => void;
  /** How often the rows of all waiting calls are looked at: hints get lost. Milliseconds. */
  readonly pollMs: number;
};

type Options = {
  readonly waitMs: number;
  readonly gone: StopSignal;
  readonly draining: AbortSignal;
};

/**
 * Wakes the calls that wait for an approval: by a hint from the database, by one query for all of them every `pollMs`,
 * and at each of their own ends. A call reads its own row when it wakes; nothing is decided from a hint.
 */
export class Waiters {
  readonly #ports: WaitPorts;
  readonly #wake = new Map<string, Set<() => void>>();
  readonly #stop: () => void;
  #timer: NodeJS.Timeout | null = null;
  #count = 0;
  #closed = false;

  constructor(ports: WaitPorts) {
    this.#ports = ports;
    this.#stop = ports.onNotify((id) => {
      // An empty hint: the listening connection was lost, and so may hints have been.
      this.#wakeAll(id === '' ? [...this.#wake.keys()] : [id]);
    });
  }

  /** Calls that wait at the moment. */
  get count(): number {
    return this.#count;
  }

  /** Waits until the approval leaves PENDING, or the call cannot wait any longer. The row is read again each time. */
  async wait(id: string, options: Options): Promise<WaitEnd> {
    this.#count += 1;
    try {
      const deadlineMs = performance.now() + options.waitMs;
      for (;;) {
        const approval = await this.#ports.read(id);
        if (approval === null) throw new Error(`approval ${id} has vanished`);
        if (approval.state !== 'PENDING') return { kind: 'decided', approval };
        if (options.gone.aborted) return { kind: 'client-gone', approval };
        if (options.draining.aborted || this.#closed) return { kind: 'draining', approval };
        const leftMs = deadlineMs - performance.now();
        if (leftMs <= 0) return { kind: 'window-over', approval };
        await this.#sleep(id, leftMs, options);
      }
    } finally {
      this.#count -= 1;
    }
  }

  #sleep(id: string, ms: number, { gone, draining }: Options): Promise<void> {
    return new Promise((resolve) => {
      const wakes = this.#wake.get(id) ?? new Set();
      this.#wake.set(id, wakes);
      const wake = (): void => {
        clearTimeout(timer);
        gone.removeEventListener('abort', wake);
        draining.removeEventListener('abort', wake);
        wakes.delete(wake);
        if (wakes.size === 0 && this.#wake.get(id) === wakes) this.#wake.delete(id);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      wakes.add(wake);
      // A signal that was aborted while the row was read fires no event any more.
      if (gone.aborted || draining.aborted) return wake();
      gone.addEventListener('abort', wake, { once: true });
      draining.addEventListener('abort', wake, { once: true });
      this.#poll();
    });
  }

  /** Looks at the rows once in `pollMs`, as long as anybody waits. */
  #poll(): void {
    this.#timer ??= setTimeout(() => {
      void this.#pollOnce().finally(() => {
        this.#timer = null;
        if (this.#wake.size > 0) this.#poll();
      });
    }, this.#ports.pollMs);
  }

  async #pollOnce(): Promise<void> {
    const ids = [...this.#wake.keys()];
    if (ids.length === 0) return;
    // A query that fails wakes everybody: each reads for itself, and learns what is wrong.
    const pending = new Set(await this.#ports.pending(ids).catch(() => []));
    this.#wakeAll(ids.filter((id) => !pending.has(id)));
  }

  #wakeAll(ids: readonly string[]): void {
    const woken = ids.flatMap((id) => [...(this.#wake.get(id) ?? [])]);
    for (const wake of woken) wake();
  }

  /** Ends every wait as a drain does. */
  close(): void {
    this.#closed = true;
    this.#stop();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#wakeAll([...this.#wake.keys()]);
  }
}
