import { execFileSync, spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { parseTarget } from '../../src/kube/target.ts';
import { judgeInputs } from '../support/kube-judge-inputs.ts';
import { compareWithJudge, readJudgements } from '../support/kube-judgement.ts';

const go = 'go';
const hasGo = spawnSync(go, ['version']).status === 0;
if (!hasGo) process.stderr.write('\nkube-judge NOT RUN: it needs Go on the PATH\n\n');
const seed = Number(process.env['HOLDGATE_TEST_SEED'] ?? Date.now() % 1_000_000);

/**
 * The API server's own code as judge of src/kube, on fresh inputs every time; a failure names its seed. Every accepted
 * target is judged twice, as it was sent and as we would send it on.
 */
test.runIf(hasGo)(`what is accepted means the same to the API server (seed ${seed})`, () => {
  const inputs = judgeInputs(seed, 2000);
  const rebuilt = inputs.flatMap((input) => {
    const parsed = input.kind === 'request' ? parseTarget(input.text) : null;
    return parsed?.ok === true ? [{ ...input, text: parsed.value.rebuilt }] : [];
  });
  const answers = execFileSync(go, ['run', './kube-judge'], {
    cwd: new URL('.', import.meta.url),
    input: [...inputs, ...rebuilt].map((input) => JSON.stringify(input)).join('\n'),
    maxBuffer: 256 * 1024 * 1024,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const judged = readJudgements(answers.toString());
  expect(judged).toHaveLength(inputs.length + rebuilt.length);
  const compared = judged.map(compareWithJudge);
  expect(compared.flatMap(({ difference }) => difference ?? [])).toEqual([]);
  expect(compared.slice(inputs.length).every((one) => one.taken)).toBe(true);
  expect(rebuilt.length).toBeGreaterThan(1000);
});
