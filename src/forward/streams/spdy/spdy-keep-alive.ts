import { systemClock } from '../../../base/clock.ts';

/** Timers as a port, so that no test sleeps. What is returned stops the timer. */
export type LegTimers = {
  readonly monotonicMs: () => number;
  readonly every: (ms: number, run: () => void) => () => void;
  readonly after: (ms: number, run: () => void) => () => void;
};

/** The machine's own timers; none keeps the process running. */
export const systemLegTimers: LegTimers = {
  monotonicMs: systemClock.monotonicMs,
  every: (ms, run) => {
    const timer = setInterval(run, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

const silenceMaxMs = 60_000;

type KeepAliveOptions = {
  /** Odd for a client, even for a server. */
  readonly firstPingId: number;
  readonly intervalMs: number;
  readonly timers: LegTimers;
  /** Whether silence of the peer ends the session. */
  readonly endsOnSilence: boolean;
  /** Whether we read at all, and whether the peer takes what we write. */
  readonly isReading: () => boolean;
  readonly isBlocked: () => boolean;
  readonly ping: (id: number) => void;
  readonly silent: (detail: string) => void;
};

/**
 * Asks the peer whether it is there, and notices when it is not. Silence counts only when the peer has answered a PING
 * that was sent behind the last data: moby/spdystream reads no frame, and so answers no PING, while 50 frames wait for a
 * program that does not read its standard input (`QUEUE_SIZE` in its connection.go). Data that a dead host does not
 * take is told by TCP.
 */
export class SpdyKeepAlive {
  readonly #options: KeepAliveOptions;
  readonly #stop: () => void;
  #nextPingId: number;
  /** The first PING behind the last data; 0 when it was answered, or when no data was sent. */
  #proofId = 0;
  #heardAtMs: number;

  constructor(options: KeepAliveOptions) {
    this.#options = options;
    this.#nextPingId = options.firstPingId;
    this.#heardAtMs = options.timers.monotonicMs();
    this.#stop = options.timers.every(options.intervalMs, () => this.#tick());
  }

  /** Bytes came, or reading began again. */
  heard(): void {
    this.#heardAtMs = this.#options.timers.monotonicMs();
  }

  /** Data was sent. */
  sent(): void {
    this.#proofId = this.#nextPingId;
  }

  /** The peer answered a PING of ours. */
  answered(id: number): void {
    if (id >= this.#proofId) this.#proofId = 0;
  }

  stop(): void {
    this.#stop();
  }

  #tick(): void {
    const { timers, endsOnSilence, isReading, isBlocked, ping, silent } = this.#options;
    if (!isReading()) this.heard();
    const silentMs = timers.monotonicMs() - this.#heardAtMs;
    if (endsOnSilence && this.#proofId === 0 && silentMs >= silenceMaxMs) {
      silent(`no byte came for ${Math.round(silentMs / 1000)} s`);
      return;
    }
    // What cannot be sent would only pile up.
    if (isBlocked()) return;
    ping(this.#nextPingId);
    this.#nextPingId += 2;
  }
}
