import { parseJson } from '../../kube/json.ts';
import { err, ok, type Result } from '../../base/result.ts';

/**
 * JSON as OPA hashes it for a signature (https://www.openpolicyagent.org/docs/management-bundles#signature-format, and
 * bundle/hash.go there): no white space, the keys of objects in the order of their UTF-8 bytes, strings as Go writes them
 * without HTML escapes, numbers as they were written (`1.0` and `1` differ). Repeated keys are refused, though OPA takes the
 * last: two readers could take different ones. In: bytes; an error is one sentence.
 */
export function canonicalJson(bytes: Uint8Array): Result<string, string> {
  const parsed = parseJson(bytes);
  if (!parsed.ok) {
    const { message, line, column } = parsed.error;
    return err(`line ${line}, column ${column}: ${message}`);
  }
  return ok(new Writer(Buffer.from(bytes).toString('utf8')).value());
}

/** The members of a canonical text that is an object: key to canonical text of the value; null where it is none. */
export function canonicalMembers(text: string): ReadonlyMap<string, string> | null {
  return new Writer(text).members();
}

/** A mark, the beginning of a string, or a number, true, false, null. */
const TOKEN = /\s*([{}[\],:"]|[^\s{}[\],:"]+)/y;

/** Writes a text anew that `parseJson` found to be JSON; values are never made of it, so numbers keep their digits. */
class Writer {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(): string {
    const token = this.#next();
    if (token === '{') return this.#object();
    if (token === '[') return this.#array();
    return token.startsWith('"') ? goString(readString(token)) : token;
  }

  members(): ReadonlyMap<string, string> | null {
    return this.#took('{') ? this.#readMembers() : null;
  }

  #next(): string {
    TOKEN.lastIndex = this.#at;
    const token = TOKEN.exec(this.#text)?.[1];
    if (token === undefined) throw new Error('JSON that was parsed is no JSON');
    this.#at = TOKEN.lastIndex;
    return token === '"' ? this.#string() : token;
  }

  /** By hand: a regular expression over a string of many escapes runs out of its stack. */
  #string(): string {
    const start = this.#at - 1;
    while (this.#text[this.#at] !== '"') this.#at += this.#text[this.#at] === '\\' ? 2 : 1;
    this.#at += 1;
    return this.#text.slice(start, this.#at);
  }

  /** Takes the next token where it is this one. */
  #took(wanted: string): boolean {
    const before = this.#at;
    if (this.#next() === wanted) return true;
    this.#at = before;
    return false;
  }

  #object(): string {
    const members = [...this.#readMembers()].map(([key, text]) => ({
      order: Buffer.from(key),
      text: `${goString(key)}:${text}`,
    }));
    members.sort((one, other) => Buffer.compare(one.order, other.order));
    return `{${members.map(({ text }) => text).join(',')}}`;
  }

  /** What follows the opening brace. */
  #readMembers(): Map<string, string> {
    const members = new Map<string, string>();
    if (this.#took('}')) return members;
    do {
      const key = readString(this.#next());
      this.#next();
      members.set(key, this.value());
    } while (this.#next() === ',');
    return members;
  }

  #array(): string {
    const items: string[] = [];
    if (this.#took(']')) return '[]';
    do items.push(this.value());
    while (this.#next() === ',');
    return `[${items.join(',')}]`;
  }
}

const readString = (token: string): string => String(JSON.parse(token));

/** Go's encoder escapes what JSON.stringify does, and the two line separators of JavaScript. Lone surrogates were refused. */
const goString = (text: string): string =>
  JSON.stringify(text).replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
