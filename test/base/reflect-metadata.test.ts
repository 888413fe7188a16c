import { expect, test } from 'vitest';
import { defineReflectMetadata } from '../../src/base/reflect-metadata.ts';

test('metadata is kept per object and key, and read along the prototypes', () => {
  const reflect: Parameters<typeof defineReflectMetadata>[0] = {};
  defineReflectMetadata(reflect);
  const parent = {};
  const child = {};
  Object.setPrototypeOf(child, parent);
  reflect.metadata!('key', 1)(parent);
  reflect.defineMetadata!('own', 2, child);
  expect(reflect.getMetadata!('key', child)).toBe(1);
  expect(reflect.getOwnMetadata!('key', child)).toBeUndefined();
  expect(reflect.getOwnMetadata!('own', child)).toBe(2);
  expect(reflect.getMetadata!('own', parent)).toBeUndefined();
});

test("somebody else's definitions stay", () => {
  const theirs = (): unknown => 'theirs';
  const reflect: Parameters<typeof defineReflectMetadata>[0] = { getMetadata: theirs };
  defineReflectMetadata(reflect);
  expect(reflect.getMetadata).toBe(theirs);
  expect(reflect.defineMetadata).toBeUndefined();
});
