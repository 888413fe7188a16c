import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { err, ok } from '../../src/base/result.ts';
import { silentLog } from '../../src/base/log.ts';
import {
  exportFormats,
  SinkPush,
  type RecordEntry,
  type Sink,
  type SinkHolder,
} from '../../src/record/index.ts';
import {
  createExportStore,
  createRecordStore,
  createSinkStore,
  type Store,
} from '../../src/store/index.ts';
import { createManualTime } from './manual-time.ts';
import { someDecision, someOutcome } from './record-entries.ts';
import { leavesOf, someStream } from './record-store-suite.ts';

const one: SinkHolder = { name: 'siem', holder: 'one' };
const two: SinkHolder = { name: 'siem', holder: 'two' };

/** What holds of sinks on PostgreSQL and on the embedded database alike. Needs an empty database. */
export function sinkStoreSuite(
  open: () => Promise<{ readonly store: Store; readonly close: () => Promise<void> }>,
): void {
  let store: Store;
  let close: () => Promise<void>;
  beforeAll(async () => {
    ({ store, close } = await open());
  }, 120_000);
  afterAll(() => close());

  const named = (name: string) =>
    [
      { ...one, name },
      { ...two, name },
    ] as const;

  describe('a sink in the database', () => {
    test('is one process’s at a time, until that lets it go', async () => {
      const sinks = createSinkStore(store);
      const [first, second] = named('held');
      expect(await sinks.claim(first, 60)).toEqual({
        isHeld: true,
        cursor: null,
        lastError: null,
        lagSeconds: 0,
      });
      expect(await sinks.claim(second, 60)).toMatchObject({ isHeld: false });
      expect(await sinks.claim(first, 60)).toMatchObject({ isHeld: true });
      await sinks.release(second);
      expect(await sinks.claim(second, 60)).toMatchObject({ isHeld: false });
      await sinks.release(first);
      expect(await sinks.claim(second, 60)).toMatchObject({ isHeld: true });
    });

    test('is had by one of many that ask at once', async () => {
      const sinks = createSinkStore(store);
      const rows = await Promise.all(
        Array.from({ length: 12 }, (_, id) =>
          sinks.claim({ name: 'crowded', holder: `process-${id}` }, 60),
        ),
      );
      expect(rows.filter(({ isHeld }) => isHeld)).toHaveLength(1);
    });

    test('is free when the time of its holder is over', async () => {
      const sinks = createSinkStore(store);
      const [first, second] = named('dead');
      await sinks.claim(first, 60);
      await sinks.fail(first, { error: 'down', lagSeconds: 3, holdSeconds: -1 });
      expect(await sinks.claim(second, 60)).toEqual({
        isHeld: true,
        cursor: null,
        lastError: 'down',
        lagSeconds: 3,
      });
    });

    test('moves from where it was only, by its holder only', async () => {
      const sinks = createSinkStore(store);
      const [first, second] = named('moved');
      await sinks.claim(first, 60);
      await sinks.fail(first, { error: 'down \0', lagSeconds: 3, holdSeconds: 60 });
      expect(await sinks.move(second, { from: null, cursor: 'b', lagSeconds: 0 })).toBe(false);
      expect(await sinks.move(first, { from: 'a', cursor: 'b', lagSeconds: 0 })).toBe(false);
      expect(await sinks.claim(first, 10)).toMatchObject({
        cursor: null,
        lastError: 'down \ufffd',
      });
      expect(await sinks.move(first, { from: null, cursor: 'a', lagSeconds: 1.5 })).toBe(true);
      expect(await sinks.move(first, { from: null, cursor: 'b', lagSeconds: 0 })).toBe(false);
      expect(await sinks.claim(first, 60)).toEqual({
        isHeld: true,
        cursor: 'a',
        lastError: null,
        lagSeconds: 1.5,
      });
    });
  });

  test('a push delivers the whole record at least once, wherever its process was killed', async () => {
    const records = createRecordStore(store);
    const streams = [someStream(), someStream(), someStream('2026-11-19')];
    const seqs = new Map(streams.map(({ id }) => [id, 0]));
    const written: string[] = [];
    const write = async (index: number, calls: number): Promise<void> => {
      const stream = streams[index] ?? someStream();
      if (seqs.get(stream.id) === 0) await records.openStream(stream);
      const from = seqs.get(stream.id) ?? 0;
      const entries = Array.from({ length: calls }, (_, call): RecordEntry[] => {
        const requestId = `${stream.id}/${from + call * 2}`;
        return [someDecision({ requestId }), someOutcome({ requestId })];
      }).flat();
      const leaves = leavesOf(stream, entries, from);
      const end = await records.append(stream, leaves, 'unsigned');
      expect(end.kind).toBe('committed');
      seqs.set(stream.id, from + leaves.length);
      written.push(...leaves.map(({ text }) => text));
    };
    const arrived: string[] = [];
    /** A process that lives for so many deliveries, then dies at the worst moment: delivered, and the cursor not moved. */
    const live = async (holder: string, deliveriesMax: number): Promise<void> => {
      const time = createManualTime();
      const sinkStore = createSinkStore(store);
      let deliveries = 0;
      let isDead = false;
      const sink: Sink = {
        name: 'whole',
        rows: 'leaves',
        write: (row) => exportFormats.records.line(row).trimEnd(),
        deliver: (batch) => {
          deliveries += 1;
          // Every third is busy at first, so that the order of tries is part of it.
          if (deliveries % 3 === 2) {
            return Promise.resolve(err({ retry: true, detail: '', retryAfterMs: null }));
          }
          arrived.push(...batch.map(({ text }) => text));
          isDead = deliveries >= deliveriesMax;
          return Promise.resolve(ok({ rejected: 0, detail: '' }));
        },
      };
      let turns = 0;
      const push = new SinkPush({
        sink,
        store: {
          ...sinkStore,
          claim: async (who, seconds) => {
            turns += 1;
            return sinkStore.claim(who, seconds);
          },
          move: async (who, to) => (isDead ? false : sinkStore.move(who, to)),
        },
        read: createExportStore(store, systemClock, 4).page,
        record: () => Promise.reject(new Error('nothing is skipped here')),
        clock: time.clock,
        schedule: time.schedule,
        random: () => 0,
        log: silentLog,
        holder,
        since: undefined,
        settleSeconds: 0,
        timeoutMs: 10_000,
      });
      push.start();
      while (!isDead && turns < 40) {
        const before = turns;
        time.advance(1000);
        await expect.poll(() => turns > before, { timeout: 10_000, interval: 1 }).toBe(true);
        // The turn is over when its next one is planned.
        await expect.poll(() => time.pending().length, { timeout: 10_000, interval: 1 }).toBe(1);
      }
      // The hold of a process that was killed runs out; here it is ended by hand.
      await push.close();
    };
    await write(0, 5);
    await live('first', 1);
    await write(1, 4);
    await live('second', 3);
    await write(2, 3);
    await write(0, 2);
    await live('third', 4);
    await live('fourth', Infinity);
    expect(new Set(arrived)).toEqual(new Set(written));
    // It did die in between: something came twice.
    expect(arrived.length).toBeGreaterThan(written.length);
    const state = await createSinkStore(store).claim({ name: 'whole', holder: 'last' }, 1);
    expect(state).toMatchObject({ lastError: null, lagSeconds: 0 });
  }, 120_000);
}
