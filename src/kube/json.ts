import { bodyDepthMax } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import { isJsonArray, newRecord } from './json-guards.ts';
import type { JsonValue } from './request.ts';

/** Why a text is no JSON, and where: `offset` in bytes from 0, `line` and `column` (characters) from 1. */
export type JsonProblem = {
  readonly message: string;
  readonly offset: number;
  readonly line: number;
  readonly column: number;
};

/** Longer integers fit no field of any Kubernetes type, and turning text into a bigint costs the square of its length. */
const integerDigitsMax = 100;

/**
 * Parses JSON (RFC 8259) so that no other parser can read the same bytes differently. Refused beyond the grammar:
 * - a repeated key: kube-apiserver's decoder merges repeated objects field by field, JSON.parse keeps the last, so
 *   `{"spec":{"hostPID":true},"spec":{}}` would hide hostPID from policy and keep it in the cluster;
 * - bytes that are not UTF-8, a byte order mark, lone surrogates: Go replaces them, so names could meet;
 * - more than `bodyDepthMax` levels, numbers that overflow a double, integers of over 100 digits.
 *
 * Objects have no prototype (`__proto__` is a key like any other); integers beyond 2^53 - 1 are bigint.
 */
export function parseJson(bytes: Uint8Array): Result<JsonValue, JsonProblem> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const lossy = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
    const at = lossy.indexOf('\ufffd');
    return err(locate(lossy, new Fault('the text is not valid UTF-8', at)));
  }
  const parser = new Parser(text);
  try {
    return ok(parser.document());
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    return err(locate(text, cause));
  }
}

/** Thrown inside the parser only: a Result on each of a million values would halve its speed. */
class Fault extends Error {
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

function locate(text: string, fault: Fault): JsonProblem {
  const before = text.slice(0, fault.at);
  const line = before.split('\n').length;
  const column = fault.at - (before.lastIndexOf('\n') + 1) + 1;
  return { message: fault.message, offset: Buffer.byteLength(before), line, column };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const ZERO = 0x30;
const NINE = 0x39;

const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

class Parser {
  readonly #text: string;
  #at = 0;
  /** Keys and indexes that lead to the value being read: names the place of a repeated key. */
  readonly #path: (string | number)[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  document(): JsonValue {
    if (this.#text.charCodeAt(0) === 0xfeff) this.#fail('a byte order mark stands before the JSON');
    const value = this.#value();
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail('text follows after the JSON value');
    return value;
  }

  #fail(message: string, at = this.#at): never {
    throw new Fault(message, at);
  }

  #skipSpace(): number {
    const text = this.#text;
    for (;;) {
      const code = text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code;
      this.#at += 1;
    }
  }

  #value(): JsonValue {
    const code = this.#skipSpace();
    if (code === QUOTE) return this.#string();
    if (code === OPEN_BRACE) return this.#object();
    if (code === OPEN_BRACKET) return this.#array();
    if (code === MINUS || (code >= ZERO && code <= NINE)) return this.#number();
    if (this.#word('true')) return true;
    if (this.#word('false')) return false;
    if (this.#word('null')) return null;
    return this.#at >= this.#text.length
      ? this.#fail('the JSON ends where a value was expected')
      : this.#fail('a value was expected');
  }

  #word(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #deeper(key: string | number): void {
    if (this.#path.length >= bodyDepthMax)
      this.#fail(`more than ${bodyDepthMax} levels are nested`);
    this.#path.push(key);
    this.#at += 1;
  }

  #close<T>(made: T): T {
    this.#path.pop();
    this.#at += 1;
    return made;
  }

  #object(): JsonValue {
    const made = newRecord<JsonValue>();
    this.#deeper('');
    if (this.#skipSpace() === CLOSE_BRACE) return this.#close(made);
    for (;;) {
      if (this.#skipSpace() !== QUOTE) this.#fail('a key in double quotes was expected');
      const keyAt = this.#at;
      const key = this.#string();
      if (key in made) this.#fail(`the key ${this.#where(key)} stands more than once`, keyAt);
      if (this.#skipSpace() !== COLON) this.#fail('":" was expected after a key');
      this.#at += 1;
      this.#path[this.#path.length - 1] = key;
      made[key] = this.#value();
      const next = this.#skipSpace();
      if (next === CLOSE_BRACE) return this.#close(made);
      if (next !== COMMA) this.#fail('"," or "}" was expected');
      this.#at += 1;
    }
  }

  #array(): JsonValue {
    const made: JsonValue[] = [];
    this.#deeper(0);
    if (this.#skipSpace() === CLOSE_BRACKET) return this.#close(made);
    for (;;) {
      this.#path[this.#path.length - 1] = made.length;
      made.push(this.#value());
      const next = this.#skipSpace();
      if (next === CLOSE_BRACKET) return this.#close(made);
      if (next !== COMMA) this.#fail('"," or "]" was expected');
      this.#at += 1;
    }
  }

  /** The place of `key` in the object being read, as in `spec.containers[0].image`. */
  #where(key: string): string {
    return JSON.stringify(pathText([...this.#path.slice(0, -1), key]));
  }

  #number(): number | bigint {
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match === null) return this.#fail('a digit was expected after "-"');
    const text = match[0];
    const start = this.#at;
    this.#at += text.length;
    const value = Number(text);
    if (!Number.isFinite(value)) this.#fail('the number is too large', start);
    if (match[1] !== undefined || match[2] !== undefined || Number.isSafeInteger(value))
      return value;
    if (text.length > integerDigitsMax)
      this.#fail(`the integer has more than ${integerDigitsMax} digits`, start);
    return BigInt(text);
  }

  /** Reads a string whose opening quote is at the cursor. Runs without escapes are sliced, not copied. */
  #string(): string {
    const text = this.#text;
    let from = this.#at + 1;
    let done = '';
    for (let at = from; ; at += 1) {
      const code = text.charCodeAt(at);
      if (code === QUOTE) {
        this.#at = at + 1;
        return done + text.slice(from, at);
      }
      if (code === BACKSLASH) {
        done += text.slice(from, at) + this.#escape(at);
        at = this.#at - 1;
        from = this.#at;
      } else if (!(code >= 0x20)) {
        // NaN at the end of the text.
        this.#fail(
          at < text.length ? 'a control character stands in a string' : 'a string does not end',
          at,
        );
      }
    }
  }

  /** The character that the escape at `at` stands for; leaves the cursor after it. */
  #escape(at: number): string {
    const letter = this.#text.charAt(at + 1);
    const plain = ESCAPES[letter];
    this.#at = at + 2;
    if (plain !== undefined) return plain;
    if (letter !== 'u') this.#fail('an unknown escape stands in a string', at);
    const unit = this.#hex(at + 2);
    this.#at = at + 6;
    if (unit < 0xd800 || unit > 0xdfff) return String.fromCharCode(unit);
    const isPair = unit < 0xdc00 && this.#text.startsWith('\\u', at + 6);
    const low = isPair ? this.#hex(at + 8) : 0;
    if (low < 0xdc00 || low > 0xdfff) this.#fail('half a surrogate pair stands in a string', at);
    this.#at = at + 12;
    return String.fromCharCode(unit, low);
  }

  #hex(at: number): number {
    const digits = this.#text.slice(at, at + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) this.#fail('"\\u" needs four hex digits', at - 2);
    return Number.parseInt(digits, 16);
  }
}

/** Writes a path as people write it: `spec.containers[0].image`; keys with dots or brackets are quoted. */
function pathText(path: readonly (string | number)[]): string {
  return path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`;
      if (!/^[^.[\]"]+$/.test(step)) return `[${JSON.stringify(step)}]`;
      return index === 0 ? step : `.${step}`;
    })
    .join('');
}

/**
 * Writes a value as JSON without spaces. A bigint is written digit by digit; a number must be finite, since JSON has
 * no other (RangeError: no parsed value holds one).
 */
export function stringifyJson(value: JsonValue): string {
  try {
    // The engine's own writer is many times faster, and refuses bigint.
    return JSON.stringify(value);
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    return write(value);
  }
}

function write(value: JsonValue): string {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new RangeError('JSON has no number that is not finite');
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (isJsonArray(value)) return `[${value.map(write).join(',')}]`;
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([key, member]) => `${JSON.stringify(key)}:${write(member)}`);
  return `{${members.join(',')}}`;
}
