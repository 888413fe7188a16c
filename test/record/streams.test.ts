import * as fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { Secret } from '../../src/base/secret.ts';
import { createRecorder, type Leaf, type Recorder } from '../../src/record/index.ts';
import { hashTree, rootAt } from '../../src/record/merkle/proofs.ts';
import type { StreamState } from '../../src/record/open-stream.ts';
import { openCheckpoint } from '../../src/record/signing/checkpoint.ts';
import { openCertificate, streamOrigin } from '../../src/record/signing/stream-certificate.ts';
import { someDeploymentKey } from '../support/deployment-key.ts';
import { FakeRecordStore } from '../support/fake-record-store.ts';
import { someDecision, someOutcome } from '../support/record-entries.ts';

const deploymentKey = someDeploymentKey('one');
let store: FakeRecordStore;
let recorder: Recorder;
let states: StreamState[];

function open(): void {
  store = new FakeRecordStore();
  states = [];
  let next = 0;
  recorder = createRecorder({
    store,
    clock: systemClock,
    digestKey: new Secret('00'.repeat(32)),
    deploymentKey,
    log: silentLog,
    onFailure: () => {},
    onCommitted: (state) => states.push(state),
    ids: { next: () => `stream-${(next += 1)}` },
    replica: 'host/1',
  });
}

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-11-20T12:00:00Z') });
  open();
});
afterEach(() => {
  vi.useRealTimers();
});

const rowsOf = (stream: string): Leaf[] =>
  [...store.rows.values()].filter((leaf) => leaf.stream === stream);

/** The certificate in the first leaf of a stream, opened with nothing but the deployment's public key. */
function certificateOf(stream: string) {
  const entry = rowsOf(stream)[0]?.entry;
  if (entry?.kind !== 'stream') throw new Error('the first leaf is no certificate');
  const opened = openCertificate(entry.certificate, deploymentKey.verifier);
  if (!opened.ok) throw new Error(opened.error);
  return opened.value;
}

/** What an auditor does with the rows of a stream: true where the checkpoint is of exactly these leaves. */
function covers(stream: string, checkpoint: string): boolean {
  const { verifier } = certificateOf(stream);
  const opened = openCheckpoint(checkpoint, verifier, streamOrigin('one', stream));
  if (!opened.ok) return false;
  const tree = hashTree(rowsOf(stream).map((leaf) => leaf.hash));
  const { size, root } = opened.value;
  return size <= tree.size && rootAt(tree, size).equals(root);
}

test('the first leaf certifies the key of the stream, and is committed before anything else', async () => {
  await recorder.append(someDecision());
  expect(store.batches[0]?.map((leaf) => leaf.entry.kind)).toEqual(['stream']);
  expect(certificateOf('stream-1')).toMatchObject({
    deployment: 'one',
    stream: 'stream-1',
    replica: 'host/1',
    openedAt: '2026-11-20T12:00:00.000Z',
  });
});

test('while the certificate is not committed nothing else is sent', async () => {
  store.onAppend = () => 'lose';
  const appended = recorder.append(someOutcome()).catch(() => {});
  await vi.advanceTimersByTimeAsync(3000);
  expect(store.batches.length).toBeGreaterThan(2);
  expect(store.batches.every((batch) => batch[0]?.entry.kind === 'stream')).toBe(true);
  store.onAppend = () => 'keep';
  await vi.advanceTimersByTimeAsync(3000);
  await appended;
  expect(rowsOf('stream-1').map((leaf) => leaf.entry.kind)).toEqual(['stream', 'outcome']);
});

test('every batch carries a checkpoint of the stream up to its last leaf, whatever the store does', async () => {
  const ends = fc.constantFrom('keep', 'lose', 'keep-and-lose');
  await fc.assert(
    fc.asyncProperty(
      fc.array(ends, { maxLength: 12 }),
      fc.array(fc.nat(9), { maxLength: 8 }),
      async (plan, bursts) => {
        open();
        const queue = [...plan];
        store.onAppend = () => queue.shift() ?? 'keep';
        for (const burst of bursts) {
          for (let index = 0; index < burst; index += 1) {
            void recorder.append(someOutcome()).catch(() => {});
          }
          await vi.advanceTimersByTimeAsync(700);
        }
        await vi.advanceTimersByTimeAsync(60_000);
        // At the end a batch is sent once: one that is lost then would have a checkpoint without its leaves.
        queue.length = 0;
        await recorder.close();
        for (const [index, checkpoint] of store.checkpoints.entries()) {
          const stream = store.batches[index]?.[0]?.stream ?? '';
          expect(covers(stream, checkpoint)).toBe(true);
        }
        for (const state of states) expect(covers(state.id, state.checkpoint)).toBe(true);
        expect(states.map((state) => state.size)).toEqual(
          states.map((state) => state.size).toSorted((one, other) => one - other),
        );
      },
    ),
    { numRuns: 30 },
  );
});

test('a batch that was refused is not in the tree', async () => {
  store.onAppend = (batch) =>
    batch.some((leaf) => leaf.entry.requestId === 'bad')
      ? { kind: 'refused', reason: 'bad text' }
      : 'keep';
  const ends = await Promise.allSettled(
    ['a', 'bad', 'b'].map((requestId) => recorder.append(someDecision({ requestId }))),
  );
  expect(ends.map((end) => end.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(rowsOf('stream-1').map((leaf) => leaf.entry.requestId)).toEqual(['', 'a', 'b']);
  expect(covers('stream-1', states.at(-1)?.checkpoint ?? '')).toBe(true);
});

test('a database that refuses the certificate stops recording: such a stream would prove nothing', async () => {
  store.onAppend = () => ({ kind: 'refused', reason: 'no' });
  await expect(recorder.append(someDecision())).rejects.toThrow(/refused the certificate/);
  expect(recorder.available()).toBe(false);
});

test('a stream that ends in order says so in its last leaf, and each day has a key of its own', async () => {
  await recorder.append(someDecision());
  vi.setSystemTime(Date.parse('2026-11-21T00:00:00Z'));
  await recorder.append(someDecision());
  await recorder.close();
  expect(rowsOf('stream-1').map((leaf) => leaf.entry)).toMatchObject([
    { kind: 'stream' },
    { kind: 'decision' },
    { kind: 'stream-closed', reason: 'rotation' },
  ]);
  expect(rowsOf('stream-2').at(-1)?.entry).toMatchObject({
    kind: 'stream-closed',
    reason: 'shutdown',
  });
  expect(states.filter((state) => state.ended).map(({ id, size }) => ({ id, size }))).toEqual([
    { id: 'stream-1', size: 3 },
    { id: 'stream-2', size: 3 },
  ]);
  expect(certificateOf('stream-1').vkey).not.toBe(certificateOf('stream-2').vkey);
});

test('one signature a batch, however many entries it has', async () => {
  await Promise.all(Array.from({ length: 400 }, () => recorder.append(someOutcome())));
  expect(new Set(store.checkpoints).size).toBe(store.batches.length);
  expect(store.batches.map((batch) => batch.length)).toEqual([1, 400]);
});
