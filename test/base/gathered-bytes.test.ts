import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GatheredBytes } from '../../src/base/gathered-bytes.ts';

test('what fits under the bound is kept in order; a part that does not is left out whole', () => {
  const parts = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 20 });
  fc.assert(
    fc.property(parts, fc.integer({ min: 0, max: 10_000 }), (list, bytesMax) => {
      const gathered = new GatheredBytes(bytesMax);
      let kept = Buffer.alloc(0);
      for (const part of list) {
        const fits = kept.length + part.length <= bytesMax;
        expect(gathered.add(part)).toBe(fits);
        if (fits) kept = Buffer.concat([kept, part]);
      }
      expect(gathered.bytes().equals(kept)).toBe(true);
      expect(gathered.bytes().buffer.byteLength).toBeLessThanOrEqual(Math.max(bytesMax, 0));
      expect(gathered.take().equals(kept)).toBe(true);
      expect(gathered.take().length).toBe(0);
    }),
  );
});

test('a part is copied: neither is its chunk kept, nor does a later change show', () => {
  const chunk = Buffer.alloc(65_536, 'a');
  const gathered = new GatheredBytes(65_536);
  gathered.add(chunk.subarray(0, 1));
  chunk.fill('b');
  expect(gathered.bytes().toString()).toBe('a');
  expect(gathered.bytes().buffer.byteLength).toBe(1024);
});

test('what was taken belongs to the taker', () => {
  const gathered = new GatheredBytes(10);
  gathered.add(Buffer.from('first'));
  const taken = gathered.take();
  gathered.add(Buffer.from('other'));
  expect(taken.toString()).toBe('first');
  expect(gathered.bytes().toString()).toBe('other');
});
