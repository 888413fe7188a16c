import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDecision, parseFetch } from '../../src/decide/parse-decision.ts';
import { inputOf } from '../support/policy-fixtures.ts';

const policy = { wasm: 'sha256:a', sources: 'sha256:b', compiler: 'opa/0', revision: '' };
const element = { rule: 'x', id: 'a', reason: 'r' };
const good = { verdict: 'allow', because: [element], mask: [], record: [] };
const hold = { ...element, approvers: ['oncall'] };
const parse = (answer: unknown) => parseDecision(answer, inputOf(), policy);

test('one well-formed result is a decision', () => {
  expect(parse([{ result: good }])).toEqual({ ...good, holds: [], policy });
});

describe('anything else is a deny that says so', () => {
  test.each([
    { name: 'no result', answer: [] },
    { name: 'two results', answer: [{ result: good }, { result: good }] },
    { name: 'no list', answer: { result: good } },
    { name: 'nothing', answer: undefined },
    { name: 'a missing key', answer: [{ result: { ...good, mask: undefined } }] },
    { name: 'an unknown key', answer: [{ result: { ...good, also: [] } }] },
    { name: 'an unknown verdict', answer: [{ result: { ...good, verdict: 'mask' } }] },
    { name: 'nobody that says why', answer: [{ result: { ...good, because: [] } }] },
    {
      name: 'an element without reason',
      answer: [{ result: { ...good, because: [{ rule: 'x', id: 'a' }] } }],
    },
    {
      name: 'an element with an unknown field',
      answer: [{ result: { ...good, because: [{ ...element, also: 1 }] } }],
    },
    {
      name: 'an unknown record level',
      answer: [{ result: { ...good, record: [{ ...element, level: 'none' }] } }],
    },
    { name: 'a hold without approvers', answer: [{ result: { ...good, verdict: 'hold' } }] },
    {
      name: 'a hold with nobody in its list',
      answer: [{ result: { ...good, verdict: 'hold', because: [{ ...hold, approvers: [] }] } }],
    },
    {
      name: 'a quorum of nobody',
      answer: [{ result: { ...good, verdict: 'hold', because: [{ ...hold, quorum: 0 }] } }],
    },
    {
      name: 'a mask of a text',
      answer: [{ result: { ...good, mask: [{ ...element, fields: 'data' }] } }],
    },
  ])('$name', ({ answer }) => {
    const decision = parse(answer);
    expect(decision.verdict).toBe('deny');
    expect(decision.failure).toMatch(/^gate\/decision\.rego: /);
  });

  test('whatever it is', () => {
    fc.assert(
      fc.property(fc.anything(), (answer) => {
        expect(parse(answer).verdict).toBe('deny');
      }),
    );
  });
});

test('a text of the caller cannot forge a line or turn the text around', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (name) => {
      const answer = [
        { result: { ...good, because: [{ ...element, reason: 'no {request.name}!' }] } },
      ];
      const reason = parseDecision(answer, inputOf({ name }), policy).because[0]?.reason ?? '';
      expect(reason).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
      expect(reason.length).toBeLessThanOrEqual('no !'.length + 253);
    }),
  );
});

test.each([
  { answer: [{ result: { live: true } }], live: true },
  { answer: [{ result: { live: false } }], live: false },
  { answer: [], live: null },
  { answer: [{ result: { live: 1 } }], live: null },
  { answer: [{ result: { live: true, more: 1 } }], live: null },
])('the answer of fetch: $answer', ({ answer, live }) => {
  expect(parseFetch(answer)).toBe(live);
});
