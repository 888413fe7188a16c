import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { DependencyError } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/log.ts';
import { Secret } from '../../src/base/secret.ts';
import { createRecorder, type Recorder, type RecorderEvent } from '../../src/record/index.ts';
import { someDeploymentKey } from '../support/deployment-key.ts';
import { FakeRecordStore } from '../support/fake-record-store.ts';
import { someDecision, someOutcome } from '../support/record-entries.ts';

const digestKey = new Secret('00'.repeat(32));
const deploymentKey = someDeploymentKey();
let store: FakeRecordStore;
let events: RecorderEvent[];
let recorder: Recorder;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.parse('2026-11-20T12:00:00Z') });
  store = new FakeRecordStore();
  events = [];
  let next = 0;
  recorder = createRecorder({
    store,
    clock: systemClock,
    digestKey,
    deploymentKey,
    log: silentLog,
    onFailure: (event) => events.push(event),
    ids: { next: () => `stream-${(next += 1)}` },
    replica: 'host/1',
  });
});
afterEach(() => {
  vi.useRealTimers();
});

/** How an append ended: `committed`, or the message of the DependencyError. */
const settled = (promise: Promise<void>): Promise<string> =>
  promise.then(
    () => 'committed',
    (cause: unknown) => {
      if (!(cause instanceof DependencyError)) throw cause;
      expect(cause.code).toBe('HOLDGATE_RECORD_UNAVAILABLE');
      return cause.message;
    },
  );
const decision = (requestId: string) => someDecision({ requestId });
const many = (count: number) =>
  Array.from({ length: count }, (_, index) => settled(recorder.append(decision(`r${index}`))));

describe('group commit', () => {
  test('a stream is committed before its first record', async () => {
    let openAtAppend = -1;
    store.onAppend = () => {
      openAtAppend = store.streams.length;
      return 'keep';
    };
    await recorder.append(decision('r1'));
    expect(openAtAppend).toBe(1);
    expect(store.streams[0]).toEqual({
      id: 'stream-1',
      epoch: '2026-11-20',
      replica: 'host/1',
      openedAt: '2026-11-20T12:00:00.000Z',
    });
  });

  test('what is appended together is one batch; what comes meanwhile is the next', async () => {
    const first = many(3);
    await Promise.all(first);
    expect(store.batches.map((batch) => batch.length)).toEqual([1, 3]);
    await Promise.all(many(1200));
    expect(store.batches.map((batch) => batch.length)).toEqual([1, 3, 500, 500, 200]);
  });

  test('a batch stays under its bytes, and a large entry goes alone', async () => {
    const large = {
      because: Array.from({ length: 100 }, () => ({
        rule: 'r',
        id: 'i',
        reason: 'x'.repeat(4000),
      })),
    };
    const appended = Array.from({ length: 5 }, () => recorder.append(someDecision(large)));
    await Promise.all(appended);
    for (const batch of store.batches) {
      expect(batch.reduce((sum, leaf) => sum + leaf.text.length, 0)).toBeLessThanOrEqual(
        1024 * 1024,
      );
    }
    expect(store.batches.map((batch) => batch.length)).toEqual([1, 2, 2, 1]);
  });

  test('sequence numbers count from 0 without holes, in the order of the appends', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 12 }),
        async (bursts) => {
          for (const burst of bursts) await Promise.all(many(burst));
          const leaves = [...store.rows.values()];
          expect(leaves.map((leaf) => leaf.seq)).toEqual(leaves.map((_, index) => index));
        },
      ),
      { numRuns: 20 },
    );
  });

  test('a new UTC day begins a new stream, and ends the old one with its size', async () => {
    await Promise.all(many(2));
    vi.setSystemTime(Date.parse('2026-11-21T00:00:00Z'));
    await recorder.append(decision('next day'));
    expect(store.streams.map((stream) => stream.epoch)).toEqual(['2026-11-20', '2026-11-21']);
    expect(store.closed).toEqual([{ id: 'stream-1', size: 4 }]);
    expect([...store.rows.keys()].join(' ')).toBe(
      'stream-1/0 stream-1/1 stream-1/2 stream-1/3 stream-2/0 stream-2/1',
    );
  });

  test('close commits what waits, ends the stream, and takes nothing more', async () => {
    const waiting = many(700);
    await recorder.close();
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(['committed']));
    expect(store.closed).toEqual([{ id: 'stream-1', size: 702 }]);
    expect(await settled(recorder.append(decision('late')))).toBe(
      'not recorded: the recorder is closed',
    );
    expect(recorder.available()).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a busy time has one timer, however many batches it has', async () => {
    const set = vi.spyOn(globalThis, 'setInterval');
    for (let count = 0; count < 20; count += 1) await recorder.append(decision(`r${count}`));
    expect(store.batches).toHaveLength(21);
    expect(set).toHaveBeenCalledTimes(1);
    await recorder.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a quarter of a second after the last answer nothing runs', async () => {
    await Promise.all(many(3));
    await vi.advanceTimersByTimeAsync(250);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a digest is the HMAC of the bytes under the key', () => {
    const hmac = createHmac('sha256', Buffer.alloc(32)).update('body').digest('hex');
    expect(recorder.digest(Buffer.from('body'))).toBe(`hmac-sha256:${hmac}`);
  });
});

describe('a broken store', () => {
  test('a batch that was committed although the connection broke is committed once', async () => {
    const ends = ['keep', 'keep-and-lose', 'keep'] as const;
    let call = 0;
    store.onAppend = () => ends[Math.min(call++, 2)] ?? 'keep';
    const waiting = many(3);
    await vi.advanceTimersByTimeAsync(100);
    expect(await Promise.all(waiting)).toEqual(['committed', 'committed', 'committed']);
    expect(store.batches[2]).toEqual(store.batches[1]);
    expect(store.checkpoints[2]).toBe(store.checkpoints[1]);
    expect(store.rows.size).toBe(4);
    expect(events.map((event) => event.kind)).toEqual(['down', 'recovered']);
  });

  test('callers are told after 5 s; the batch in doubt is sent until the store says what it holds', async () => {
    await recorder.append(decision('before'));
    store.onAppend = () => 'lose';
    const waiting = many(2);
    await vi.advanceTimersByTimeAsync(1000);
    expect(recorder.available()).toBe(false);
    await vi.advanceTimersByTimeAsync(4500);
    expect(await Promise.all(waiting)).toEqual(
      Array.from({ length: 2 }, () => 'not recorded: no commit within 5000 ms'),
    );
    store.onAppend = () => 'keep';
    await vi.advanceTimersByTimeAsync(2000);
    expect(recorder.available()).toBe(true);
    expect(store.rows.size).toBe(4);
    await recorder.append(decision('after'));
    expect(store.rows.get('stream-1/4')?.entry.requestId).toBe('after');
  });

  test('while it is down a decision is refused at once, an outcome waits for its return', async () => {
    store.onAppend = () => 'lose';
    const first = settled(recorder.append(decision('r1')));
    await vi.advanceTimersByTimeAsync(200);
    expect(await settled(recorder.append(decision('r2')))).toBe(
      'not recorded: the database is down',
    );
    const outcome = settled(recorder.append(someOutcome()));
    store.onAppend = () => 'keep';
    await vi.advanceTimersByTimeAsync(1500);
    expect(await first).toBe('committed');
    expect(await outcome).toBe('committed');
  });

  test('a store that cannot open a stream is down, and recovers without any new entry', async () => {
    store.onOpen = () => 'lose';
    const waiting = settled(recorder.append(decision('r1')));
    await vi.advanceTimersByTimeAsync(6000);
    expect(await waiting).toBe('not recorded: no commit within 5000 ms');
    expect(recorder.available()).toBe(false);
    store.onOpen = () => 'keep';
    await vi.advanceTimersByTimeAsync(1500);
    expect(recorder.available()).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('a call that never returns is answered after 5 s, and its connection dropped', async () => {
    store.onAppend = () => 'hang';
    const waiting = settled(recorder.append(decision('r1')));
    await vi.advanceTimersByTimeAsync(5500);
    expect(await waiting).toBe('not recorded: no commit within 5000 ms');
    expect(store.resets).toHaveLength(1);
    // The next try hangs too, until its own connection is dropped.
    store.onAppend = () => 'keep';
    await vi.advanceTimersByTimeAsync(6000);
    expect(recorder.available()).toBe(true);
  });

  test('close does not wait for a store that is down', async () => {
    store.onAppend = () => 'lose';
    const waiting = settled(recorder.append(decision('r1')));
    const closed = recorder.close();
    await vi.advanceTimersByTimeAsync(7000);
    await closed;
    expect(await waiting).toContain('not recorded');
    expect(vi.getTimerCount()).toBe(0);
  });

  test('close does not wait for a store that hangs', async () => {
    await recorder.append(decision('r1'));
    store.onAppend = () => 'hang';
    const closed = recorder.close();
    await vi.advanceTimersByTimeAsync(5000);
    await closed;
    expect(store.resets).toHaveLength(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('an entry that the database cannot store does not take the others of its batch with it', async () => {
    store.onAppend = (batch) =>
      batch.some((leaf) => leaf.entry.requestId === 'r1')
        ? { kind: 'refused', reason: 'bad text' }
        : 'keep';
    expect(await Promise.all(many(4))).toEqual([
      'committed',
      'not recorded: the database refused it: bad text',
      'committed',
      'committed',
    ]);
    expect([...store.rows.values()].map((leaf) => leaf.seq)).toEqual([0, 1, 2, 3]);
    expect(recorder.available()).toBe(true);
  });

  test('another writer on the stream stops recording for good', async () => {
    await recorder.append(decision('r1'));
    store.onAppend = (batch) => ({ kind: 'fork', seq: batch[0]?.seq ?? -1 });
    expect(await Promise.all(many(2))).toEqual(
      Array.from(
        { length: 2 },
        () => 'not recorded: another writer has record 2 of stream stream-1',
      ),
    );
    store.onAppend = () => 'keep';
    await vi.advanceTimersByTimeAsync(10_000);
    expect(recorder.available()).toBe(false);
    expect(await settled(recorder.append(someOutcome()))).toContain('another writer');
    expect(events.map((event) => event.kind)).toEqual(['stopped']);
  });

  test('what waits is bounded in size, and what is too much is refused, never dropped', async () => {
    store.onAppend = () => 'hang';
    const because = Array.from({ length: 120 }, () => ({
      rule: 'r',
      id: 'i',
      reason: 'x'.repeat(4000),
    }));
    const answers = Array.from({ length: 150 }, () =>
      settled(recorder.append(someDecision({ because }))),
    );
    const refused: string[] = [];
    for (const answer of answers) void answer.then((text) => refused.push(text));
    await vi.advanceTimersByTimeAsync(100);
    expect(refused.length).toBeGreaterThan(5);
    expect(refused.every((text) => text.includes('characters of records wait'))).toBe(true);
    await vi.advanceTimersByTimeAsync(6000);
    expect(await Promise.all(answers)).toHaveLength(150);
  });

  test('every append is answered, and every committed one is kept, whatever the store does', async () => {
    const ends = fc.constantFrom('keep', 'lose', 'keep-and-lose', 'hang');
    await fc.assert(
      fc.asyncProperty(
        fc.array(ends, { maxLength: 30 }),
        fc.array(fc.nat(9), { maxLength: 15 }),
        async (plan, bursts) => {
          const fake = new FakeRecordStore();
          const queue = [...plan];
          fake.onAppend = () => queue.shift() ?? 'keep';
          const log = silentLog;
          const one = createRecorder({
            store: fake,
            clock: systemClock,
            digestKey,
            deploymentKey,
            log,
            onFailure: () => {},
          });
          const answers: Promise<[string, string]>[] = [];
          for (const [step, burst] of bursts.entries()) {
            for (let index = 0; index < burst; index += 1) {
              const requestId = `${step}/${index}`;
              const answer = settled(one.append(someOutcome({ requestId })));
              answers.push(answer.then((text) => [requestId, text]));
            }
            await vi.advanceTimersByTimeAsync(700);
          }
          await vi.advanceTimersByTimeAsync(400_000);
          const kept = new Set([...fake.rows.values()].map((leaf) => leaf.entry.requestId));
          const seqs = [...fake.rows.values()].map((leaf) => leaf.seq);
          const committed = (await Promise.all(answers)).filter(([, text]) => text === 'committed');
          expect(committed.filter(([requestId]) => !kept.has(requestId))).toEqual([]);
          expect(seqs).toEqual(seqs.map((_, index) => index));
          expect(one.available()).toBe(true);
          fake.onAppend = () => 'keep';
          await one.close();
        },
      ),
      { numRuns: 60 },
    );
  });
});
