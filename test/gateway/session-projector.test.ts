import { expect, test } from 'vitest';
import type { Schedule } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { startSessionProjector } from '../../src/gateway/session-projector.ts';

type Step = { readonly tookMs: number; readonly end: 'more' | 'drained' | 'busy' | Error };

/** Runs the given steps; answers the waits before each, and after the last. */
async function waits(steps: readonly Step[]): Promise<{ waits: number[]; warnings: number }> {
  let nowMs = 0;
  let warnings = 0;
  const left = [...steps];
  const waited: number[] = [];
  const due: (() => void)[] = [];
  const schedule: Schedule = (delayMs, run) => {
    waited.push(delayMs);
    due.push(run);
    return () => void due.splice(0);
  };
  const close = startSessionProjector({
    projection: {
      step: () => {
        const step = left.shift() ?? { tookMs: 0, end: 'drained' as const };
        nowMs += step.tookMs;
        if (step.end instanceof Error) return Promise.reject(step.end);
        if (step.end === 'busy') return Promise.resolve({ kind: 'busy' });
        return Promise.resolve({ kind: 'read', records: 1, drained: step.end === 'drained' });
      },
    },
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    schedule,
    log: { ...silentLog, warn: () => void (warnings += 1) },
  });
  while (left.length > 0) {
    due.shift()?.();
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
  }
  await close();
  expect(due).toEqual([]);
  return { waits: waited, warnings };
}

test('a backlog takes a fifth of the time, an empty one is looked at each second', async () => {
  const { waits: seen } = await waits([
    { tookMs: 50, end: 'more' },
    { tookMs: 1, end: 'more' },
    { tookMs: 1, end: 'drained' },
    { tookMs: 1, end: 'busy' },
  ]);
  expect(seen).toEqual([0, 200, 20, 1000, 1000]);
});

test('a database that is down is asked again, and complained of once', async () => {
  const broken = { tookMs: 1, end: new Error('down') };
  const seen = await waits([broken, broken, { tookMs: 1, end: 'drained' }, broken]);
  expect(seen).toEqual({ waits: [0, 5000, 5000, 1000, 5000], warnings: 2 });
});
