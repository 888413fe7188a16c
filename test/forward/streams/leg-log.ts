import type { FrameStream, Leg, LegEnd, LegEvents } from '../../../src/forward/streams/frames.ts';
import type { LegTimers } from '../../../src/forward/streams/spdy/spdy-keep-alive.ts';

/** One event of a leg. Data of one stream that follows data of the same stream is joined: chunking does not show. */
export type LegEvent =
  | { readonly kind: 'opened'; readonly id: number; readonly stream: FrameStream }
  | { readonly kind: 'accepted' | 'finished' | 'reset'; readonly id: number }
  | { readonly kind: 'data'; readonly id: number; readonly text: string }
  | { readonly kind: 'drained' }
  | { readonly kind: 'ended'; readonly end: LegEnd };

export type LegLog = {
  readonly events: readonly LegEvent[];
  /** Resolves when an event that fits is in the log, also one from before. */
  readonly seen: (fits: (event: LegEvent) => boolean) => Promise<LegEvent>;
  readonly of: (kind: LegEvent['kind']) => readonly LegEvent[];
};

/** Starts a leg and writes down what it tells; `on` answers as the caller of a leg would. */
export function logLeg(leg: Leg, on: Partial<LegEvents> = {}): LegLog {
  const events: LegEvent[] = [];
  let waiting: { fits: (event: LegEvent) => boolean; resolve: (event: LegEvent) => void }[] = [];
  const add = (event: LegEvent): void => {
    const last = events.at(-1);
    if (event.kind === 'data' && last?.kind === 'data' && last.id === event.id) {
      events[events.length - 1] = { ...last, text: last.text + event.text };
    } else events.push(event);
    const latest = events.at(-1) ?? event;
    for (const one of waiting.filter(({ fits }) => fits(latest))) one.resolve(latest);
    waiting = waiting.filter(({ fits }) => !fits(latest));
  };
  leg.start({
    opened: (id, stream) => {
      add({ kind: 'opened', id, stream });
      on.opened?.(id, stream);
    },
    accepted: (id) => {
      add({ kind: 'accepted', id });
      on.accepted?.(id);
    },
    data: (id, bytes) => {
      add({ kind: 'data', id, text: bytes.toString('latin1') });
      on.data?.(id, bytes);
    },
    finished: (id) => {
      add({ kind: 'finished', id });
      on.finished?.(id);
    },
    reset: (id) => {
      add({ kind: 'reset', id });
      on.reset?.(id);
    },
    drained: () => {
      add({ kind: 'drained' });
      on.drained?.();
    },
    ended: (end) => {
      add({ kind: 'ended', end });
      on.ended?.(end);
    },
  });
  return {
    events,
    of: (kind) => events.filter((event) => event.kind === kind),
    seen: (fits) => {
      const found = events.find(fits);
      if (found !== undefined) return Promise.resolve(found);
      return new Promise((resolve) => waiting.push({ fits, resolve }));
    },
  };
}

/** Timers that run when the test says so. */
export type HandTimers = LegTimers & {
  readonly pass: (ms: number) => void;
  readonly running: () => number;
};

export function handTimers(): HandTimers {
  let nowMs = 0;
  const timers = new Set<{ atMs: number; readonly everyMs: number | null; run: () => void }>();
  const add = (ms: number, everyMs: number | null, run: () => void): (() => void) => {
    const timer = { atMs: nowMs + ms, everyMs, run };
    timers.add(timer);
    return () => timers.delete(timer);
  };
  return {
    monotonicMs: () => nowMs,
    every: (ms, run) => add(ms, ms, run),
    after: (ms, run) => add(ms, null, run),
    running: () => timers.size,
    pass: (ms) => {
      const untilMs = nowMs + ms;
      for (;;) {
        const due = [...timers]
          .filter((timer) => timer.atMs <= untilMs)
          .sort((a, b) => a.atMs - b.atMs)[0];
        if (due === undefined) break;
        nowMs = due.atMs;
        if (due.everyMs === null) timers.delete(due);
        else due.atMs += due.everyMs;
        due.run();
      }
      nowMs = untilMs;
    },
  };
}

/** Lets everything that is under way in memory come to rest. */
export async function settled(): Promise<void> {
  for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve));
}
