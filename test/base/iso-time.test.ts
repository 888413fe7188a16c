import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { isoTime } from '../../src/base/clock.ts';

describe('a time in RFC 3339', () => {
  test('is that of its own milliseconds, whatever was asked for before', () => {
    const ms = fc.integer({ min: 0, max: 4_102_444_800_000 });
    fc.assert(
      fc.property(fc.array(ms, { minLength: 1 }), (times) => {
        for (const one of [...times, ...times.slice(-1)]) {
          expect(isoTime(one)).toBe(new Date(one).toISOString());
        }
      }),
    );
  });
});
