import type { Clock, Schedule } from '../base/clock.ts';
import { errorText, type Log } from '../base/log.ts';
import type { SessionProjection } from '../store/index.ts';

/** How long to wait before the next look at the records. Milliseconds. */
const idleMs = 1000;
const failedMs = 5000;
const pauseMsMin = 20;

/** A short backlog is worked off in a fifth of the time, a long one in half of it: the rest belongs to requests. */
const pauseShare = { short: 4, long: 1 } as const;
const longLagMs = 5000;

/** From then on people are told. Milliseconds. */
const warnLagMs = 60_000;

export type SessionProjector = {
  /** How old the newest record is that sessions were made of, while others wait; 0 while none does. Milliseconds. */
  readonly lagMs: () => number;
  /** Resolves when a step that is under way is over. */
  readonly close: () => Promise<void>;
};

/**
 * Keeps sessions and commands up with the records, beside the serving of requests and never in its way: nobody waits for it,
 * and what it cannot do is tried again. What a process left behind is caught up by the next one.
 */
export function startSessionProjector(options: {
  readonly projection: Pick<SessionProjection, 'step'>;
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly log: Log;
}): SessionProjector {
  const { projection, clock, schedule, log } = options;
  let closed = false;
  let failing = false;
  let warned = false;
  let running: Promise<void> = Promise.resolve();
  let cancel: () => void = () => {};
  /** Until when records are done, where they are not all. */
  let reachedMs: number | null = null;

  const lagMs = (): number => (reachedMs === null ? 0 : Math.max(0, clock.nowMs() - reachedMs));
  const step = async (): Promise<number> => {
    const beganMs = clock.monotonicMs();
    try {
      const end = await projection.step();
      failing = false;
      const isDone = end.kind === 'busy' || end.drained;
      reachedMs = isDone ? null : (end.reachedMs ?? reachedMs);
      if (isDone) return idleMs;
      const share = lagMs() > longLagMs ? pauseShare.long : pauseShare.short;
      return Math.max(pauseMsMin, (clock.monotonicMs() - beganMs) * share);
    } catch (cause) {
      // Once: the record itself says at every turn that the database is down.
      if (!failing) log.warn('sessions and commands are not made', { cause: errorText(cause) });
      failing = true;
      reachedMs ??= clock.nowMs();
      return failedMs;
    }
  };
  const tell = (): void => {
    const isFar = lagMs() > warnLagMs;
    if (isFar && !warned) {
      warned = true;
      const lagSeconds = Math.round(lagMs() / 1000);
      log.warn('sessions and commands lag behind the record', { lagSeconds });
    }
    if (warned && reachedMs === null) {
      warned = false;
      log.info('sessions and commands are up with the record again');
    }
  };
  const turn = async (): Promise<void> => {
    const pauseMs = await step();
    tell();
    if (!closed) next(pauseMs);
  };
  const next = (delayMs: number): void => {
    cancel = schedule(delayMs, () => {
      running = turn();
    });
  };
  next(0);
  return {
    lagMs,
    close: async () => {
      closed = true;
      cancel();
      await running;
    },
  };
}
