import { decisionOf, fetchOf, isHold, type RawElement, type RawHold } from './decision-shape.ts';
import { PLACEHOLDER, type Placeholder } from './element-fields.ts';
import type { Because, Decision, HoldElement, PolicyIdentity } from './decision.ts';
import type { PolicyInput } from './policy-input.ts';

/** Values of the caller's own that stand in a sentence: cut, and without characters that could forge a line. */
const placeholderCharsMax = 253;

/** Control characters, line and paragraph separators, and those that turn the direction of text. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

const placeholderText = (value: string): string =>
  value.replace(UNPRINTABLE, '?').slice(0, placeholderCharsMax);

function filler(input: PolicyInput): (text: string) => string {
  const values = new Map<string, string>([
    ['request.name', input.request.name],
    ['request.namespace', input.request.namespace],
    ['request.resource', input.request.resource],
    ['user.username', input.user.username],
  ] satisfies readonly (readonly [Placeholder, string])[]);
  // One pass: a value that itself holds `{user.username}` stays as it is.
  return (text) =>
    text.includes('{')
      ? text.replace(PLACEHOLDER, (whole, name: string) => {
          const value = values.get(name);
          return value === undefined ? whole : placeholderText(value);
        })
      : text;
}

const defined = <T>(value: T | undefined, name: string): Record<string, T> =>
  value === undefined ? {} : { [name]: value };

function common(element: RawElement, fill: (text: string) => string): Because {
  return {
    rule: element.rule,
    id: element.id,
    reason: fill(element.reason),
    ...(element.instead === undefined ? {} : { instead: fill(element.instead) }),
    ...defined(element.opaque, 'opaque'),
    ...defined(element.reveals, 'reveals'),
  };
}

function toHold(element: RawHold, fill: (text: string) => string): HoldElement {
  return {
    ...common(element, fill),
    approvers: element.approvers,
    quorum: element.quorum ?? 1,
    decideWithinSeconds: element.decide_within ?? 0,
    onlyIfAllowed: element.only_if_allowed ?? false,
    askReason: element.ask_reason ?? false,
    risk: element.risk ?? '',
  };
}

/** A policy that failed decides nothing: a deny that says where. */
export function failedDecision(policy: PolicyIdentity, failure: string): Decision {
  return {
    verdict: 'deny',
    because: [{ rule: 'gate', id: 'policy-failed', reason: 'the policy could not be evaluated' }],
    holds: [],
    mask: [],
    record: [],
    policy,
    failure,
  };
}

/** Reads the result set of `gate/decision`; anything but exactly one well-formed result is a deny with `failure`. */
export function parseDecision(
  answer: unknown,
  input: PolicyInput,
  policy: PolicyIdentity,
): Decision {
  const read = decisionOf(answer);
  if (!read.ok) {
    const count = Array.isArray(answer) ? answer.length : 0;
    return failedDecision(
      policy,
      count === 1
        ? `gate/decision.rego: the decision is malformed: ${read.error}`
        : `gate/decision.rego: the policy gave ${count} results, not one`,
    );
  }
  const result = read.value;
  const fill = filler(input);
  const elements = result.because.map((one): Because =>
    isHold(one) ? toHold(one, fill) : common(one, fill),
  );
  const holds = result.because.filter(isHold).map((one) => toHold(one, fill));
  if (result.verdict === 'hold' && holds.length !== elements.length) {
    return failedDecision(policy, 'gate/decision.rego: a hold without approvers');
  }
  return {
    verdict: result.verdict,
    because: elements,
    holds: result.verdict === 'hold' ? holds : [],
    mask: result.mask.map((one) => ({
      ...common(one, fill),
      fields: one.fields ?? [],
      where: {
        ...defined(one.where?.labels, 'labels'),
        ...defined(one.where?.annotations, 'annotations'),
        ...defined(one.where?.names, 'names'),
      },
      patterns: one.patterns ?? [],
    })),
    record: result.record.map((one) => ({ ...common(one, fill), level: one.level })),
    policy,
  };
}

/** Reads the result set of `gate/fetch`; null where it is malformed. */
export function parseFetch(answer: unknown): boolean | null {
  const read = fetchOf(answer);
  return read.ok ? read.value.live : null;
}
