import { expect, test } from 'vitest';
import type { Schedule } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { startSessionProjector } from '../../src/gateway/session-projector.ts';

type Step = {
  readonly tookMs: number;
  readonly end: 'more' | 'drained' | 'busy' | Error;
  /** How old the last record of the step is. */
  readonly lagMs?: number;
};

/** Runs the given steps; answers the waits before each, and after the last, and how far behind it said it was after each. */
async function outcomeOf(steps: readonly Step[]) {
  let nowMs = 0;
  const told: string[] = [];
  const lags: number[] = [];
  const left = [...steps];
  const waited: number[] = [];
  const due: (() => void)[] = [];
  const schedule: Schedule = (delayMs, run) => {
    waited.push(delayMs);
    due.push(run);
    return () => void due.splice(0);
  };
  const projector = startSessionProjector({
    projection: {
      step: () => {
        const step = left.shift() ?? { tookMs: 0, end: 'drained' as const };
        nowMs += step.tookMs;
        if (step.end instanceof Error) return Promise.reject(step.end);
        if (step.end === 'busy') return Promise.resolve({ kind: 'busy' });
        const reachedMs = 10_000_000 + nowMs - (step.lagMs ?? 0);
        const drained = step.end === 'drained';
        return Promise.resolve({ kind: 'read', records: 1, drained, reachedMs });
      },
    },
    clock: { nowMs: () => 10_000_000 + nowMs, monotonicMs: () => nowMs },
    schedule,
    log: {
      ...silentLog,
      warn: (message) => void told.push(message),
      info: (message) => void told.push(message),
    },
  });
  while (left.length > 0) {
    due.shift()?.();
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    lags.push(projector.lagMs());
  }
  await projector.close();
  expect(due).toEqual([]);
  return { waits: waited, told, lags };
}

test('a backlog takes a fifth of the time, an old one half of it, an empty one is looked at each second', async () => {
  const { waits } = await outcomeOf([
    { tookMs: 50, end: 'more', lagMs: 5000 },
    { tookMs: 50, end: 'more', lagMs: 5001 },
    { tookMs: 1, end: 'more' },
    { tookMs: 1, end: 'drained' },
    { tookMs: 1, end: 'busy' },
  ]);
  expect(waits).toEqual([0, 200, 50, 20, 1000, 1000]);
});

test('how far it is behind can be seen, and is told once when it is a minute', async () => {
  const { told, lags } = await outcomeOf([
    { tookMs: 1, end: 'more', lagMs: 60_000 },
    { tookMs: 1, end: 'more', lagMs: 60_001 },
    { tookMs: 1, end: 'more', lagMs: 70_000 },
    { tookMs: 1, end: 'more', lagMs: 10 },
    { tookMs: 1, end: 'drained' },
  ]);
  expect(lags).toEqual([60_000, 60_001, 70_000, 10, 0]);
  expect(told).toEqual([
    'sessions and commands lag behind the record',
    'sessions and commands are up with the record again',
  ]);
});

test('a database that is down is asked again and complained of once, and the lag grows meanwhile', async () => {
  const broken = { tookMs: 1000, end: new Error('down') };
  const seen = await outcomeOf([broken, broken, { tookMs: 1, end: 'drained' }, broken]);
  const complaint = 'sessions and commands are not made';
  expect(seen).toEqual({
    waits: [0, 5000, 5000, 1000, 5000],
    told: [complaint, complaint],
    lags: [0, 1000, 0, 0],
  });
});
