import type { Clock } from '../../src/base/clock.ts';

/** A clock and timers that move only when told to. */
export type ManualTime = {
  readonly clock: Clock;
  /** Runs `run` once when `delayMs` have been advanced; the answer cancels it. */
  readonly schedule: (delayMs: number, run: () => void) => () => void;
  /** Moves both clocks and runs what is due, in order. */
  readonly advance: (ms: number) => void;
  /** Moves the wall clock alone: an operator or NTP set it. */
  readonly stepWallClock: (ms: number) => void;
  /** Delays of the timers that wait, from now. */
  readonly pending: () => readonly number[];
};

export function createManualTime(startMs = Date.parse('2026-11-20T12:00:00Z')): ManualTime {
  let nowMs = 0;
  let wallOffsetMs = startMs;
  const timers = new Set<{ readonly atMs: number; readonly run: () => void }>();
  return {
    clock: { nowMs: () => wallOffsetMs + nowMs, monotonicMs: () => nowMs },
    schedule: (delayMs, run) => {
      const timer = { atMs: nowMs + delayMs, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance: (ms) => {
      nowMs += ms;
      const due = [...timers].filter((timer) => timer.atMs <= nowMs);
      for (const timer of due.sort((one, other) => one.atMs - other.atMs)) {
        timers.delete(timer);
        timer.run();
      }
    },
    stepWallClock: (ms) => {
      wallOffsetMs += ms;
    },
    pending: () => [...timers].map((timer) => timer.atMs - nowMs),
  };
}
