import { describe, expect, test } from 'vitest';
import { constant, keptTextOf } from '../../src/base/constant.ts';
import { canonicalJson } from '../../src/record/canonical-json.ts';

describe('a constant', () => {
  test('cannot change any more, at any depth, so that what was written of it stays true', () => {
    const value = constant({ name: 'a', inner: { list: ['b'] } });
    expect(() => Object.assign(value, { name: 'c' })).toThrow(TypeError);
    expect(() => Object.assign(value.inner, { list: [] })).toThrow(TypeError);
    expect(() => value.inner.list.push('c')).toThrow(TypeError);
  });

  test('is written as an equal value that is none, by itself and inside another', () => {
    const plain = { user: { b: 'x'.repeat(50), a: [1, { z: null, y: true }] } };
    const kept = { user: constant(structuredClone(plain.user)) };
    for (const charsMax of [4096, 10, 4096]) {
      expect(canonicalJson(kept, charsMax)).toBe(canonicalJson(plain, charsMax));
      expect(canonicalJson(kept, charsMax)).toBe(canonicalJson(plain, charsMax));
    }
    expect(keptTextOf(kept.user)?.text).toBe(canonicalJson(plain.user, 4096));
    expect(keptTextOf(plain.user)).toBeUndefined();
  });
});
