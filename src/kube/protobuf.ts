/** One field of a protobuf message as it stands on the wire. Groups and 32-bit fields occur in no Kubernetes type. */
export type ProtobufField = { readonly number: number } & (
  | { readonly wire: 'varint'; readonly value: number | bigint }
  | { readonly wire: 'fixed64' | 'bytes'; readonly value: Uint8Array }
);

/** A message that is not taken. Thrown inside the protobuf reader only: a Result on each of 100,000 fields costs more. */
export class ProtobufFault extends Error {}

/** How many more fields a body may have, and messages be made of them, all together. */
export type FieldBudget = { left: number };

/** Takes one field or message from the budget; throws ProtobufFault where none is left. */
export function spend(budget: FieldBudget): void {
  budget.left -= 1;
  if (budget.left < 0) throw new ProtobufFault('too many fields');
}

/** protobuf.dev/programming-guides/encoding: a varint has at most ten bytes, and the tenth holds one bit. */
const varintBytesMax = 10;
/** Seven groups of seven bits fit a double exactly. */
const exactBytesMax = 7;
/** protobuf.dev: field numbers end at 2^29 - 1. */
const tagMax = 2 ** 32 - 1;

const TAG_VARINT = 0;
const TAG_FIXED64 = 1;
const TAG_BYTES = 2;

type Varint = { readonly value: number | bigint; readonly end: number };

/**
 * Reads an unsigned varint. One that is longer than it must be is a fault: readers differ in how many bytes of it they
 * take, and no writer makes one.
 */
function readVarint(bytes: Uint8Array, from: number): Varint {
  let exact = 0;
  let wide = 0n;
  for (let index = 0; index < varintBytesMax; index += 1) {
    const byte = bytes[from + index];
    if (byte === undefined) throw new ProtobufFault(`a number that is cut short at byte ${from}`);
    const bits = byte & 0x7f;
    if (index < exactBytesMax) exact += bits * 2 ** (7 * index);
    else wide |= BigInt(bits) << BigInt(7 * index);
    if (byte >= 0x80) continue;
    if ((byte === 0 && index > 0) || (index === varintBytesMax - 1 && byte > 1)) break;
    const value = wide === 0n ? exact : wide + BigInt(exact);
    const isSafe = typeof value === 'bigint' && value <= BigInt(Number.MAX_SAFE_INTEGER);
    return { value: isSafe ? Number(value) : value, end: from + index + 1 };
  }
  throw new ProtobufFault(`an overlong number at byte ${from}`);
}

/**
 * Takes a message apart, field by field, in order; the bytes are slices, not copies. Throws ProtobufFault for what is cut
 * short, has another wire type, or more fields than the budget.
 */
export function protobufFields(bytes: Uint8Array, budget: FieldBudget): ProtobufField[] {
  const fields: ProtobufField[] = [];
  let at = 0;
  while (at < bytes.length) {
    spend(budget);
    const tag = readVarint(bytes, at);
    const key = Number(tag.value);
    const number = Math.floor(key / 8);
    const wire = key % 8;
    if (key > tagMax || number === 0) throw new ProtobufFault(`no field tag at byte ${at}`);
    if (wire === TAG_VARINT) {
      const { value, end } = readVarint(bytes, tag.end);
      fields.push({ number, wire: 'varint', value });
      at = end;
      continue;
    }
    if (wire !== TAG_BYTES && wire !== TAG_FIXED64)
      throw new ProtobufFault(`wire type ${wire} at byte ${at}`);
    const size = wire === TAG_BYTES ? readVarint(bytes, tag.end) : { value: 8, end: tag.end };
    const end = size.end + Number(size.value);
    if (end > bytes.length) throw new ProtobufFault(`a field at byte ${at} that runs past the end`);
    const kind = wire === TAG_BYTES ? 'bytes' : 'fixed64';
    fields.push({ number, wire: kind, value: bytes.subarray(size.end, end) });
    at = end;
  }
  return fields;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 text of a bytes field; anything else is a ProtobufFault. */
export function protobufText(field: ProtobufField): string {
  if (field.wire !== 'bytes') throw new ProtobufFault('a text that is none');
  try {
    return UTF8.decode(field.value);
  } catch {
    throw new ProtobufFault('a text that is not valid UTF-8');
  }
}
