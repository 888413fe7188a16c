import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { Secret } from '../../src/base/secret.ts';
import { dueRules } from '../../src/hold/state-machine.ts';
import { createRecorder } from '../../src/record/index.ts';
import {
  createApprovalStore,
  createDecisionStore,
  createRecordStore,
} from '../../src/store/index.ts';
import { someDeploymentKey } from '../support/deployment-key.ts';
import { holdRequest, person } from '../support/hold-fixtures.ts';
import { someDecision } from '../support/record-entries.ts';
import { openEmbeddedTestStore, type TestStore } from '../support/test-store.ts';

let opened: TestStore;

beforeAll(async () => {
  opened = await openEmbeddedTestStore();
}, 60_000);
afterAll(() => opened.close());

const rounds = 60;

/** Runs `step` again and again, with other work in between. */
async function again(step: (round: number) => Promise<unknown>): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    await step(round);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('recording, approvals and reads at the same time on one connection all end well', async () => {
  const { store } = opened;
  const recorder = createRecorder({
    store: createRecordStore(store),
    clock: systemClock,
    digestKey: new Secret('00'.repeat(32)),
    deploymentKey: someDeploymentKey(),
    log: silentLog,
    onFailure: () => {},
  });
  const approvals = createApprovalStore(store);
  const decisions = createDecisionStore(store);
  const counted = { kind: 'counted' as const, to: 'APPROVED' as const, outcome: '' };
  const vote = { by: person('anna'), vote: 'approve' as const, reason: '' };
  const limits = { decideWithinSeconds: 60, openMax: 10_000, due: dueRules };
  const workers = [0, 1, 2, 3];
  await Promise.all([
    ...workers.map((worker) =>
      again((round) => recorder.append(someDecision({ requestId: `r-${worker}-${round}` }))),
    ),
    ...workers.map((worker) =>
      again(async (round) => {
        const id = `a-${worker}-${round}`;
        await approvals.open(id, holdRequest(id), limits);
        await approvals.vote(id, vote, 60, () => counted);
        await approvals.claim(id, 'request', 60);
      }),
    ),
    again(() => approvals.sweep(dueRules)),
    again(() => decisions.list({}, { limit: 20 })),
  ]);
  await recorder.close();
  const executing = await approvals.list({ states: ['EXECUTING'], limit: 1000 });
  expect(executing).toHaveLength(workers.length * rounds);
}, 60_000);
