import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { decisionOf } from '../../src/decide/decision-shape.ts';
import { recordLevels } from '../../src/decide/element-fields.ts';
import { parseDecision } from '../../src/decide/parse-decision.ts';
import { inputOf } from '../support/policy-fixtures.ts';

/** The same shape as a schema: what the check by hand is held against. */
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
  quorum: z.int().min(1).optional(),
  decide_within: z.int().min(1).optional(),
  only_if_allowed: z.boolean().optional(),
  ask_reason: z.boolean().optional(),
  risk: z.string().optional(),
});

const plain = z.strictObject(because);

const mask = z.strictObject({
  ...because,
  fields: z.array(z.string()).optional(),
  where: z
    .strictObject({
      labels: z.record(z.string(), z.string()).optional(),
      annotations: z.record(z.string(), z.string()).optional(),
      names: z.array(z.string()).optional(),
    })
    .optional(),
  patterns: z.array(z.string()).optional(),
});

const record = z.strictObject({ ...because, level: z.enum(recordLevels) });

const decision = z.strictObject({
  verdict: z.enum(['allow', 'hold', 'deny']),
  because: z.array(z.union([hold, plain])).min(1),
  mask: z.array(mask),
  record: z.array(record),
});

const resultSet = z.tuple([z.strictObject({ result: decision })]);

const policy = { wasm: 'sha256:a', sources: 'sha256:b', compiler: 'opa/0', revision: '' };

const odd = fc.oneof(
  fc.constantFrom(null, '', 0, 1, -1, 1.5, 2 ** 60, true, false, 'full', 'x'),
  fc.constantFrom({}, [], [''], ['x'], { x: 'y' }, { x: 1 }, undefined),
);

/** Mostly `usual`; now and then anything, so that one fault stands among much that is right. */
const mostly = <T>(usual: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 60, arbitrary: usual }, { weight: 1, arbitrary: odd });

const word = mostly(fc.constantFrom('a', 'b-c', 'text {request.name}'));
const words = mostly(fc.array(word, { maxLength: 3 }));
const flag = mostly(fc.boolean());
const number = mostly(fc.integer({ min: 1, max: 5 }));
const labels = mostly(fc.dictionary(fc.constantFrom('app', 'x/y', 'constructor'), word));

const element = (
  required: Readonly<Record<string, fc.Arbitrary<unknown>>>,
  optional: Readonly<Record<string, fc.Arbitrary<unknown>>>,
): fc.Arbitrary<unknown> =>
  mostly(
    fc
      .tuple(
        fc.record({ rule: word, id: word, reason: word, ...required }),
        fc.record(
          { instead: word, opaque: flag, reveals: flag, ...optional },
          { requiredKeys: [] },
        ),
        fc.oneof(
          { weight: 40, arbitrary: fc.constant([]) },
          { weight: 1, arbitrary: fc.constantFrom(['rule'], ['reason'], ['level'], ['approvers']) },
          { weight: 1, arbitrary: fc.constant(['+also']) },
        ),
      )
      .map(([needed, more, change]) => {
        const made: Record<string, unknown> = { ...needed, ...more };
        for (const name of change) {
          if (name.startsWith('+')) made[name.slice(1)] = 1;
          else delete made[name];
        }
        return made;
      }),
  );

const plainElement = element({}, {});
const holdElement = element(
  { approvers: mostly(fc.array(word, { minLength: 1, maxLength: 2 })) },
  { quorum: number, decide_within: number, only_if_allowed: flag, ask_reason: flag, risk: word },
);
const maskElement = element(
  {},
  {
    fields: words,
    where: mostly(fc.record({ labels, annotations: labels, names: words }, { requiredKeys: [] })),
    patterns: words,
  },
);
const recordElement = element({ level: mostly(fc.constantFrom(...recordLevels)) }, {});

const listOf = (one: fc.Arbitrary<unknown>, minLength = 0): fc.Arbitrary<unknown> =>
  mostly(fc.array(one, { minLength, maxLength: 3 }));

const answers = mostly(
  fc
    .record({
      verdict: mostly(fc.constantFrom('allow', 'hold', 'deny')),
      because: listOf(fc.oneof(plainElement, holdElement), 1),
      mask: listOf(maskElement),
      record: listOf(recordElement),
    })
    .map((result) => [{ result }]),
);

test('the check by hand and the schema take the same answers, and read the same from them', () => {
  const seen = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(answers, (answer) => {
      const schema = resultSet.safeParse(answer);
      const read = decisionOf(answer);
      expect({ answer, taken: read.ok }).toEqual({ answer, taken: schema.success });
      seen[schema.success ? 'taken' : 'refused'] += 1;
      expect(read.ok ? read.value : undefined).toEqual(schema.data?.[0].result);
    }),
    { numRuns: 2000 },
  );
  // Neither side of the question may have been asked by accident only.
  expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(200);
});

test('what a hold or a mask leaves out is its default', () => {
  const reason = { rule: 'x', id: 'a', reason: 'r' };
  const asked = { ...reason, approvers: ['oncall'] };
  const result = { verdict: 'hold', because: [asked], mask: [reason], record: [] };
  const parsed = parseDecision([{ result }], inputOf(), policy);
  expect(parsed.holds).toEqual([
    {
      ...asked,
      quorum: 1,
      decideWithinSeconds: 0,
      onlyIfAllowed: false,
      askReason: false,
      risk: '',
    },
  ]);
  expect(parsed.mask).toEqual([{ ...reason, fields: [], where: {}, patterns: [] }]);
});

test('a label called __proto__ is refused', () => {
  const where = JSON.parse('{"labels":{"__proto__":"x"}}') as unknown;
  const reason = { rule: 'x', id: 'a', reason: 'r' };
  const result = {
    verdict: 'allow',
    because: [reason],
    mask: [{ ...reason, where }],
    record: [],
  };
  expect(decisionOf([{ result }])).toEqual({
    ok: false,
    error: '0.result.mask.0.where.labels.__proto__: no name of a label',
  });
});
