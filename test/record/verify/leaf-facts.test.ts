import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { makeLeaf, sealEntry } from '../../../src/record/leaf.ts';
import { leafFacts } from '../../../src/record/verify/leaf-facts.ts';
import { someDecision } from '../../support/record-entries.ts';

test('are those of JSON.parse, whatever a caller put into a record', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom('","seq":9,"', '{"seq":9', '\\","seq":9', ',"stream":"x"', '}', ']', '\\'),
  );
  const claims = fc.dictionary(
    fc.oneof(text, fc.constantFrom('seq', 'stream', 'ts', 'v', 'kind', 'mono_ns')),
    fc.oneof(text, fc.integer(), fc.jsonValue({ maxDepth: 3 })),
  );
  fc.assert(
    fc.property(text, text, claims, fc.nat(), (message, name, given, seq) => {
      const entry = someDecision({ message }, { name }, { claims: given });
      const position = { stream: 's-1', seq, ts: '2026-11-20T12:00:00.000Z', monoNs: 17 };
      const leaf = makeLeaf(sealEntry(entry), position);
      const read: unknown = JSON.parse(leaf.text);
      expect(read).toMatchObject({ seq, stream: 's-1' });
      expect(leafFacts(Buffer.from(leaf.text))).toEqual({
        v: 1,
        kind: 'decision',
        ...position,
      });
    }),
    { numRuns: 500 },
  );
});

test.each([
  { name: 'nothing', line: '' },
  { name: 'no object', line: '[]' },
  {
    name: 'a member that stands twice',
    line: '{"kind":"a","mono_ns":1,"seq":1,"seq":2,"stream":"s","ts":"2026-11-20T12:00:00.000Z","v":1}',
  },
  {
    name: 'a missing member',
    line: '{"kind":"a","mono_ns":1,"seq":1,"ts":"2026-11-20T12:00:00.000Z","v":1}',
  },
  {
    name: 'a time in another form',
    line: '{"kind":"a","mono_ns":1,"seq":1,"stream":"s","ts":"2026-11-20","v":1}',
  },
  {
    name: 'a number that is none',
    line: '{"kind":"a","mono_ns":1,"seq":-1,"stream":"s","ts":"2026-11-20T12:00:00.000Z","v":1}',
  },
  { name: 'an open string', line: '{"kind":"a}' },
  { name: 'too many brackets', line: '{"kind":"a"]]}' },
])('are null for $name', ({ line }) => {
  expect(leafFacts(Buffer.from(line))).toBeNull();
});
