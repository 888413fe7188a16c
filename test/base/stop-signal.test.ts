import { expect, test } from 'vitest';
import { StopSwitch, type StopSignal } from '../../src/base/stop-signal.ts';

/** What both do, so that one may stand for the other. */
const kinds: readonly {
  readonly name: string;
  readonly make: () => { readonly signal: StopSignal; readonly abort: () => void };
}[] = [
  {
    name: 'a StopSwitch',
    make: () => {
      const made = new StopSwitch();
      return { signal: made, abort: () => made.abort() };
    },
  },
  {
    name: 'an AbortController',
    make: () => {
      const made = new AbortController();
      return { signal: made.signal, abort: () => made.abort() };
    },
  },
];

test.each(kinds)('$name tells each listener once, in their order', ({ make }) => {
  const { signal, abort } = make();
  const told: string[] = [];
  const first = (): void => void told.push(`first, aborted: ${signal.aborted}`);
  const removed = (): void => void told.push('removed');
  signal.addEventListener('abort', first, { once: true });
  signal.addEventListener('abort', first, { once: true });
  signal.addEventListener('abort', removed, { once: true });
  signal.addEventListener('abort', () => told.push('second'), { once: true });
  signal.removeEventListener('abort', removed);
  expect(signal.aborted).toBe(false);
  abort();
  abort();
  expect(told).toEqual(['first, aborted: true', 'second']);
  expect(signal.aborted).toBe(true);
});

test.each(kinds)('$name tells nobody who comes after the abort', ({ make }) => {
  const { signal, abort } = make();
  abort();
  let told = false;
  signal.addEventListener('abort', () => {
    told = true;
  });
  abort();
  expect(told).toBe(false);
});

test.each(kinds)('$name does not tell a listener that an earlier one removed', ({ make }) => {
  const { signal, abort } = make();
  let told = false;
  const second = (): void => {
    told = true;
  };
  signal.addEventListener('abort', () => signal.removeEventListener('abort', second));
  signal.addEventListener('abort', second);
  abort();
  expect(told).toBe(false);
});
