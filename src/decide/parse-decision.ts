import { z } from 'zod';
import { recordLevels, PLACEHOLDER, type Placeholder } from './element-fields.ts';
import type { Because, Decision, HoldElement, PolicyIdentity } from './decision.ts';
import type { PolicyInput } from './policy-input.ts';

/**
 * Reads what the policy answered, strictly: a decision that has an unknown key, an unknown verdict or a malformed
 * element is none, and what is no decision is a deny.
 */
const because = {
  rule: z.string().min(1),
  id: z.string().min(1),
  reason: z.string(),
  instead: z.string().optional(),
  opaque: z.boolean().optional(),
  reveals: z.boolean().optional(),
};

const hold = z.strictObject({
  ...because,
  approvers: z.array(z.string().min(1)).min(1),
  quorum: z.int().min(1).default(1),
  decide_within: z.int().min(1).default(0),
  only_if_allowed: z.boolean().default(false),
  ask_reason: z.boolean().default(false),
  risk: z.string().default(''),
});

const plain = z.strictObject(because);

const mask = z.strictObject({
  ...because,
  fields: z.array(z.string()).default([]),
  where: z
    .strictObject({
      labels: z.record(z.string(), z.string()).optional(),
      annotations: z.record(z.string(), z.string()).optional(),
      names: z.array(z.string()).optional(),
    })
    .default({}),
  patterns: z.array(z.string()).default([]),
});

const record = z.strictObject({ ...because, level: z.enum(recordLevels) });

const decision = z.strictObject({
  verdict: z.enum(['allow', 'hold', 'deny']),
  because: z.array(z.union([hold, plain])).min(1),
  mask: z.array(mask),
  record: z.array(record),
});

const resultSet = z.tuple([z.strictObject({ result: decision })]);

const fetchResultSet = z.tuple([z.strictObject({ result: z.strictObject({ live: z.boolean() }) })]);

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

type Parsed = z.infer<typeof hold> | z.infer<typeof plain>;

const defined = <T>(value: T | undefined, name: string): Record<string, T> =>
  value === undefined ? {} : { [name]: value };

function common(element: z.infer<typeof plain>, fill: (text: string) => string): Because {
  return {
    rule: element.rule,
    id: element.id,
    reason: fill(element.reason),
    ...(element.instead === undefined ? {} : { instead: fill(element.instead) }),
    ...defined(element.opaque, 'opaque'),
    ...defined(element.reveals, 'reveals'),
  };
}

const isHold = (element: Parsed): element is z.infer<typeof hold> => 'approvers' in element;

function toHold(element: z.infer<typeof hold>, fill: (text: string) => string): HoldElement {
  return {
    ...common(element, fill),
    approvers: element.approvers,
    quorum: element.quorum,
    decideWithinSeconds: element.decide_within,
    onlyIfAllowed: element.only_if_allowed,
    askReason: element.ask_reason,
    risk: element.risk,
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
  const parsed = resultSet.safeParse(answer);
  if (!parsed.success) {
    const count = Array.isArray(answer) ? answer.length : 0;
    const first = parsed.error.issues[0];
    const where = first === undefined ? '' : `${first.path.join('.')}: ${first.message}`;
    return failedDecision(
      policy,
      count === 1
        ? `gate/decision.rego: the decision is malformed: ${where}`
        : `gate/decision.rego: the policy gave ${count} results, not one`,
    );
  }
  const { result } = parsed.data[0];
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
      fields: one.fields,
      where: {
        ...(one.where.labels === undefined ? {} : { labels: one.where.labels }),
        ...(one.where.annotations === undefined ? {} : { annotations: one.where.annotations }),
        ...(one.where.names === undefined ? {} : { names: one.where.names }),
      },
      patterns: one.patterns,
    })),
    record: result.record.map((one) => ({ ...common(one, fill), level: one.level })),
    policy,
  };
}

/** Reads the result set of `gate/fetch`; null where it is malformed. */
export function parseFetch(answer: unknown): boolean | null {
  const parsed = fetchResultSet.safeParse(answer);
  return parsed.success ? parsed.data[0].result.live : null;
}
