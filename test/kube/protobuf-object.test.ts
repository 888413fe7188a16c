import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { protobufObject } from '../../src/kube/protobuf-object.ts';

const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

/** The bytes of a varint. */
function digits(value: bigint): number[] {
  const rest = BigInt.asUintN(64, value) >> 7n;
  const low = Number(BigInt.asUintN(7, value));
  return rest === 0n ? [low] : [low | 0x80, ...digits(rest)];
}

/** A length-delimited field. */
const bytes = (number: number, value: Buffer | string): Buffer => {
  const payload = Buffer.from(value);
  return Buffer.concat([
    Buffer.from([...digits(BigInt(number * 8 + 2)), ...digits(BigInt(payload.length))]),
    payload,
  ]);
};
const varint = (number: number, ...value: number[]): Buffer => Buffer.from([number * 8, ...value]);
const wide = (number: number, value: bigint): Buffer => varint(number, ...digits(value));
const nest = (outer: number, inner: number, value: Buffer | string): Buffer =>
  bytes(outer, bytes(inner, value));

const typeOnly = (kind: string, apiVersion: string): Buffer =>
  Buffer.concat([MAGIC, bytes(1, Buffer.concat([bytes(1, apiVersion), bytes(2, kind)]))]);

const envelope = (kind: string, apiVersion: string, ...fields: Buffer[]): Buffer =>
  Buffer.concat([
    typeOnly(kind, apiVersion),
    bytes(2, Buffer.concat(fields)),
    bytes(3, ''),
    bytes(4, ''),
  ]);

/** A CustomResourceDefinition with a version's schema. */
const crd = (schema: Buffer): Buffer =>
  envelope(
    'CustomResourceDefinition',
    'apiextensions.k8s.io/v1',
    bytes(2, bytes(7, bytes(4, bytes(1, schema)))),
  );

/** A schema that is `not` another one, and so on. */
const nested = (levels: number): Buffer =>
  levels === 0 ? Buffer.alloc(0) : bytes(28, nested(levels - 1));

const read = (message: Buffer): unknown => {
  const options = protobufObject(message);
  if (!options.ok) return options.error;
  return options.value === null ? null : JSON.parse(JSON.stringify(options.value));
};

/** What `kubectl drain --disable-eviction` (v1.35) sends, as its own proxy saw it: the field order is Go's. */
describe('what typed clients send as protobuf is read field by field', () => {
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
    {
      name: 'raw bytes that are another object in protobuf',
      message: envelope(
        'ControllerRevision',
        'apps/v1',
        nest(2, 1, envelope('ConfigMap', 'v1', bytes(1, bytes(1, 'a')))),
      ),
      options: {
        kind: 'ControllerRevision',
        apiVersion: 'apps/v1',
        metadata: {},
        data: { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'a' } },
        revision: 0,
      },
    },
    { name: 'another kind', message: envelope('Pod', 'v9', bytes(1, 'x')), options: null },
  ])('$name', ({ message, options }) => {
    expect(read(message)).toEqual(options);
  });
});

describe('what could be read in two ways, or not wholly, is refused', () => {
  const pod = (...fields: Buffer[]): Buffer => envelope('Pod', 'v1', ...fields);
  const meta = (...fields: Buffer[]): Buffer => pod(bytes(1, Buffer.concat(fields)));
  const entry = (...fields: Buffer[]): Buffer => meta(bytes(11, Buffer.concat(fields)));
  const quota = (text: string): Buffer =>
    envelope('ResourceQuota', 'v1', nest(2, 1, Buffer.concat([bytes(1, 'cpu'), nest(2, 1, text)])));
  const port = (...target: Buffer[]): Buffer =>
    envelope('Service', 'v1', nest(2, 1, bytes(4, Buffer.concat(target))));
  const created = (...time: Buffer[]): Buffer => meta(bytes(8, Buffer.concat(time)));

  test.each([
    { name: 'no magic number', message: Buffer.from('hello'), says: 'magic' },
    { name: 'nothing but the frame and a type', message: typeOnly('Pod', 'v1'), says: 'no object' },
    {
      name: 'an inner encoding',
      message: Buffer.concat([MAGIC, bytes(2, ''), bytes(3, 'gzip')]),
      says: 'another encoding',
    },
    {
      name: 'an inner content type',
      message: Buffer.concat([MAGIC, bytes(2, ''), bytes(4, 'application/json')]),
      says: 'another encoding',
    },
    {
      name: 'two objects in one envelope',
      message: Buffer.concat([pod(), bytes(2, '')]),
      says: 'twice',
    },
    {
      name: 'two types in one envelope',
      message: Buffer.concat([pod(), bytes(1, '')]),
      says: 'twice',
    },
    {
      name: 'an unknown field of the envelope',
      message: Buffer.concat([pod(), varint(5, 0)]),
      says: 'unknown fields',
    },
    {
      name: 'bytes after the envelope',
      message: Buffer.concat([pod(), Buffer.from([0])]),
      says: 'no field tag',
    },
    {
      name: 'a length past the end',
      message: Buffer.concat([MAGIC, Buffer.from([0x12, 0x7f])]),
      says: 'past the end',
    },
    { name: 'an unknown field', message: pod(varint(9, 1)), says: 'number 9' },
    {
      name: 'an unknown field of an embedded type',
      message: pod(bytes(2, bytes(1, nest(2, 99, '')))),
      says: 'number 99',
    },
    { name: 'a single field twice', message: meta(bytes(1, 'a'), bytes(1, 'b')), says: 'twice' },
    { name: 'a single message twice', message: pod(bytes(1, ''), bytes(1, '')), says: 'twice' },
    { name: 'a number that is cut short', message: meta(varint(7, 0x80)), says: 'cut short' },
    { name: 'a text that is a number', message: meta(varint(1, 1)), says: 'a text' },
    { name: 'a number that is a text', message: meta(bytes(7, 'x')), says: 'a number' },
    { name: 'a message that is a number', message: pod(varint(1, 1)), says: 'a message' },
    {
      name: 'a text that is not UTF-8',
      message: meta(bytes(1, Buffer.from([0xff]))),
      says: 'UTF-8',
    },
    { name: 'a group', message: meta(Buffer.from([0x0b, 0x0c])), says: 'wire type 3' },
    { name: 'a 32-bit field', message: meta(Buffer.from([0x0d, 0, 0, 0, 0])), says: 'wire type 5' },
    { name: 'the field number 0', message: meta(Buffer.from([0x00, 0])), says: 'no field tag' },
    { name: 'an overlong number', message: meta(varint(7, 0x81, 0x00)), says: 'overlong' },
    {
      name: 'an overlong tag',
      message: meta(Buffer.from([0xb8, 0x80, 0x00, 0])),
      says: 'overlong',
    },
    {
      name: 'a number of more than 64 bits',
      message: meta(varint(7, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2)),
      says: 'overlong',
    },
    {
      name: 'a boolean of 2',
      message: envelope('DeleteOptions', 'v1', varint(3, 2)),
      says: 'a boolean',
    },
    {
      name: 'a 32-bit number of 33 bits',
      message: envelope('Service', 'v1', nest(2, 1, varint(3, 0x80, 0x80, 0x80, 0x80, 0x10))),
      says: '32-bit',
    },
    {
      name: 'packed numbers',
      message: pod(bytes(2, bytes(14, bytes(4, Buffer.from([1, 2]))))),
      says: 'a number',
    },
    {
      name: 'a key twice in a map',
      message: meta(
        bytes(11, Buffer.concat([bytes(1, 'a'), bytes(2, 'b')])),
        bytes(11, Buffer.concat([bytes(1, 'a'), bytes(2, 'c')])),
      ),
      says: 'a key twice',
    },
    { name: 'a map entry without a key', message: entry(bytes(2, 'b')), says: 'map entry' },
    { name: 'a map entry without a value', message: entry(bytes(1, 'a')), says: 'map entry' },
    {
      name: 'a map entry with more',
      message: entry(bytes(1, 'a'), bytes(2, 'b'), bytes(3, 'c')),
      says: 'map entry',
    },
    {
      name: 'a map entry with its key twice',
      message: entry(bytes(1, 'a'), bytes(2, 'b'), bytes(1, 'c')),
      says: 'twice',
    },
    { name: 'a quantity that is none', message: quota('1 Gi'), says: 'a quantity' },
    {
      name: 'a port that is a number and a name',
      message: port(varint(1, 0), varint(2, 80), bytes(3, 'http')),
      says: 'both or neither',
    },
    { name: 'a port of a third kind', message: port(varint(1, 2)), says: 'both or neither' },
    { name: 'a time before year 1', message: created(wide(1, -62_135_596_801n)), says: 'range' },
    { name: 'a time after year 9999', message: created(wide(1, 253_402_300_800n)), says: 'range' },
    {
      name: 'a time that Go would cut',
      message: created(varint(1, 1), varint(2, 5)),
      says: 'kept',
    },
    {
      name: 'raw bytes that are no JSON',
      message: envelope('ControllerRevision', 'apps/v1', nest(2, 1, '{"a":1,"a":2}')),
      says: 'no JSON',
    },
    {
      name: 'raw JSON of 65 levels',
      message: envelope(
        'ControllerRevision',
        'apps/v1',
        nest(2, 1, '['.repeat(65) + ']'.repeat(65)),
      ),
      says: 'levels',
    },
    {
      name: 'a double that is not a number',
      message: crd(Buffer.from([9 * 8 + 1, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f])),
      says: 'a double',
    },
    { name: '70 schemas in schemas', message: crd(nested(70)), says: 'messages in messages' },
    {
      name: '15,000 empty Deployments, each of eight objects of zeros',
      message: envelope('DeploymentList', 'apps/v1', Buffer.alloc(30_000, bytes(2, ''))),
      says: 'too many fields',
    },
    {
      name: '100,001 fields',
      message: envelope('DeleteOptions', 'v1', Buffer.alloc(200_002, bytes(5, ''))),
      says: 'too many fields',
    },
  ])('$name', ({ message, says }) => {
    expect(read(message)).toContain(says);
  });

  test('arbitrary bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(typeof protobufObject(Buffer.concat([MAGIC, noise])).ok).toBe('boolean');
        expect(typeof protobufObject(pod(Buffer.from(noise.subarray(0, 120)))).ok).toBe('boolean');
      }),
      { numRuns: 2000 },
    );
  });
});
