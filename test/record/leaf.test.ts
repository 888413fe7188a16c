import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from '../../src/record/canonical-json.ts';
import { leafHash, makeLeaf, sealEntry } from '../../src/record/leaf.ts';
import { someDecision, someOutcome } from '../support/record-entries.ts';

const position = { stream: 's1', seq: 3, ts: '2026-11-20T12:00:00.000Z', monoNs: 17 };

describe('canonical JSON', () => {
  test('any JSON value reads back as itself', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const text = canonicalJson(value, 1_000_000);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('the order in which keys were written does not change a byte', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (object) => {
        const turned = Object.fromEntries(Object.entries(object).toReversed());
        expect(canonicalJson(turned, 100)).toBe(canonicalJson(object, 100));
      }),
    );
  });

  test.each([
    {
      name: 'keys sort by UTF-16 units',
      value: { '\u20ac': 1, '\ud83d\ude00': 2, b: 3 },
      text: '{"b":3,"€":1,"😀":2}',
    },
    { name: 'undefined members are left out', value: { a: undefined, b: 1 }, text: '{"b":1}' },
    { name: 'bigints keep every digit', value: [9007199254740993n], text: '[9007199254740993]' },
    {
      name: 'what JSON has no number for is null',
      value: [Number.NaN, Infinity],
      text: '[null,null]',
    },
    { name: 'a zero has no sign', value: [-0], text: '[0]' },
    { name: 'quotes and backslashes are escaped', value: '"\\', text: String.raw`"\"\\"` },
    {
      name: 'what JSON does not escape stands as it is',
      value: '\u007f\u2028é',
      text: '"\u007f\u2028é"',
    },
    {
      name: 'a key is cut as a text is',
      value: { abcdefghijklmno: 1 },
      text: '{"abcdefghij…(+5)":1}',
    },
    {
      name: 'a key may be called __proto__',
      value: Object.fromEntries([
        ['__proto__', 1],
        ['A', 2],
      ]),
      text: '{"A":2,"__proto__":1}',
    },
    { name: 'a NUL is escaped', value: '\0', text: '"\\u0000"' },
    { name: 'half a surrogate pair is escaped', value: '\ud800', text: '"\\ud800"' },
    { name: 'a long text is cut with a mark', value: 'abcdefghijklmno', text: '"abcdefghij…(+5)"' },
  ])('$name', ({ value, text }) => {
    expect(canonicalJson(value, 10)).toBe(text);
  });
});

test('canonical JSON is the same however many shapes of objects came before', () => {
  const object = { b: 1, a: { d: 1, c: 2 } };
  for (let count = 0; count < 1000; count += 1) {
    const text = canonicalJson({ b: 1, [`x${count}`]: 2, [`${count}`]: object }, 4096);
    expect(text).toBe(`{"${count}":{"a":{"c":2,"d":1},"b":1},"b":1,"x${count}":2}`);
    canonicalJson({ [`y${count}`]: 1 }, 4096);
  }
});

describe('a leaf', () => {
  test.each([
    {
      name: 'a decision',
      entry: someDecision(),
      hash: 'c08a43dbd11d8b32b66ee0a45f740a02b4ea41b71f86682da96819e517d85049',
    },
    {
      name: 'an outcome',
      entry: someOutcome(),
      hash: '6ab0cccd5660be32695a72f383980e2b60114497b5a76645788940e6a6a18c0b',
    },
  ])('has the bytes that leaves of version 1 always had: $name', ({ entry, hash }) => {
    expect(makeLeaf(sealEntry(entry), position).hash.toString('hex')).toBe(hash);
  });

  test('is one line that holds the entry and its place', () => {
    const leaf = makeLeaf(sealEntry(someDecision()), position);
    expect(leaf.text).not.toContain('\n');
    expect(JSON.parse(leaf.text)).toEqual({
      ...someDecision(),
      v: 1,
      stream: 's1',
      seq: 3,
      ts: '2026-11-20T12:00:00.000Z',
      mono_ns: 17,
    });
  });

  test('has the RFC 6962 hash of its bytes', () => {
    const leaf = makeLeaf(sealEntry(someDecision()), position);
    const expected = createHash('sha256').update('\0').update(leaf.text).digest();
    expect(leaf.hash).toEqual(expected);
    // RFC 6962 test vector of the empty leaf (certificate-transparency's own).
    expect(leafHash(Buffer.alloc(0)).toString('hex')).toBe(
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    );
  });

  test('does not change when its caller changes the entry after the append', () => {
    const because = [{ rule: 'a', id: 'b', reason: 'first' }];
    const sealed = sealEntry(someDecision({ because }));
    because.push({ rule: 'c', id: 'd', reason: 'later' });
    expect(makeLeaf(sealed, position).text).not.toContain('later');
  });

  test('is not longer than its sealed entry said, so that batches keep their bound', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(), (message, seq) => {
        const sealed = sealEntry(someDecision({ message }));
        const stream = '00000000-0000-4000-8000-000000000000';
        const leaf = makeLeaf(sealed, { ...position, stream, seq });
        expect(leaf.text.length).toBeLessThanOrEqual(sealed.charsLength);
      }),
    );
  });

  test('does not grow with a text of its caller beyond a bound', () => {
    const leaf = makeLeaf(sealEntry(someDecision({ message: 'x'.repeat(1_000_000) })), position);
    expect(leaf.text.length).toBeLessThan(10_000);
  });
});
