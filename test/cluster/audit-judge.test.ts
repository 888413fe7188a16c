import { execFileSync, spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { exportFormats } from '../../src/record/index.ts';
import { exportRow } from '../support/export-rows.ts';
import { someDecision, someOutcome } from '../support/record-entries.ts';

const go = 'go';
const hasGo = spawnSync(go, ['version']).status === 0;
if (!hasGo) process.stderr.write('\naudit-judge NOT RUN: it needs Go on the PATH\n\n');

/** Of each line what is wrong with it; empty where nothing is. */
function judgementsOf(lines: readonly string[]): readonly string[] {
  const answers = execFileSync(go, ['run', './audit-judge'], {
    cwd: new URL('.', import.meta.url),
    input: lines.join(''),
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  return answers.toString().replace(/\n$/, '').split('\n');
}

test.runIf(hasGo)("exported audit events are events to the API server's own strict reader", () => {
  const texts = fc.sample(fc.string({ unit: 'binary', maxLength: 30 }), { numRuns: 200, seed: 7 });
  const refused = {
    verdict: 'deny',
    user: null,
    input: null,
    policy: null,
    because: [],
    code: 'HOLDGATE_IDENTIFY_TOKEN_MISSING',
  } as const;
  const rows = [
    exportRow(someDecision(), someOutcome()),
    exportRow(someDecision(), null),
    exportRow(someDecision(refused), someOutcome({ status: 401, upstreamStatus: 0 })),
    exportRow(someDecision({}, { scope: 'nonresource', resource: '' }), someOutcome()),
    exportRow(someDecision({ verdict: 'hold', approvalId: 'a' }), someOutcome({ status: 0 })),
    ...texts.map((text) =>
      exportRow(
        someDecision({ userAgent: text, target: text, message: text }, { name: text }),
        someOutcome({ message: text }),
      ),
    ),
  ];
  const judged = judgementsOf(rows.map(exportFormats.audit.line));
  expect(judged.filter((one) => one !== '')).toEqual([]);
  expect(judged).toHaveLength(rows.length);
});

test.runIf(hasGo)('the judge refuses what is no event', () => {
  const event = JSON.parse(exportFormats.audit.line(exportRow(someDecision(), null))) as object;
  const broken = [
    { ...event, verbs: 'get' },
    { ...event, level: 'Everything' },
    { ...event, stageTimestamp: 'now' },
    { ...event, annotations: { 'holdgate.dev/seq': 1 } },
  ];
  const judged = judgementsOf(broken.map((one) => `${JSON.stringify(one)}\n`));
  expect(judged.filter((one) => one === '')).toEqual([]);
  expect(judged).toHaveLength(broken.length);
});
