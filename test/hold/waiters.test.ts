import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Approval } from '../../src/hold/approval.ts';
import { Waiters } from '../../src/hold/waiters.ts';
import { approvalOf } from '../support/hold-fixtures.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Rows that a test changes, and the queries that were made of them. */
function world() {
  const states = new Map<string, Approval['state']>();
  const queries: string[] = [];
  const broken = { database: false };
  let hint: (id: string) => void = () => {};
  const answer = <T>(query: string, value: T): Promise<T> => {
    queries.push(query);
    return broken.database ? Promise.reject(new Error('down')) : Promise.resolve(value);
  };
  const waiters = new Waiters({
    read: (id) => answer(`read ${id}`, approvalOf({ id, state: states.get(id) ?? 'PENDING' })),
    pending: (ids) =>
      answer(
        `pending of ${ids.length}`,
        ids.filter((id) => (states.get(id) ?? 'PENDING') === 'PENDING'),
      ),
    onNotify: (listener) => {
      hint = listener;
      return () => {};
    },
    pollMs: 1000,
  });
  return { waiters, states, queries, broken, hint: (id: string) => hint(id) };
}

const patient = () => ({
  waitMs: 60_000,
  gone: new AbortController().signal,
  draining: new AbortController().signal,
});

describe('calls that wait', () => {
  test('share one query a second, however many they are', async () => {
    const { waiters, queries } = world();
    const ids = Array.from({ length: 50 }, (_, index) => `id-${index}`);
    const all = ids.map((id) => waiters.wait(id, patient()));
    await vi.advanceTimersByTimeAsync(10_000);
    expect(queries.filter((query) => query.startsWith('read'))).toHaveLength(50);
    expect(queries.filter((query) => query === 'pending of 50')).toHaveLength(10);
    waiters.close();
    await Promise.all(all);
  });

  test('are counted, also while they read their row', async () => {
    const { waiters } = world();
    const all = [waiters.wait('a', patient()), waiters.wait('a', patient())];
    expect(waiters.count).toBe(2);
    waiters.close();
    await Promise.all(all);
    expect(waiters.count).toBe(0);
  });

  test.each<{ name: string; hinted: string | null; withinMs: number }>([
    { name: 'at a hint', hinted: 'a', withinMs: 0 },
    { name: 'when hints may have been lost', hinted: '', withinMs: 0 },
    { name: 'without any hint, at the next look', hinted: null, withinMs: 1000 },
  ])('learn of a decision $name', async ({ hinted, withinMs }) => {
    const { waiters, states, hint } = world();
    const end = waiters.wait('a', patient());
    await vi.advanceTimersByTimeAsync(0);
    states.set('a', 'DENIED');
    if (hinted !== null) hint(hinted);
    await vi.advanceTimersByTimeAsync(withinMs);
    expect(await end).toMatchObject({ kind: 'decided', approval: { state: 'DENIED' } });
    waiters.close();
  });

  test('are not released by a hint alone', async () => {
    const { waiters, hint } = world();
    let ended = false;
    const end = waiters.wait('a', patient()).finally(() => (ended = true));
    await vi.advanceTimersByTimeAsync(0);
    hint('a');
    await vi.advanceTimersByTimeAsync(100);
    expect(ended).toBe(false);
    waiters.close();
    await end;
  });

  test('fail once the database is down: nothing is decided from memory', async () => {
    const { waiters, broken } = world();
    const end = waiters.wait('a', patient()).catch((cause: unknown) => cause);
    await vi.advanceTimersByTimeAsync(0);
    broken.database = true;
    await vi.advanceTimersByTimeAsync(1000);
    expect(await end).toEqual(new Error('down'));
    waiters.close();
  });

  test('end when their window is over, and ask nothing more', async () => {
    const { waiters, queries } = world();
    const end = waiters.wait('a', { ...patient(), waitMs: 2500 });
    await vi.advanceTimersByTimeAsync(2500);
    expect(await end).toMatchObject({ kind: 'window-over' });
    await vi.advanceTimersByTimeAsync(1000);
    const made = queries.length;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(queries).toHaveLength(made);
  });

  test('do not wait where their client left while the row was read', async () => {
    const { waiters } = world();
    const abort = new AbortController();
    const end = waiters.wait('a', { ...patient(), gone: abort.signal });
    abort.abort();
    await vi.advanceTimersByTimeAsync(0);
    expect(await end).toMatchObject({ kind: 'client-gone' });
  });
});
