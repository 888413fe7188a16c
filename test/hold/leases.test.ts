import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { Leases } from '../../src/hold/leases.ts';
import { approvalOf } from '../support/hold-fixtures.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const claim = { approval: approvalOf({ state: 'EXECUTING' }), fence: 3 };

function leasesOf(answers: readonly (boolean | 'down')[]) {
  const renewed: unknown[] = [];
  const leases = new Leases({
    renew: (...lease) => {
      const answer = answers[renewed.length] ?? true;
      renewed.push(lease);
      return answer === 'down' ? Promise.reject(new Error('down')) : Promise.resolve(answer);
    },
    leaseSeconds: 60,
    log: silentLog,
  });
  return { leases, renewed };
}

test('a lease is renewed three times in its length, under its fence, until it ends', async () => {
  const { leases, renewed } = leasesOf([]);
  leases.keep(claim);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(renewed).toEqual(Array.from({ length: 3 }, () => ['approval-1', 3, 60]));
  leases.end('approval-1');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(renewed).toHaveLength(3);
});

test('a lost lease is renewed no more, a query that failed is tried again', async () => {
  const { leases, renewed } = leasesOf(['down', true, false]);
  leases.keep(claim);
  await vi.advanceTimersByTimeAsync(200_000);
  expect(renewed).toHaveLength(3);
  leases.close();
});
