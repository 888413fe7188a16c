/**
 * Prints the inputs that test/kube/golden.jsonl records the answers to, from a fixed seed:
 *
 *     npx tsx test/support/kube-judge-inputs.ts | (cd test/cluster && go run ./kube-judge) > test/kube/golden.jsonl
 */
import * as fc from 'fast-check';
import {
  fieldSelectorText,
  labelSelectorText,
  method,
  plainScalar,
  plausibleTarget,
} from './kube-arbitraries.ts';

export type JudgeInput = { readonly kind: string; readonly method?: string; readonly text: string };

/** Inputs of every kind, the same for the same seed. Requests come with the method they are sent with. */
export function judgeInputs(seed: number, perKind: number): readonly JudgeInput[] {
  const sample = <T>(arbitrary: fc.Arbitrary<T>, count: number): readonly T[] =>
    fc.sample(arbitrary, { seed, numRuns: count });
  const requests = fc.record({ kind: fc.constant('request'), method, text: plausibleTarget });
  const texts = (kind: string, arbitrary: fc.Arbitrary<string>): readonly JudgeInput[] =>
    [...new Set(sample(arbitrary, perKind))].map((text) => ({ kind, text }));
  return [
    ...sample(requests, perKind * 3),
    ...texts('field', fieldSelectorText),
    ...texts('label', labelSelectorText),
    ...texts(
      'yaml',
      plainScalar.map((scalar) => `a: ${scalar}`),
    ),
  ];
}

if (process.argv[1]?.endsWith('kube-judge-inputs.ts') === true) {
  for (const input of judgeInputs(20_261_120, 180)) console.log(JSON.stringify(input));
}
