import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { textAt } from '../../src/kube/json-guards.ts';
import { parseJson, stringifyJson } from '../../src/kube/json.ts';
import { protobufObject } from '../../src/kube/protobuf-object.ts';
import { protobufSchema } from '../../src/kube/protobuf-schema.ts';
import { protobufFields } from '../../src/kube/protobuf.ts';
import type { JsonValue } from '../../src/kube/request.ts';
import { jsonLines, kindName } from '../support/json-lines.ts';

type Golden = {
  readonly name: string;
  readonly message: Buffer;
  readonly json: JsonValue;
  readonly empty: JsonValue;
};

/** What k8s.io/apimachinery wrote and read (test/cluster/protobuf-table): an object of every kind. */
const golden = jsonLines(new URL('protobuf-golden.jsonl', import.meta.url)).map((one): Golden => {
  const { json = null, empty = null } = one;
  const message = Buffer.from(textAt(one, 'message'), 'base64');
  return { name: kindName(one), message, json, empty };
});

/** The same kind with an empty message: each field then has Go's zero. */
const emptied = (message: Buffer): Buffer =>
  Buffer.concat([message.subarray(0, 4 + 2 + (message[5] ?? 0)), Buffer.from([0x12, 0])]);

const hasNoFields = (index: number): boolean =>
  protobufSchema().messages[index]?.fields.length === 0;

/** Numbers of the fields that occur in a message, with all that is in it, as `message.field`. */
function occurring(bytes: Uint8Array, index: number, seen: Set<string>): void {
  const type = protobufSchema().messages[index];
  for (const field of protobufFields(bytes, { left: Infinity })) {
    const of = type?.byNumber.get(field.number);
    if (of === undefined) continue;
    const isEmpty = field.wire === 'bytes' && field.value.length === 0;
    if (isEmpty && !('message' in of.of && hasNoFields(of.of.message))) continue;
    seen.add(`${index}.${field.number}`);
    if (!('message' in of.of) || field.wire !== 'bytes') continue;
    const value = of.cardinality === '%' ? protobufFields(field.value, { left: 9 })[1] : field;
    if (value?.wire === 'bytes') occurring(value.value, of.of.message, seen);
  }
}

describe('every built-in kind is read as the API server reads it', () => {
  test.each(golden)('$name', ({ message, json, empty }) => {
    expect(protobufObject(message)).toStrictEqual({ ok: true, value: json });
    expect(protobufObject(emptied(message))).toStrictEqual({ ok: true, value: empty });
  });

  test('every field of every message in the table is proved by a vector', () => {
    const { messages, messageOf } = protobufSchema();
    const seen = new Set<string>();
    for (const { name, message } of golden) {
      const [apiVersion = '', kind = ''] = name.split(' ');
      const raw = protobufFields(message.subarray(4), { left: 9 })[1];
      if (raw?.wire === 'bytes') occurring(raw.value, messageOf(apiVersion, kind) ?? -1, seen);
    }
    const all = messages.flatMap(({ fields }, index) =>
      fields.map(({ number }) => `${index}.${number}`),
    );
    expect(all.length).toBeGreaterThan(2500);
    expect(all.filter((field) => !seen.has(field))).toEqual([]);
  });
});

/** Small vectors, so that each byte of them can be tried. */
const small = golden.filter(({ message }) => message.length < 300).slice(0, 150);

describe('a damaged message is refused or read, and never throws', () => {
  test('no object can be cut short unseen', () => {
    expect(small.length).toBeGreaterThan(100);
    for (const { name, message } of small) {
      const taken: number[] = [];
      for (let length = 0; length < message.length; length += 1) {
        const read = protobufObject(message.subarray(0, length));
        if (read.ok && read.value !== null) taken.push(length);
      }
      // Only the empty contentEncoding and contentType at the end may be missing: there the object is whole.
      expect({ name, taken }).toEqual({ name, taken: [message.length - 4, message.length - 2] });
    }
  });

  test('random changes', () => {
    const change = fc.record({
      vector: fc.nat(golden.length - 1),
      at: fc.nat(5000),
      replaced: fc.nat(3),
      by: fc.uint8Array({ maxLength: 4 }),
    });
    let taken = 0;
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 1 }), ([one]) => {
        if (one === undefined) return;
        const { message } = golden[one.vector] ?? { message: Buffer.alloc(0) };
        const at = one.at % message.length;
        const read = protobufObject(
          Buffer.concat([
            message.subarray(0, at),
            one.by,
            message.subarray(Math.min(at + one.replaced, message.length)),
          ]),
        );
        if (!read.ok || read.value === null) return;
        taken += 1;
        // What is taken is JSON, and the strict parser takes it: no key twice, no lone surrogate.
        const text = Buffer.from(stringifyJson(read.value));
        expect(parseJson(text)).toStrictEqual({ ok: true, value: read.value });
      }),
      { numRuns: 2000 },
    );
    expect(taken).toBeGreaterThan(100);
  });
});
