import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { compareWithJudge, readJudgements } from '../support/kube-judgement.ts';

/**
 * Answers of the API server's own code (net/url of Go 1.26, apiserver and apimachinery 0.35.4, sigs.k8s.io/yaml 1.6.0),
 * recorded with test/cluster/kube-judge as test/support/kube-judge-inputs.ts says. Inputs are sampled from a fixed seed.
 */
const judgements = readJudgements(readFileSync(new URL('golden.jsonl', import.meta.url), 'utf8'));

const KINDS = [
  { kind: 'request', what: 'a request target', takenAtLeast: 150 },
  { kind: 'field', what: 'a field selector', takenAtLeast: 30 },
  { kind: 'label', what: 'a label selector', takenAtLeast: 20 },
  { kind: 'yaml', what: 'a YAML scalar', takenAtLeast: 60 },
] as const;

describe('what is accepted means the same to the API server', () => {
  test.each(KINDS)('$what', ({ kind, takenAtLeast }) => {
    const compared = judgements.filter((one) => one.kind === kind).map(compareWithJudge);
    const taken = compared.filter((one) => one.taken);
    expect(compared.flatMap(({ difference }) => difference ?? [])).toEqual([]);
    expect(taken.length).toBeGreaterThan(takenAtLeast);
    expect(taken.length).toBeLessThan(compared.length);
  });
});
