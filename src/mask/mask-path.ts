import { err, ok, type Result } from '../base/result.ts';

/**
 * A path into an object, as `mask` elements write it: `data.*`, `spec.containers[*].env[?name=~'TOKEN'].value`,
 * `metadata.annotations['example.com/key']`.
 */
export type MaskStep =
  | { readonly kind: 'key'; readonly key: string }
  | { readonly kind: 'every-key' }
  | { readonly kind: 'every-item' }
  | {
      readonly kind: 'items-where';
      readonly key: string;
      readonly matches: (value: string) => boolean;
    };

export type MaskPath = { readonly text: string; readonly steps: readonly MaskStep[] };

const KEY = /^[A-Za-z0-9_$-]+/;
const QUOTED = /^\[(?:'([^']*)'|"([^"]*)")\]/;
const FILTER = /^\[\?([A-Za-z0-9_]+)(==|=~)'([^']*)'\]/;

const pathBytesMax = 1024;

/** Parses one step at the start of `rest`: the step and how many characters it took, or what is wrong. */
function parseStep(
  rest: string,
  first: boolean,
): Result<{ readonly step: MaskStep; readonly length: number }, string> {
  if (rest.startsWith('[*]')) return ok({ step: { kind: 'every-item' }, length: 3 });
  const quoted = QUOTED.exec(rest);
  if (quoted !== null) {
    return ok({
      step: { kind: 'key', key: quoted[1] ?? quoted[2] ?? '' },
      length: quoted[0].length,
    });
  }
  const filter = FILTER.exec(rest);
  if (filter !== null) return parseFilter(filter);
  const dot = first ? 0 : 1;
  if (!first && !rest.startsWith('.')) {
    return err(`expected "." or "[" before "${rest.slice(0, 20)}"`);
  }
  if (rest[dot] === '*') return ok({ step: { kind: 'every-key' }, length: dot + 1 });
  const key = KEY.exec(rest.slice(dot));
  if (key === null) {
    return err(`expected a key, "*" or a quoted key in brackets at "${rest.slice(0, 20)}"`);
  }
  return ok({ step: { kind: 'key', key: key[0] }, length: dot + key[0].length });
}

function parseFilter(
  filter: RegExpExecArray,
): Result<{ readonly step: MaskStep; readonly length: number }, string> {
  const [whole, key = '', operator, operand = ''] = filter;
  if (operator === '==') {
    const matches = (value: string): boolean => value === operand;
    return ok({ step: { kind: 'items-where', key, matches }, length: whole.length });
  }
  try {
    const pattern = new RegExp(operand, 'u');
    const matches = (value: string): boolean => pattern.test(value);
    return ok({ step: { kind: 'items-where', key, matches }, length: whole.length });
  } catch (cause) {
    return err(`the regular expression '${operand}' does not parse: ${String(cause)}`);
  }
}

/** Parses a path. The error says where it stopped making sense and what was expected there. */
export function parseMaskPath(text: string): Result<MaskPath, string> {
  if (text === '' || text.length > pathBytesMax) {
    return err(`a mask path has 1 to ${pathBytesMax} characters`);
  }
  const steps: MaskStep[] = [];
  let rest = text;
  while (rest !== '') {
    const parsed = parseStep(rest, steps.length === 0);
    if (!parsed.ok) return err(`mask path "${text}": ${parsed.error}`);
    steps.push(parsed.value.step);
    rest = rest.slice(parsed.value.length);
  }
  return ok({ text, steps });
}

/** What is wrong with a mask path; null where nothing is. */
export function maskPathProblem(text: string): string | null {
  const parsed = parseMaskPath(text);
  return parsed.ok ? null : parsed.error;
}
