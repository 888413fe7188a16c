import { err, ok, type Result } from '../base/result.ts';

/** Where a value stands in a JSON document: `bytes.subarray(start, end)`. */
export type Span = { readonly start: number; readonly end: number };

export type Member = { readonly key: string; readonly value: Span };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isSpace(bytes[at])) at += 1;
  return at;
}

/** The end of the string that opens at `from`, or -1. */
function stringEnd(bytes: Uint8Array, from: number): number {
  let at = from + 1;
  for (;;) {
    at = bytes.indexOf(QUOTE, at);
    if (at < 0) return -1;
    let slashes = 0;
    while (bytes[at - 1 - slashes] === BACKSLASH) slashes += 1;
    if (slashes % 2 === 0) return at + 1;
    at += 1;
  }
}

/** The end of the value that starts at `from`, or -1. Structure only: what is inside is parsed strictly later. */
function valueEnd(bytes: Uint8Array, from: number): number {
  const first = bytes[from];
  if (first === QUOTE) return stringEnd(bytes, from);
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) {
    let at = from;
    while (at < bytes.length && !isDelimiter(bytes[at])) at += 1;
    return at > from ? at : -1;
  }
  let depth = 0;
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = stringEnd(bytes, at);
      if (at < 0) return -1;
      continue;
    }
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth += 1;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
    at += 1;
  }
  return -1;
}

const isDelimiter = (byte: number | undefined): boolean =>
  byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || isSpace(byte);

/**
 * The members of the object that the whole document is, in order, without parsing their values. A repeated key is
 * an error: two `items` could be read in two ways.
 */
export function objectMembers(bytes: Uint8Array): Result<readonly Member[], string> {
  const members: Member[] = [];
  let at = skipSpace(bytes, 0);
  if (bytes[at] !== OPEN_BRACE) return err('the answer is not a JSON object');
  at = skipSpace(bytes, at + 1);
  while (bytes[at] !== CLOSE_BRACE) {
    if (bytes[at] !== QUOTE) return err(`expected a key at byte ${at}`);
    const keyEnd = stringEnd(bytes, at);
    if (keyEnd < 0) return err(`the key at byte ${at} does not end`);
    const key = decodeKey(bytes.subarray(at, keyEnd));
    if (key === null) return err(`the key at byte ${at} does not parse`);
    at = skipSpace(bytes, keyEnd);
    if (bytes[at] !== COLON) return err(`expected ":" at byte ${at}`);
    const start = skipSpace(bytes, at + 1);
    const end = valueEnd(bytes, start);
    if (end < 0) return err(`the value at byte ${start} does not end`);
    if (members.some((member) => member.key === key)) return err(`the key "${key}" is repeated`);
    members.push({ key, value: { start, end } });
    at = skipSpace(bytes, end);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
    else if (bytes[at] !== CLOSE_BRACE) return err(`expected "," or "}" at byte ${at}`);
  }
  return skipSpace(bytes, at + 1) === bytes.length
    ? ok(members)
    : err(`unexpected bytes after the object, at byte ${at + 1}`);
}

function decodeKey(quoted: Uint8Array): string | null {
  try {
    const key: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(quoted));
    return typeof key === 'string' ? key : null;
  } catch {
    return null;
  }
}

/** The elements of the array at `array`, one after another; throws a RangeError where the array is malformed. */
export function* arrayElements(bytes: Uint8Array, array: Span): Generator<Span> {
  let at = skipSpace(bytes, array.start + 1);
  if (bytes[at] === CLOSE_BRACKET) return;
  for (;;) {
    const end = valueEnd(bytes, at);
    if (end < 0 || end > array.end)
      throw new RangeError(`array element at byte ${at} does not end`);
    yield { start: at, end };
    at = skipSpace(bytes, end);
    if (bytes[at] === CLOSE_BRACKET) return;
    if (bytes[at] !== COMMA) throw new RangeError(`expected "," at byte ${at}`);
    at = skipSpace(bytes, at + 1);
  }
}

export const isArraySpan = (bytes: Uint8Array, span: Span): boolean =>
  bytes[span.start] === OPEN_BRACKET;
