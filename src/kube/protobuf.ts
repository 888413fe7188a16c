import { err, ok, type Result } from '../base/result.ts';

/** One field of a protobuf message: a varint, or bytes. Other wire types do not occur in the messages that we read. */
export type ProtobufField = { readonly number: number } & (
  | { readonly wire: 'varint'; readonly value: bigint }
  | { readonly wire: 'bytes'; readonly value: Uint8Array }
);

/** protobuf.dev/programming-guides/encoding: a varint has at most ten bytes. */
const varintBytesMax = 10;
const fieldsMax = 1000;

function readVarint(
  bytes: Uint8Array,
  from: number,
): { readonly value: bigint; readonly end: number } | null {
  let value = 0n;
  for (let index = 0; index < varintBytesMax; index += 1) {
    const byte = bytes[from + index];
    if (byte === undefined) return null;
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) return { value: BigInt.asUintN(64, value), end: from + index + 1 };
  }
  return null;
}

/** Takes a message apart, field by field, in order. What is cut short or has another wire type is an error. */
export function protobufFields(bytes: Uint8Array): Result<readonly ProtobufField[], string> {
  const fields: ProtobufField[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (fields.length === fieldsMax) return err(`more than ${fieldsMax} fields`);
    const tag = readVarint(bytes, at);
    if (tag === null || tag.value > 0xffff_ffffn) return err(`no field tag at byte ${at}`);
    const number = Number(tag.value >> 3n);
    const wire = Number(tag.value & 7n);
    const payload = readVarint(bytes, tag.end);
    if (number === 0 || payload === null) return err(`the field at byte ${at} does not parse`);
    if (wire === 0) {
      fields.push({ number, wire: 'varint', value: payload.value });
      at = payload.end;
    } else if (wire === 2 && payload.value <= BigInt(bytes.length - payload.end)) {
      at = payload.end + Number(payload.value);
      fields.push({ number, wire: 'bytes', value: bytes.subarray(payload.end, at) });
    } else {
      return err(`the field at byte ${at} has wire type ${wire}, or runs past the end`);
    }
  }
  return ok(fields);
}

/** UTF-8 text of a bytes field; null for anything else. */
export function protobufText(field: ProtobufField): string | null {
  if (field.wire !== 'bytes') return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(field.value);
  } catch {
    return null;
  }
}
