import { err, ok, type Result } from '../base/result.ts';
import { recordLevels } from './element-fields.ts';
import type { RecordLevel, Verdict } from './decision.ts';

/** An element as the policy writes it. */
export type RawElement = {
  readonly rule: string;
  readonly id: string;
  readonly reason: string;
  readonly instead?: string;
  readonly opaque?: boolean;
  readonly reveals?: boolean;
};

export type RawHold = RawElement & {
  readonly approvers: readonly string[];
  readonly quorum?: number;
  readonly decide_within?: number;
  readonly only_if_allowed?: boolean;
  readonly ask_reason?: boolean;
  readonly risk?: string;
};

type RawMask = RawElement & {
  readonly fields?: readonly string[];
  readonly where?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly names?: readonly string[];
  };
  readonly patterns?: readonly string[];
};

export type RawDecision = {
  readonly verdict: Verdict;
  readonly because: readonly (RawHold | RawElement)[];
  readonly mask: readonly RawMask[];
  readonly record: readonly (RawElement & { readonly level: RecordLevel })[];
};

/** What is wrong with a value, as `<path>: <what>`; null where nothing is. A leaf's own path is empty. */
type Check = (value: unknown) => string | null;

type Field = { readonly check: Check; readonly required: boolean };

const below = (key: string | number, fault: string): string =>
  fault.startsWith(':') ? `${key}${fault}` : `${key}.${fault}`;

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const text: Check = (value) => (typeof value === 'string' ? null : ': no text');
const named: Check = (value) =>
  typeof value === 'string' && value !== '' ? null : ': no text, or an empty one';
const flag: Check = (value) => (typeof value === 'boolean' ? null : ': no boolean');
const count: Check = (value) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 1
    ? null
    : ': no whole number from 1';

const oneOf = (words: readonly string[]): Check => {
  const known = new Set<unknown>(words);
  return (value) => (known.has(value) ? null : `: none of ${words.join(', ')}`);
};

const listOf =
  (check: Check, lengthMin = 0): Check =>
  (value) => {
    if (!Array.isArray(value)) return ': no list';
    if (value.length < lengthMin) return ': an empty list';
    for (let at = 0; at < value.length; at += 1) {
      const fault = check(value[at]);
      if (fault !== null) return below(at, fault);
    }
    return null;
  };

/** Names to texts. `__proto__` is no label, and would be one thing to us and another to whatever copies the object. */
const texts: Check = (value) => {
  if (!isRecord(value)) return ': no object';
  for (const key of Object.keys(value)) {
    const fault = key === '__proto__' ? ': no name of a label' : text(value[key]);
    if (fault !== null) return below(key, fault);
  }
  return null;
};

/** An object of these fields and no other. */
function objectOf(fields: Readonly<Record<string, Field>>): Check {
  const known = new Map(Object.entries(fields));
  const required = [...known].filter(([, field]) => field.required).map(([name]) => name);
  return (value) => {
    if (!isRecord(value)) return ': no object';
    for (const key of Object.keys(value)) {
      const field = known.get(key);
      if (field === undefined) return `${key}: unknown`;
      const one = value[key];
      const fault = one === undefined && !field.required ? null : field.check(one);
      if (fault !== null) return below(key, fault);
    }
    const missing = required.find((name) => !Object.hasOwn(value, name));
    return missing === undefined ? null : `${missing}: missing`;
  };
}

const must = (check: Check): Field => ({ check, required: true });
const may = (check: Check): Field => ({ check, required: false });

const common = {
  rule: must(named),
  id: must(named),
  reason: must(text),
  instead: may(text),
  opaque: may(flag),
  reveals: may(flag),
};

const plain = objectOf(common);

const hold = objectOf({
  ...common,
  approvers: must(listOf(named, 1)),
  quorum: may(count),
  decide_within: may(count),
  only_if_allowed: may(flag),
  ask_reason: may(flag),
  risk: may(text),
});

const mask = objectOf({
  ...common,
  fields: may(listOf(text)),
  where: may(objectOf({ labels: may(texts), annotations: may(texts), names: may(listOf(text)) })),
  patterns: may(listOf(text)),
});

const record = objectOf({ ...common, level: must(oneOf(recordLevels)) });

/** A hold is what names approvers. */
export const isHold = (element: RawElement): element is RawHold => 'approvers' in element;

const decision = objectOf({
  verdict: must(oneOf(['allow', 'hold', 'deny'])),
  because: must(
    listOf((value) => (isRecord(value) && 'approvers' in value ? hold : plain)(value), 1),
  ),
  mask: must(listOf(mask)),
  record: must(listOf(record)),
});

const results = listOf(objectOf({ result: must(decision) }));
const fetchResults = listOf(objectOf({ result: must(objectOf({ live: must(flag) })) }));

/** The one result of a result set that `check` takes; else what is wrong with it. */
function onlyResult<T>(answer: unknown, check: Check): Result<T, string> {
  if (!Array.isArray(answer) || answer.length !== 1) return err(': not exactly one result');
  const fault = check(answer);
  if (fault !== null) return err(fault);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `check` has looked at every part of it
  const [only] = answer as readonly { readonly result: T }[];
  return only === undefined ? err(': not exactly one result') : ok(only.result);
}

/**
 * Checks the result set of `gate/decision`, strictly: exactly one result, every required field, no unknown one. Written by
 * hand because it stands in every request: a schema library takes ten times as long. The error names the place.
 */
export const decisionOf = (answer: unknown): Result<RawDecision, string> =>
  onlyResult<RawDecision>(answer, results);

/** Checks the result set of `gate/fetch`. */
export const fetchOf = (answer: unknown): Result<{ readonly live: boolean }, string> =>
  onlyResult<{ readonly live: boolean }>(answer, fetchResults);
