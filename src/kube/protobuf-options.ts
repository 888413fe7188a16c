import { err, ok, type Result } from '../base/result.ts';
import { isJsonArray, isJsonObject, newRecord } from './json-guards.ts';
import type { JsonObject, JsonValue } from './request.ts';
import { protobufFields, protobufText, type ProtobufField } from './protobuf.ts';

/** apimachinery pkg/runtime/serializer/protobuf: the four bytes before every message. */
const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

/** How a field's value is read; null where it is not of its type. */
type Read = (field: ProtobufField) => Result<JsonValue, string>;

type Shape = Readonly<
  Record<number, { readonly name: string; readonly read: Read; readonly repeated?: true }>
>;

const text: Read = (field) => {
  const value = protobufText(field);
  return value === null ? err('a text that is none') : ok(value);
};

const integer: Read = (field) =>
  field.wire === 'varint'
    ? ok(Number(BigInt.asIntN(64, field.value)))
    : err('a number that is none');

const boolean: Read = (field) =>
  field.wire === 'varint' ? ok(field.value !== 0n) : err('a boolean that is none');

const message =
  (shape: Shape): Read =>
  (field) =>
    field.wire === 'bytes' ? decode(field.value, shape) : err('a message that is none');

/**
 * Reads a message by its shape. A field that the shape does not know, and a single one that stands twice, are errors:
 * what is forwarded is what was read, so nothing may be left out.
 */
function decode(bytes: Uint8Array, shape: Shape): Result<JsonObject, string> {
  const fields = protobufFields(bytes);
  if (!fields.ok) return fields;
  const object = newRecord<JsonValue>();
  for (const field of fields.value) {
    const known = shape[field.number];
    if (known === undefined) return err(`a field with number ${field.number}, which is not known`);
    const value = known.read(field);
    if (!value.ok) return value;
    const before = object[known.name];
    if (known.repeated === true) {
      object[known.name] = [...(isJsonArray(before) ? before : []), value.value];
    } else if (before === undefined) {
      object[known.name] = value.value;
    } else {
      return err(`the field ${known.name} twice`);
    }
  }
  return ok(object);
}

/** Field numbers of k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto, message DeleteOptions. */
const DELETE_OPTIONS: Shape = {
  1: { name: 'gracePeriodSeconds', read: integer },
  2: {
    name: 'preconditions',
    read: message({ 1: { name: 'uid', read: text }, 2: { name: 'resourceVersion', read: text } }),
  },
  3: { name: 'orphanDependents', read: boolean },
  4: { name: 'propagationPolicy', read: text },
  5: { name: 'dryRun', read: text, repeated: true },
  6: { name: 'ignoreStoreReadErrorWithClusterBreakingPotential', read: boolean },
};

/** The fields of ObjectMeta that a client sets on an eviction; any other makes it unreadable. */
const EVICTION_META: Shape = {
  1: { name: 'name', read: text },
  2: { name: 'generateName', read: text },
  3: { name: 'namespace', read: text },
  4: { name: 'selfLink', read: text },
  5: { name: 'uid', read: text },
  6: { name: 'resourceVersion', read: text },
  7: { name: 'generation', read: integer },
  // A zero creationTimestamp is an empty message, which Go's marshaller always writes.
  8: {
    name: 'creationTimestamp',
    read: (field) =>
      field.wire === 'bytes' && field.value.length === 0 ? ok(null) : err('a creationTimestamp'),
  },
};

/** Field numbers of k8s.io/api/policy/v1/generated.proto, message Eviction. */
const EVICTION: Shape = {
  1: { name: 'metadata', read: message(EVICTION_META) },
  2: { name: 'deleteOptions', read: message(DELETE_OPTIONS) },
};

const TYPE_META: Shape = { 1: { name: 'apiVersion', read: text }, 2: { name: 'kind', read: text } };

/** runtime.Unknown (apimachinery pkg/runtime/generated.proto): the envelope of every message. */
const UNKNOWN: Shape = {
  1: { name: 'typeMeta', read: message(TYPE_META) },
  2: {
    name: 'raw',
    read: (field) =>
      field.wire === 'bytes'
        ? ok(Buffer.from(field.value).toString('base64'))
        : err('no raw bytes'),
  },
  3: { name: 'contentEncoding', read: text },
  4: { name: 'contentType', read: text },
};

const SHAPES: Readonly<Record<string, Shape>> = {
  DeleteOptions: DELETE_OPTIONS,
  Eviction: EVICTION,
};

/**
 * Reads the two small protobuf bodies that kubectl's typed clients send to delete and to evict: DeleteOptions and
 * policy/v1 Eviction. Out comes the JSON object of the same meaning, which is what goes upstream. Null: another kind.
 */
export function protobufOptions(bytes: Uint8Array): Result<JsonObject | null, string> {
  if (!MAGIC.equals(bytes.subarray(0, MAGIC.length)))
    return err('the protobuf body has no magic number');
  const envelope = decode(bytes.subarray(MAGIC.length), UNKNOWN);
  if (!envelope.ok) return err(`the protobuf envelope has ${envelope.error}`);
  const { typeMeta, raw, contentEncoding = '', contentType = '' } = envelope.value;
  if (contentEncoding !== '' || contentType !== '')
    return err('the protobuf envelope holds another encoding');
  const { kind, apiVersion } = isJsonObject(typeMeta) ? typeMeta : newRecord<JsonValue>();
  const shape = typeof kind === 'string' ? SHAPES[kind] : undefined;
  if (shape === undefined || typeof kind !== 'string' || typeof apiVersion !== 'string')
    return ok(null);
  const object = decode(Buffer.from(typeof raw === 'string' ? raw : '', 'base64'), shape);
  if (!object.ok) return err(`the protobuf ${kind} has ${object.error}`);
  const metadata = object.value['metadata'];
  const cleaned = isJsonObject(metadata) ? { metadata: withoutEmpty(metadata) } : {};
  return ok({ kind, apiVersion, ...object.value, ...cleaned });
}

/** Go's marshaller writes every text, also the empty ones, which JSON leaves out. */
function withoutEmpty(object: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== '' && value !== null && value !== 0),
  );
}
