import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  checkData,
  readDataSchema,
  surePath,
  valuesAt,
  type DataSchema,
} from '../../src/decide/json-schema.ts';

function schemaOf(node: unknown): DataSchema {
  const schema = readDataSchema(node);
  if (typeof schema === 'string') throw new Error(schema);
  return schema;
}

const owner = {
  type: 'object',
  additionalProperties: false,
  required: ['approvers'],
  properties: {
    approvers: { type: 'array', minItems: 1, items: { type: 'string', pattern: '^[a-z]+$' } },
    note: { type: 'string' },
  },
};
const map = {
  type: 'object',
  additionalProperties: false,
  required: ['namespaces'],
  properties: {
    namespaces: {
      type: 'object',
      propertyNames: { pattern: '^[a-z]+$' },
      additionalProperties: owner,
    },
  },
};
const schema = schemaOf(map);

describe('a schema is refused', () => {
  test.each([
    { name: 'that is no object', node: [] },
    { name: 'without type', node: {} },
    { name: 'with two types', node: { type: ['string', 'null'] } },
    { name: 'with a keyword that is not enforced', node: { type: 'string', format: 'date' } },
    { name: 'with anyOf', node: { anyOf: [{ type: 'string' }] } },
    { name: 'open to any key', node: { type: 'object', properties: {} } },
    {
      name: 'open to any key in so many words',
      node: { type: 'object', additionalProperties: true },
    },
    { name: 'of a list of anything', node: { type: 'array' } },
    {
      name: 'that demands an unknown key',
      node: { type: 'object', additionalProperties: false, required: ['a'] },
    },
    { name: 'with a broken pattern', node: { type: 'string', pattern: '(' } },
    { name: 'with a fault deep inside', node: { type: 'array', items: { type: 'object' } } },
  ])('$name', ({ node }) => {
    expect(typeof readDataSchema(node)).toBe('string');
  });
});

describe('data', () => {
  test.each([
    { name: 'fits', data: { namespaces: { shop: { approvers: ['a'] } } }, problems: [] },
    { name: 'is nothing', data: undefined, problems: [': is no mapping'] },
    { name: 'lacks a key', data: {}, problems: [': lacks namespaces'] },
    {
      name: 'has a mistyped key',
      data: { namespaces: {}, nmespaces: {} },
      problems: ['nmespaces: is an unknown key'],
    },
    {
      name: 'has a list that is too short',
      data: { namespaces: { shop: { approvers: [] } } },
      problems: ['namespaces.shop.approvers: has fewer than 1 items'],
    },
    {
      name: 'has a number for a text',
      data: { namespaces: { shop: { approvers: [1] } } },
      problems: ['namespaces.shop.approvers.0: is no string'],
    },
    {
      name: 'has a text of the wrong form',
      data: { namespaces: { shop: { approvers: ['A'] } } },
      problems: ['namespaces.shop.approvers.0: is "A", which does not match ^[a-z]+$'],
    },
    {
      name: 'has a key of the wrong form',
      data: { namespaces: { Shop: { approvers: ['a'] } } },
      problems: ['namespaces.Shop: does not match ^[a-z]+$'],
    },
  ])('$name', ({ data, problems }) => {
    expect(checkData(schema, data).map(({ path, what }) => `${path.join('.')}: ${what}`)).toEqual(
      problems,
    );
  });

  test.each([
    { node: { type: 'integer', minimum: 1, maximum: 3 }, good: [1, 3], bad: [0, 4, 1.5, '1'] },
    { node: { type: 'number' }, good: [1.5], bad: [true] },
    { node: { type: 'boolean' }, good: [true, false], bad: ['true', null] },
    { node: { type: 'string', enum: ['a'] }, good: ['a'], bad: ['b'] },
    { node: { type: 'string', minLength: 1 }, good: ['a'], bad: [''] },
  ])('$node.type', ({ node, good, bad }) => {
    const one = schemaOf(node);
    expect(good.flatMap((value) => checkData(one, value))).toEqual([]);
    for (const value of bad) expect(checkData(one, value)).toHaveLength(1);
  });

  test('of any shape gives problems, never a throw', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (data) => {
        expect(Array.isArray(checkData(schema, data))).toBe(true);
      }),
    );
  });
});

describe('a path is sure', () => {
  test.each([
    { path: ['namespaces'], bound: 0, sure: true },
    { path: ['namespaces', 'shop'], bound: 0, sure: false },
    { path: ['namespaces', '*', 'approvers'], bound: 2, sure: true },
    { path: ['namespaces', 'shop', 'approvers'], bound: Infinity, sure: true },
    { path: ['namespaces', '*', 'note'], bound: 2, sure: false },
    { path: ['namespaces', '*', 'aprovers'], bound: Infinity, sure: false },
    { path: ['namespaces', '*', 'approvers', '*'], bound: Infinity, sure: true },
    { path: ['namespaces', '*', 'approvers', 'x'], bound: Infinity, sure: false },
    { path: ['namespaces', '*', 'approvers', '0', 'x'], bound: Infinity, sure: false },
  ])('$path within $bound steps: $sure', ({ path, bound, sure }) => {
    expect(surePath(schema, path, bound) === null).toBe(sure);
  });
});

test('values are found below every key and item', () => {
  const data = { namespaces: { a: { approvers: ['x'] }, b: { approvers: ['y', 'z'] } } };
  expect(valuesAt(data, ['namespaces', '*', 'approvers', '*'])).toEqual([
    { path: ['namespaces', 'a', 'approvers', '0'], value: 'x' },
    { path: ['namespaces', 'b', 'approvers', '0'], value: 'y' },
    { path: ['namespaces', 'b', 'approvers', '1'], value: 'z' },
  ]);
});
