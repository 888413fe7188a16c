import { expect, test } from 'vitest';
import { whenAborted } from '../../src/base/when-aborted.ts';

test('acts once when the signal aborts, and at once where it has', () => {
  const controller = new AbortController();
  const acted: string[] = [];
  whenAborted(controller.signal, () => acted.push('listening'));
  expect(acted).toEqual([]);
  controller.abort();
  whenAborted(controller.signal, () => acted.push('late'));
  expect(acted).toEqual(['listening', 'late']);
});
