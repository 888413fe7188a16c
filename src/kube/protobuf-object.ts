import { err, ok, type Result } from '../base/result.ts';
import { newRecord } from './json-guards.ts';
import { bytesOf, jsonOfForm, rawJson } from './protobuf-forms.ts';
import {
  protobufSchema,
  type ProtobufFieldType,
  type ProtobufMessageType,
  type ProtobufScalar,
} from './protobuf-schema.ts';
import {
  protobufFields,
  ProtobufFault,
  protobufText,
  spend,
  type FieldBudget,
  type ProtobufField,
} from './protobuf.ts';
import type { JsonObject, JsonValue } from './request.ts';

/** apimachinery pkg/runtime/serializer/protobuf: the four bytes before every message. */
const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);
const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/** Messages in messages: the JSON of a custom resource's deepest schema has about 40. */
const messageDepthMax = 64;
/** Fields of a body and the messages made of them, all together. */
const fieldsMax = 100_000;

const NOTHING = new Uint8Array();

/** A kind that the table does not have: the body stays opaque, and no fault is found in it. */
class UnknownKind extends Error {}

/**
 * Reads a Kubernetes protobuf body (apimachinery `runtime.Unknown` in its frame) of a built-in kind. Out comes the JSON
 * object that the API server's own JSON writer would make of it, field by field, with what Go writes for absent fields.
 * Null: the kind is not in the table. The error says what is in the way: what is unknown, stands twice, is cut short or
 * would be read in two ways is never guessed at.
 */
export function protobufObject(bytes: Uint8Array): Result<JsonObject | null, string> {
  try {
    return ok(envelope(bytes, { left: fieldsMax }, 0));
  } catch (cause) {
    if (cause instanceof UnknownKind) return ok(null);
    if (cause instanceof ProtobufFault) return err(`the protobuf body has ${cause.message}`);
    throw cause;
  }
}

const isFramed = (bytes: Uint8Array): boolean => MAGIC.equals(bytes.subarray(0, MAGIC.length));

/** The fields of a message by their numbers, none twice. */
function singly(bytes: Uint8Array, budget: FieldBudget): Map<number, ProtobufField> {
  const fields = new Map<number, ProtobufField>();
  for (const field of protobufFields(bytes, budget)) {
    if (fields.has(field.number)) throw new ProtobufFault(`the field ${field.number} twice`);
    fields.set(field.number, field);
  }
  return fields;
}

const textOf = (field: ProtobufField | undefined): string =>
  field === undefined ? '' : protobufText(field);

function bytesOfField(field: ProtobufField | undefined): Uint8Array {
  if (field === undefined) return NOTHING;
  if (field.wire !== 'bytes') throw new ProtobufFault('a message that is none');
  return field.value;
}

/** runtime.Unknown (apimachinery pkg/runtime/generated.proto): typeMeta 1, raw 2, contentEncoding 3, contentType 4. */
function envelope(bytes: Uint8Array, budget: FieldBudget, depth: number): JsonObject {
  if (!isFramed(bytes)) throw new ProtobufFault('no magic number');
  const unknown = singly(bytes.subarray(MAGIC.length), budget);
  if ([...unknown.keys()].some((number) => number > 4))
    throw new ProtobufFault('an envelope with unknown fields');
  const contentType = textOf(unknown.get(4));
  if (textOf(unknown.get(3)) !== '' || (contentType !== '' && contentType !== PROTOBUF))
    throw new ProtobufFault('another encoding inside');
  if (!unknown.has(2)) throw new ProtobufFault('no object in it');
  const meta = singly(bytesOfField(unknown.get(1)), budget);
  if ([...meta.keys()].some((number) => number > 2))
    throw new ProtobufFault('a type with unknown fields');
  const apiVersion = textOf(meta.get(1));
  const kind = textOf(meta.get(2));
  const index = protobufSchema().messageOf(apiVersion, kind);
  if (index === undefined) throw new UnknownKind(kind);
  const object = newRecord<JsonValue>();
  object['kind'] = kind;
  object['apiVersion'] = apiVersion;
  new Reader(budget).fill(object, bytesOfField(unknown.get(2)), messageAt(index), depth + 1);
  return object;
}

function messageAt(index: number): ProtobufMessageType {
  const message = protobufSchema().messages[index];
  if (message === undefined) throw new RangeError(`the table has no message ${index}`);
  return message;
}

/** What Go has where a field is absent. */
const ZERO: Readonly<Record<ProtobufScalar, JsonValue>> = {
  s: '',
  b: false,
  i: 0,
  l: 0,
  d: 0,
  y: null,
};

class Reader {
  readonly #budget: FieldBudget;

  constructor(budget: FieldBudget) {
    this.#budget = budget;
  }

  /** Reads a message and puts its fields into `object`, in the order of the table. */
  fill(
    object: Record<string, JsonValue>,
    bytes: Uint8Array,
    message: ProtobufMessageType,
    depth: number,
  ): void {
    if (depth > messageDepthMax) throw new ProtobufFault('too many messages in messages');
    // Absent messages count too: two bytes of an empty Deployment are eight objects of zeros.
    spend(this.#budget);
    const found = new Map<number, ProtobufField[]>();
    for (const field of protobufFields(bytes, this.#budget)) {
      const known = message.byNumber.get(field.number);
      if (known === undefined)
        throw new ProtobufFault(`a field with number ${field.number}, which is not known`);
      const before = found.get(field.number);
      if (before === undefined) found.set(field.number, [field]);
      else if (known.cardinality === '*' || known.cardinality === '%') before.push(field);
      else throw new ProtobufFault(`the field ${known.name} twice`);
    }
    for (const type of message.fields) this.#put(object, type, found.get(type.number) ?? [], depth);
  }

  #put(
    object: Record<string, JsonValue>,
    type: ProtobufFieldType,
    fields: readonly ProtobufField[],
    depth: number,
  ): void {
    const [first] = fields;
    if (type.cardinality === '>') {
      if ('message' in type.of)
        this.fill(object, bytesOfField(first), messageAt(type.of.message), depth + 1);
      return;
    }
    const value = this.#fieldValue(type, fields, depth);
    if (type.omits === 'zero' && value === null) return;
    if (type.omits === 'empty' && this.#isEmpty(type, value, first !== undefined)) return;
    object[type.name] = value;
  }

  #fieldValue(type: ProtobufFieldType, fields: readonly ProtobufField[], depth: number): JsonValue {
    const [first] = fields;
    if (type.cardinality === '.')
      return first === undefined ? this.#zero(type.of, depth) : this.#value(type.of, first, depth);
    if (first === undefined) return null;
    if (type.cardinality === '%') return this.#map(type.of, fields, depth);
    if (type.cardinality === '*') return fields.map((field) => this.#value(type.of, field, depth));
    return this.#value(type.of, first, depth);
  }

  /** encoding/json's `omitempty`: false, 0, "", a nil pointer, an empty list or map; never a struct, whatever is in it. */
  #isEmpty(type: ProtobufFieldType, value: JsonValue, isThere: boolean): boolean {
    if (type.cardinality !== '.') return !isThere;
    if ('scalar' in type.of)
      return value === null || value === '' || value === 0 || value === false;
    const { form } = messageAt(type.of.message);
    return form === 'list' && (value === null || (Array.isArray(value) && value.length === 0));
  }

  #zero(of: ProtobufFieldType['of'], depth: number): JsonValue {
    if ('scalar' in of) return ZERO[of.scalar];
    const message = messageAt(of.message);
    return message.form === 'list' ? null : this.#message(NOTHING, message, depth + 1);
  }

  #value(of: ProtobufFieldType['of'], field: ProtobufField, depth: number): JsonValue {
    return 'scalar' in of
      ? scalar(of.scalar, field)
      : this.#message(bytesOfField(field), messageAt(of.message), depth + 1);
  }

  #message(bytes: Uint8Array, message: ProtobufMessageType, depth: number): JsonValue {
    const object = newRecord<JsonValue>();
    this.fill(object, bytes, message, depth);
    if (message.form === null) return object;
    if (message.form !== 'raw-extension') return jsonOfForm(message.form, object);
    if (object['raw'] === null) return null;
    const raw = bytesOf(object['raw']);
    return isFramed(raw) ? envelope(raw, this.#budget, depth) : rawJson(raw);
  }

  /** Each entry is a message of a key (1) and a value (2). Go always writes both, but for a nil list of bytes. */
  #map(of: ProtobufFieldType['of'], entries: readonly ProtobufField[], depth: number): JsonValue {
    const map = newRecord<JsonValue>();
    for (const entry of entries) {
      const pair = singly(bytesOfField(entry), this.#budget);
      const keyField = pair.get(1);
      const valueField = pair.get(2);
      const isWhole = valueField !== undefined || ('scalar' in of && of.scalar === 'y');
      if (keyField === undefined || !isWhole || pair.size > (valueField === undefined ? 1 : 2))
        throw new ProtobufFault('a map entry that is not a key and a value');
      const key = protobufText(keyField);
      if (key in map) throw new ProtobufFault('a key twice in a map');
      map[key] = valueField === undefined ? '' : this.#value(of, valueField, depth);
    }
    return map;
  }
}

const INT32_MAX = 2 ** 31 - 1;

/** A signed number, which protobuf writes as the 64 bits of its two's complement, also where it has 32. */
function integer(value: number | bigint): number | bigint {
  if (typeof value === 'number') return value;
  const signed = BigInt.asIntN(64, value);
  const exact = Number(signed);
  return Number.isSafeInteger(exact) ? exact : signed;
}

/** The JSON parser makes a bigint of digits that a double cannot hold, and so it must be here. */
function double(value: number): number | bigint {
  if (!Number.isFinite(value)) throw new ProtobufFault('a double that JSON cannot hold');
  const digits = String(value);
  return Number.isSafeInteger(value) || !/^-?[0-9]+$/.test(digits) ? value : BigInt(digits);
}

function scalar(type: ProtobufScalar, field: ProtobufField): JsonValue {
  switch (type) {
    case 's':
      return protobufText(field);
    case 'y':
      return Buffer.from(bytesOfField(field)).toString('base64');
    case 'd': {
      if (field.wire !== 'fixed64') throw new ProtobufFault('a double that is none');
      const { buffer, byteOffset } = field.value;
      return double(new DataView(buffer, byteOffset, 8).getFloat64(0, true));
    }
    case 'b':
      if (field.wire !== 'varint' || (field.value !== 0 && field.value !== 1))
        throw new ProtobufFault('a boolean that is none');
      return field.value === 1;
    case 'i':
    case 'l': {
      if (field.wire !== 'varint') throw new ProtobufFault('a number that is none');
      const value = integer(field.value);
      if (
        type === 'i' &&
        (typeof value === 'bigint' || value > INT32_MAX || value < -INT32_MAX - 1)
      )
        throw new ProtobufFault('a 32-bit number that is too large');
      return value;
    }
  }
}
