import type { Clock, Schedule } from '../base/clock.ts';
import { errorText, type Log } from '../base/log.ts';
import type { SessionProjection } from '../store/index.ts';

/** How long to wait before the next look at the records. Milliseconds. */
const idleMs = 1000;
const failedMs = 5000;
const pauseMsMin = 20;

/** A backlog is worked off in a fifth of the time: the rest belongs to requests. */
const pauseShare = 4;

/**
 * Keeps sessions and commands up with the records, beside the serving of requests and never in its way: nobody waits for it,
 * and what it cannot do is tried again. What a process left behind is caught up by the next one. Returns its end, which
 * resolves when a step that is under way is over.
 */
export function startSessionProjector(options: {
  readonly projection: Pick<SessionProjection, 'step'>;
  readonly clock: Clock;
  readonly schedule: Schedule;
  readonly log: Log;
}): () => Promise<void> {
  const { projection, clock, schedule, log } = options;
  let closed = false;
  let failing = false;
  let running: Promise<void> = Promise.resolve();
  let cancel: () => void = () => {};

  const step = async (): Promise<number> => {
    const beganMs = clock.monotonicMs();
    try {
      const end = await projection.step();
      failing = false;
      if (end.kind === 'busy' || end.drained) return idleMs;
      return Math.max(pauseMsMin, (clock.monotonicMs() - beganMs) * pauseShare);
    } catch (cause) {
      // Once: the record itself says at every turn that the database is down.
      if (!failing) log.warn('sessions and commands lag behind', { cause: errorText(cause) });
      failing = true;
      return failedMs;
    }
  };
  const turn = async (): Promise<void> => {
    const pauseMs = await step();
    if (!closed) next(pauseMs);
  };
  const next = (delayMs: number): void => {
    cancel = schedule(delayMs, () => {
      running = turn();
    });
  };
  next(0);
  return async () => {
    closed = true;
    cancel();
    await running;
  };
}
