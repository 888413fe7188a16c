import {
  CST,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  parseDocument,
  Schema,
  type Scalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { bodyDepthMax, yamlBodyBytesMax } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import { newRecord } from './json-guards.ts';
import { parseJson, stringifyJson } from './json.ts';
import type { JsonValue } from './request.ts';

/** Why a YAML text is refused, and in which line, from 1. */
export type YamlProblem = { readonly message: string; readonly line: number };

/** A YAML body as read, and the JSON that goes upstream in its place. */
export type YamlBody = { readonly value: JsonValue; readonly bytes: Buffer };

/**
 * Reads the body of a YAML content type. kubectl sends JSON under those, so what looks like JSON goes to the strict
 * JSON reader first. What goes upstream is always written anew from what was parsed: even valid JSON may be something
 * else to a YAML reader.
 */
export function parseYamlBody(bytes: Uint8Array): Result<YamlBody, YamlProblem> {
  const looksLikeJson = /^[ \t\r\n]*[{[]/.test(
    Buffer.from(bytes.subarray(0, 256)).toString('latin1'),
  );
  const json = looksLikeJson ? parseJson(bytes) : null;
  const parsed = json?.ok === true ? json : parseYaml(bytes);
  if (parsed.ok) {
    return ok({ value: parsed.value, bytes: Buffer.from(stringifyForYaml(parsed.value)) });
  }
  // What began as JSON is told its place in JSON.
  return err(json?.ok === false ? json.error : parsed.error);
}

/**
 * Parses one YAML document into a JSON value, so that no scalar and no structure in it can mean two things.
 *
 * kube-apiserver reads YAML with sigs.k8s.io/yaml, a YAML 1.1 reader (`yes` and `0777` are a boolean and 511), while
 * most tools follow YAML 1.2 (a string and 777). A plain scalar must have the same value under the 1.1 rules and the
 * 1.2 core schema, else it is refused with its line and has to be quoted. Refused as well: aliases, anchors and tags
 * (bombs of the kind of CVE-2019-11253, types that others construct), directives, several documents, merge keys,
 * repeated keys, keys that are no strings, more than `bodyDepthMax` levels, more than `yamlBodyBytesMax`.
 */
function parseYaml(bytes: Uint8Array): Result<JsonValue, YamlProblem> {
  if (bytes.length > yamlBodyBytesMax) {
    return err({
      message: `the YAML has ${bytes.length} bytes, ${yamlBodyBytesMax} are taken; send it as JSON`,
      line: 1,
    });
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return err({ message: 'the text is not valid UTF-8', line: 1 });
  }
  const token = tokenProblem(text);
  if (token !== null) return err(token);
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, { ...PARSE_OPTIONS, lineCounter: lines });
    const [first] = [...document.errors, ...document.warnings];
    if (first !== undefined)
      return err({ message: first.message, line: lines.linePos(first.pos[0]).line });
    return ok(new Reader(lines).value(document.contents, 0));
  } catch (cause) {
    if (cause instanceof Fault) return err({ message: cause.message, line: cause.line });
    // The library recurses into nested blocks.
    if (cause instanceof RangeError) return err(tooDeep(1));
    // Its octal rule matches a bare `0o`, of which it then cannot make a bigint.
    if (cause instanceof SyntaxError)
      return err({ message: 'the YAML holds a number without digits; quote it', line: 1 });
    throw cause;
  }
}

/**
 * Writes JSON that YAML readers take for the same value: some of what JSON allows plainly inside a string is a line
 * break or an error to them (NEL, U+2028, C1 controls, byte order marks).
 */
function stringifyForYaml(value: JsonValue): string {
  return stringifyJson(value).replaceAll(
    /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const PARSE_OPTIONS = {
  version: '1.2',
  schema: 'core',
  merge: false,
  intAsBigInt: true,
  // Ours below is linear; the library's compares every key with every other.
  uniqueKeys: false,
  prettyErrors: false,
  // Not `silent`: the library then drops the error about a second document, and returns the first.
  logLevel: 'error',
} as const;

class Fault extends Error {
  readonly line: number;

  constructor(message: string, line: number) {
    super(message);
    this.line = line;
  }
}

const tooDeep = (line: number): YamlProblem => ({
  message: `more than ${bodyDepthMax} levels are nested`,
  line,
});

/** What is refused by its mere presence, with the name that the message gives it. */
const REFUSED_TOKENS: ReadonlyMap<string | null, string> = new Map([
  ['alias', 'an alias ("*")'],
  ['anchor', 'an anchor ("&")'],
  ['tag', 'a tag ("!")'],
  ['directive-line', 'a directive ("%")'],
  ['byte-order-mark', 'a byte order mark'],
]);

/** Looks at the tokens alone, before anything is built from them. */
function tokenProblem(text: string): YamlProblem | null {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  const control = /[\0-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f]/.exec(text);
  if (control !== null) {
    const line = text.slice(0, control.index).split('\n').length;
    return { message: 'the YAML holds a control character', line };
  }
  let line = 1;
  let flowDepth = 0;
  let blockDepthOfLine = 0;
  let isScalarNext = false;
  for (const lexeme of new Lexer().lex(text)) {
    const type: string | null = isScalarNext ? 'scalar text' : CST.tokenType(lexeme);
    isScalarNext = type === 'scalar';
    const refused = REFUSED_TOKENS.get(type);
    if (refused !== undefined) return { message: `the YAML holds ${refused}; write it out`, line };
    if (type === 'flow-map-start' || type === 'flow-seq-start') flowDepth += 1;
    if (type === 'flow-map-end' || type === 'flow-seq-end') flowDepth -= 1;
    if (type === 'seq-item-ind' || type === 'explicit-key-ind') blockDepthOfLine += 1;
    if (flowDepth + blockDepthOfLine > bodyDepthMax) return tooDeep(line);
    const breaks = lexeme.split('\n').length - 1;
    if (breaks > 0) blockDepthOfLine = 0;
    line += breaks;
  }
  return null;
}

/** The YAML 1.1 tags that could give a plain scalar another type than a string, in the library's own words. */
const RESOLVERS_11 = new Schema({ schema: 'yaml-1.1' }).tags.flatMap((tag) =>
  tag.default === true &&
  'test' in tag &&
  tag.test !== undefined &&
  /:(?:null|bool|int|float)$/.test(tag.tag)
    ? [tag]
    : [],
);

const noProblem = (): void => {};

/** What a YAML 1.1 reader makes of a plain scalar. Timestamps stay strings, as they do in sigs.k8s.io/yaml. */
function resolve11(source: string): unknown {
  const tag = RESOLVERS_11.find(({ test }) => test?.test(source));
  if (tag === undefined) return source;
  const made: unknown = tag.resolve(source, noProblem, { intAsBigInt: true });
  return isScalar(made) ? made.value : made;
}

/**
 * What Go's YAML readers take for a number in spellings that neither schema knows: ParseInt with base 0 (`0B1`, `0O7`),
 * and underscores anywhere (`1e5_`), which they drop first.
 */
const GO_NUMBER =
  /^[-+]?(?:0[xXoObB][0-9a-fA-F]+|(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)$/;

class Reader {
  readonly #lines: LineCounter;

  constructor(lines: LineCounter) {
    this.#lines = lines;
  }

  value(node: unknown, depth: number): JsonValue {
    if (node === null || node === undefined) return null;
    if (isScalar(node)) return this.#scalar(node);
    if (depth >= bodyDepthMax) this.#fail(tooDeep(1).message, node);
    if (isMap(node)) return this.#map(node, depth);
    if (isSeq(node)) return this.#seq(node, depth);
    return this.#fail('the YAML holds a node that is no scalar, list or mapping', node);
  }

  #fail(message: string, node: unknown): never {
    const range = isScalar(node) || isMap(node) || isSeq(node) ? node.range : null;
    throw new Fault(message, range == null ? 1 : this.#lines.linePos(range[0]).line);
  }

  #seq(seq: YAMLSeq, depth: number): JsonValue {
    return seq.items.map((item) => this.value(item, depth + 1));
  }

  #map(map: YAMLMap, depth: number): JsonValue {
    const made = newRecord<JsonValue>();
    for (const { key, value } of map.items) {
      if (!isScalar(key)) return this.#fail('a key is no plain or quoted string', key ?? map);
      if (key.type === 'PLAIN' && key.source === '<<')
        this.#fail('the YAML holds a merge key ("<<"); write its members out', key);
      const name = this.#scalar(key);
      if (typeof name !== 'string')
        return this.#fail(`the key ${key.source ?? ''} is no string; quote it`, key);
      if (name in made) this.#fail(`the key ${JSON.stringify(name)} stands more than once`, key);
      made[name] = this.value(value, depth + 1);
    }
    return made;
  }

  #scalar(node: Scalar): JsonValue {
    const { value, source = '' } = node;
    if (typeof value === 'string' && /\p{Surrogate}/u.test(value))
      this.#fail('half a surrogate pair stands in a string', node);
    if (node.type !== 'PLAIN') {
      return typeof value === 'string' ? value : this.#fail('a quoted value is no string', node);
    }
    if (
      !Object.is(value, resolve11(source)) ||
      (typeof value === 'string' && GO_NUMBER.test(source.replaceAll('_', '')))
    ) {
      this.#fail(
        `${JSON.stringify(source)} is read differently under YAML 1.1 and YAML 1.2; quote it`,
        node,
      );
    }
    if (typeof value === 'bigint') return this.#integer(value);
    if (typeof value === 'number' && !Number.isFinite(value))
      this.#fail(`${JSON.stringify(source)} is no number that JSON has; quote it`, node);
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
    return typeof value === 'number' ? value : this.#fail('a scalar of an unknown type', node);
  }

  #integer(value: bigint): number | bigint {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
}
