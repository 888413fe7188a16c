import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { protobufOptions } from '../../src/kube/protobuf-options.ts';

const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

/** A length-delimited field. */
const bytes = (number: number, value: Buffer | string): Buffer => {
  const payload = Buffer.from(value);
  return Buffer.concat([Buffer.from([number * 8 + 2, payload.length]), payload]);
};
const varint = (number: number, ...value: number[]): Buffer => Buffer.from([number * 8, ...value]);

const envelope = (kind: string, apiVersion: string, ...fields: Buffer[]): Buffer =>
  Buffer.concat([
    MAGIC,
    bytes(1, Buffer.concat([bytes(1, apiVersion), bytes(2, kind)])),
    bytes(2, Buffer.concat(fields)),
    bytes(3, ''),
    bytes(4, ''),
  ]);

const read = (message: Buffer): unknown => {
  const options = protobufOptions(message);
  if (!options.ok) return options.error;
  return options.value === null ? null : JSON.parse(JSON.stringify(options.value));
};

/** What `kubectl drain --disable-eviction` (v1.35) sends, as its own proxy saw it: the field order is Go's. */
describe('options that typed clients send as protobuf are read field by field', () => {
  test.each([
    {
      name: 'nothing',
      message: envelope('DeleteOptions', 'policy/v1'),
      options: { kind: 'DeleteOptions', apiVersion: 'policy/v1' },
    },
    {
      name: 'a grace period, preconditions and a dry run',
      message: envelope(
        'DeleteOptions',
        'v1',
        varint(1, 30),
        bytes(2, Buffer.concat([bytes(1, 'u-1'), bytes(2, '7')])),
        bytes(4, 'Foreground'),
        bytes(5, 'All'),
      ),
      options: {
        kind: 'DeleteOptions',
        apiVersion: 'v1',
        gracePeriodSeconds: 30,
        preconditions: { uid: 'u-1', resourceVersion: '7' },
        propagationPolicy: 'Foreground',
        dryRun: ['All'],
      },
    },
    {
      name: 'a negative grace period',
      message: envelope(
        'DeleteOptions',
        'v1',
        varint(1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
      ),
      options: { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: -1 },
    },
    {
      name: 'an eviction',
      message: envelope(
        'Eviction',
        'policy/v1',
        bytes(1, Buffer.concat([bytes(1, 'web'), bytes(2, ''), bytes(3, 'shop'), bytes(8, '')])),
        bytes(2, varint(1, 5)),
      ),
      options: {
        kind: 'Eviction',
        apiVersion: 'policy/v1',
        metadata: { name: 'web', namespace: 'shop' },
        deleteOptions: { gracePeriodSeconds: 5 },
      },
    },
    { name: 'another kind', message: envelope('Pod', 'v1', bytes(1, 'x')), options: null },
  ])('$name', ({ message, options }) => {
    expect(read(message)).toEqual(options);
  });
});

describe('what could be read in two ways, or not wholly, is refused', () => {
  test.each([
    { name: 'no magic number', message: Buffer.from('hello'), says: 'magic' },
    {
      name: 'an unknown field',
      message: envelope('DeleteOptions', 'v1', varint(9, 1)),
      says: 'number 9',
    },
    {
      name: 'a field twice',
      message: envelope('DeleteOptions', 'v1', varint(1, 1), varint(1, 2)),
      says: 'twice',
    },
    {
      name: 'a text that is a number',
      message: envelope('DeleteOptions', 'v1', varint(4, 1)),
      says: 'a text',
    },
    {
      name: 'an inner encoding',
      message: Buffer.concat([MAGIC, bytes(2, ''), bytes(3, 'gzip')]),
      says: 'another encoding',
    },
    {
      name: 'a length past the end',
      message: Buffer.concat([MAGIC, Buffer.from([0x12, 0x7f])]),
      says: 'past the end',
    },
  ])('$name', ({ message, says }) => {
    expect(read(message)).toContain(says);
  });

  test('arbitrary bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(typeof protobufOptions(Buffer.concat([MAGIC, noise])).ok).toBe('boolean');
      }),
      { numRuns: 2000 },
    );
  });
});
