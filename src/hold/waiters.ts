import type { Approval, WaitEnd } from './approval.ts';

export type WaitPorts = {
  readonly read: (id: string) => Promise<Approval | null>;
  readonly onNotify: (listener: (id: string) => void) => () => void;
  /** How often a waiting call looks at the row by itself: hints get lost. Milliseconds. */
  readonly pollMs: number;
};

type Options = {
  readonly waitMs: number;
  readonly gone: AbortSignal;
  readonly draining: AbortSignal;
};

/** Wakes the calls that wait for an approval: by a hint from the database, by polling, and at each of their own ends. */
export class Waiters {
  readonly #ports: WaitPorts;
  readonly #wake = new Map<string, Set<() => void>>();
  readonly #stop: () => void;

  constructor(ports: WaitPorts) {
    this.#ports = ports;
    this.#stop = ports.onNotify((id) => {
      // An empty hint: the listening connection was lost, and so may hints have been.
      const woken =
        id === ''
          ? [...this.#wake.values()].flatMap((one) => [...one])
          : [...(this.#wake.get(id) ?? [])];
      for (const wake of woken) wake();
    });
  }

  get count(): number {
    return [...this.#wake.values()].reduce((sum, one) => sum + one.size, 0);
  }

  /** Waits until the approval leaves PENDING, or the call cannot wait any longer. The row is read again each time. */
  async wait(id: string, options: Options): Promise<WaitEnd> {
    const deadlineMs = performance.now() + options.waitMs;
    for (;;) {
      const approval = await this.#ports.read(id);
      if (approval === null) throw new Error(`approval ${id} has vanished`);
      if (approval.state !== 'PENDING') return { kind: 'decided', approval };
      if (options.gone.aborted) return { kind: 'client-gone', approval };
      if (options.draining.aborted) return { kind: 'draining', approval };
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0) return { kind: 'window-over', approval };
      await this.#sleep(id, Math.min(leftMs, this.#ports.pollMs), options);
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
        if (wakes.size === 0) this.#wake.delete(id);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      gone.addEventListener('abort', wake, { once: true });
      draining.addEventListener('abort', wake, { once: true });
      wakes.add(wake);
    });
  }

  close(): void {
    this.#stop();
    const all = [...this.#wake.values()].flatMap((wakes) => [...wakes]);
    for (const wake of all) wake();
  }
}
