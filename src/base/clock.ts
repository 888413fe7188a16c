/** Time as a port, so that no test sleeps and no stage reads the wall clock by itself. */
export type Clock = {
  /** Wall-clock time in milliseconds since the Unix epoch. */
  readonly nowMs: () => number;
  /** Monotonic time in milliseconds: for durations, never for dates. */
  readonly monotonicMs: () => number;
};

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

let isoMs = Number.NaN;
let iso = '';

/**
 * Milliseconds since the Unix epoch as RFC 3339 in UTC. A request asks for the time of its arrival, of two records and of
 * a log line, mostly in one millisecond, and writing a date takes longer than looking whether it was just written.
 */
export function isoTime(ms: number): string {
  if (ms !== isoMs) {
    iso = new Date(ms).toISOString();
    isoMs = ms;
  }
  return iso;
}

/** Runs `run` once after `delayMs`; the answer cancels it. */
export type Schedule = (delayMs: number, run: () => void) => () => void;

/** Timers of the machine; they do not keep the process alive. */
export const systemSchedule: Schedule = (delayMs, run) => {
  const timer = setTimeout(run, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
};

/** setTimeout holds 31 bits: longer waits would fire at once. Milliseconds. */
const timerMsMax = 2_147_483_647;

/** A wait that setTimeout can hold: from 0, for what is over already, to about 24.8 days. Milliseconds in and out. */
export const timerWaitMs = (waitMs: number): number => Math.max(0, Math.min(waitMs, timerMsMax));
