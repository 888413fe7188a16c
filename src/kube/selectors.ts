import { err, ok, type Result } from '../base/result.ts';
import { parseInt64 } from './query-values.ts';

/**
 * Field and label selectors, parsed as far as RequestInfo and policy need: is it valid, and which exact values does it
 * require. Rules: apimachinery pkg/fields/selector.go and pkg/labels/selector.go.
 */

export type FieldTerm = {
  readonly field: string;
  readonly operator: '=' | '!=';
  /** Unescaped. */
  readonly value: string;
};

/** Parses a field selector (`a=b,c!=d`, `==` for `=`). Terms come in the server's order: sorted by their bytes. */
export function parseFieldSelector(text: string): Result<readonly FieldTerm[], string> {
  const terms: FieldTerm[] = [];
  for (const part of splitTerms(text).sort((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  )) {
    if (part === '') continue;
    // The first operator from the left splits the term; "==" is looked for before "=".
    const split = /!=|==|=/.exec(part);
    if (split === null) return err(`the field selector term "${part}" has no "=", "==" or "!="`);
    const value = unescapeValue(part.slice(split.index + split[0].length));
    if (value === null) {
      return err(
        `the field selector term "${part}" holds an unescaped "," or "=", or a bad escape`,
      );
    }
    const operator = split[0] === '!=' ? '!=' : '=';
    terms.push({ field: part.slice(0, split.index), operator, value });
  }
  return ok(terms);
}

/** The value that the selector requires of a field, if it does: Go's `RequiresExactMatch`, first matching term. */
export function requiredFieldValue(terms: readonly FieldTerm[], field: string): string | null {
  return terms.find((term) => term.operator === '=' && term.field === field)?.value ?? null;
}

/** Splits at commas that no backslash escapes; the escapes stay. */
function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  let escaped = false;
  for (let at = 0; at < text.length; at += 1) {
    if (escaped) escaped = false;
    else if (text[at] === '\\') escaped = true;
    else if (text[at] === ',') {
      terms.push(text.slice(start, at));
      start = at + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

/** Null where the value holds a bare `,` or `=`, or a backslash before anything but `\`, `,` and `=`. */
function unescapeValue(text: string): string | null {
  return /^(?:[^\\,=]|\\[\\,=])*$/.test(text) ? text.replaceAll(/\\([\\,=])/g, '$1') : null;
}

type Token = { readonly kind: 'identifier' | 'operator' | 'end'; readonly text: string };

/** `[prefix/]name`: name of 1-63 characters, prefix a DNS subdomain of at most 253 (apimachinery content.IsLabelKey). */
const LABEL_NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const DNS_SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const dnsSubdomainLengthMax = 253;

const OPERATORS = new Set(['=', '==', '!=', '>', '<', 'in', 'notin']);
const END: Token = { kind: 'end', text: '' };

/** Null where a label selector is one that the API server takes, else what is wrong with it. */
export function labelSelectorProblem(text: string): string | null {
  const tokens = labelTokens(text);
  if (typeof tokens === 'string') return tokens;
  const reader = new TokenReader(tokens);
  if (reader.peek().kind === 'end') return null;
  for (;;) {
    const problem = requirementProblem(reader);
    if (problem !== null) return problem;
    const next = reader.take();
    if (next.kind === 'end') return null;
    if (next.text !== ',')
      return `found "${next.text}" in the label selector where "," was expected`;
  }
}

class TokenReader {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  peek(): Token {
    return this.#tokens[this.#at] ?? END;
  }

  take(): Token {
    const token = this.peek();
    this.#at += 1;
    return token;
  }

  /** Like peek, where a value stands: there `in` and `notin` are words like any other. */
  peekValue(): Token {
    const token = this.peek();
    const isWord = token.text === 'in' || token.text === 'notin';
    return isWord ? { kind: 'identifier', text: token.text } : token;
  }

  takeValue(): Token {
    const token = this.peekValue();
    this.#at += 1;
    return token;
  }
}

/** Splits into words and symbols; symbols are taken as long as they stay one (`==`, `!=`). */
function labelTokens(text: string): readonly Token[] | string {
  const tokens: Token[] = [];
  const pattern = /[ \t\r\n]*(?:(==|!=|[=!(),<>])|([^=!(),<> \t\r\n\0]+))/y;
  let at = 0;
  while (at < text.length) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) {
      if (/^[ \t\r\n]*$/.test(text.slice(at))) break;
      return 'the label selector holds a NUL character';
    }
    const word = match[2];
    if (word === undefined) tokens.push({ kind: 'operator', text: match[1] ?? '' });
    else tokens.push({ kind: OPERATORS.has(word) ? 'operator' : 'identifier', text: word });
    at = pattern.lastIndex;
  }
  return tokens;
}

/** One requirement: `key`, `!key`, `key = value`, `key in (a,b)`, `key > 3`. */
function requirementProblem(reader: TokenReader): string | null {
  let key = reader.takeValue();
  const negated = key.text === '!' && key.kind === 'operator';
  if (negated) key = reader.takeValue();
  if (key.kind !== 'identifier')
    return `found "${key.text}" in the label selector where a label key was expected`;
  if (!isLabelKey(key.text)) return `"${key.text}" is not a label key`;
  const next = reader.peek();
  if (next.kind === 'end' || next.text === ',') return null;
  if (negated) return `found "${next.text}" in the label selector after "!${key.text}"`;
  const operator = reader.take();
  if (operator.kind !== 'operator' || !OPERATORS.has(operator.text))
    return `found "${operator.text}" in the label selector where an operator was expected`;
  const values = operator.text.endsWith('in') ? valueSet(reader) : exactValue(reader);
  if (typeof values === 'string') return values;
  for (const value of values) {
    if (value !== '' && !LABEL_NAME.test(value)) return `"${value}" is not a label value`;
    const compares = operator.text === '>' || operator.text === '<';
    if (compares && parseInt64(value) === null)
      return `"${value}" is not an integer, which "${operator.text}" needs`;
  }
  return null;
}

function exactValue(reader: TokenReader): readonly string[] | string {
  const next = reader.peekValue();
  if (next.kind === 'end' || next.text === ',') return [''];
  const value = reader.takeValue();
  if (value.kind === 'identifier') return [value.text];
  return `found "${value.text}" in the label selector where a value was expected`;
}

/** `(a,,b)`: empty values count, `()` is one empty value. */
function valueSet(reader: TokenReader): readonly string[] | string {
  const open = reader.take();
  if (open.text !== '(' || open.kind !== 'operator')
    return `found "${open.text}" in the label selector where "(" was expected`;
  const values: string[] = [];
  let wantsSeparator = false;
  for (;;) {
    const token = reader.takeValue();
    if (token.kind === 'identifier' && !wantsSeparator) {
      values.push(token.text);
      wantsSeparator = true;
    } else if (token.kind === 'operator' && token.text === ',') wantsSeparator = false;
    else if (token.kind === 'operator' && token.text === ')') return values;
    else return `found "${token.text}" in the label selector where "," or ")" was expected`;
  }
}

function isLabelKey(key: string): boolean {
  const parts = key.split('/');
  const [first = '', second] = parts;
  if (parts.length > 2) return false;
  if (second === undefined) return LABEL_NAME.test(first);
  return (
    first.length <= dnsSubdomainLengthMax && DNS_SUBDOMAIN.test(first) && LABEL_NAME.test(second)
  );
}
