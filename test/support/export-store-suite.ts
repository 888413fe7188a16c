import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { RecordEntry, StreamRow } from '../../src/record/index.ts';
import { readExportCursor } from '../../src/store/export-cursor.ts';
import { createExportStore, createRecordStore, type Store } from '../../src/store/index.ts';
import { isoTime } from '../../src/base/clock.ts';
import { createManualTime } from './manual-time.ts';
import { someDecision, someOutcome } from './record-entries.ts';
import { leavesOf, someStream } from './record-store-suite.ts';

type Rows = 'leaves' | 'decisions';
type Range = { readonly since: string; readonly until: string };
type Exported = { readonly id: string; readonly ended: boolean };

const nowMs = Date.parse('2026-11-20T12:10:00Z');

/** A process that records: its stream, and what it wrote so far. */
class Writer {
  readonly stream: StreamRow;
  readonly #store: Store;
  #seq = 0;

  constructor(store: Store, epoch?: string) {
    this.#store = store;
    this.stream = someStream(epoch);
  }

  open(): Promise<void> {
    return createRecordStore(this.#store).openStream(this.stream);
  }

  async write(entries: readonly RecordEntry[], ts?: string): Promise<void> {
    const leaves = leavesOf(this.stream, entries, this.#seq, ts);
    const end = await createRecordStore(this.#store).append(this.stream, leaves, 'unsigned');
    if (end.kind !== 'committed') throw new Error(end.kind);
    this.#seq += leaves.length;
  }

  close(): Promise<void> {
    return createRecordStore(this.#store).closeStream(
      this.stream,
      this.#seq,
      `${this.stream.epoch}T23:00:00Z`,
    );
  }
}

/** What holds of exports on PostgreSQL and on the embedded database alike. Needs an empty database. */
export function exportStoreSuite(open: () => Store): void {
  let store: Store;
  let requests = 0;
  const { clock } = createManualTime(nowMs);

  beforeAll(() => {
    store = open();
  });
  const nextId = (): string => `request-${(requests += 1)}`;
  const callOf = (requestId: string): RecordEntry[] => [
    someDecision({ requestId }),
    someOutcome({ requestId }),
  ];
  /** A minute that no other test uses: records are at its beginning. */
  const freshMinute = (): Range => {
    minutes += 1;
    const at = Date.parse('2026-11-20T00:00:00Z') + minutes * 60_000;
    return { since: isoTime(at), until: isoTime(at + 60_000) };
  };
  let minutes = 0;
  const page = async (
    given: Partial<Range> & { cursor?: string; rows?: Rows; settleSeconds?: number },
    leavesMax = 2000,
  ) => {
    const request = { rows: 'decisions' as const, settleSeconds: 0, ...given };
    const read = await createExportStore(store, clock, leavesMax).page(request);
    if (!read.ok) throw new Error(read.error.message);
    const rows = read.value.rows.map(({ leaf, outcome }): Exported => {
      const { requestId } = JSON.parse(leaf) as { requestId: string };
      return { id: requestId, ended: outcome !== null };
    });
    return { ...read.value, rows };
  };
  const all = async (given: Parameters<typeof page>[0], leavesMax?: number) => {
    const rows: Exported[] = [];
    let cursor = given.cursor;
    for (;;) {
      const one = await page(cursor === undefined ? given : { ...given, cursor }, leavesMax);
      rows.push(...one.rows);
      cursor = one.cursor;
      if (!one.more) return { rows, cursor };
    }
  };

  describe('an export', () => {
    test('gives each decision with its outcome, and only what lies in its time', async () => {
      const before = new Writer(store);
      await before.open();
      await before.write(callOf(nextId()), freshMinute().since);
      const minute = freshMinute();
      const [first, second] = [nextId(), nextId()];
      await before.write([...callOf(first), someDecision({ requestId: second })], minute.since);
      await before.write(callOf(nextId()), minute.until);
      minutes += 1;
      const { rows } = await all(minute);
      expect(rows).toEqual([
        { id: first, ended: true },
        { id: second, ended: false },
      ]);
    });

    test('as leaves gives every record as it was written', async () => {
      const minute = freshMinute();
      const writer = new Writer(store);
      await writer.open();
      const entries = [...callOf(nextId()), someDecision({ requestId: nextId(), message: 'ü 😀' })];
      await writer.write(entries, minute.since);
      const read = await createExportStore(store, clock).page({
        rows: 'leaves',
        ...minute,
        settleSeconds: 0,
      });
      const wanted = leavesOf(writer.stream, entries, 0, minute.since).map(({ text }) => text);
      expect(read.ok && read.value.rows.map(({ leaf }) => leaf)).toEqual(wanted);
    });

    test('joins an outcome that the next day recorded', async () => {
      const [today, tomorrow] = [new Writer(store, '2026-11-21'), new Writer(store, '2026-11-22')];
      await Promise.all([today.open(), tomorrow.open()]);
      const id = nextId();
      const [since, until] = ['2026-11-21T23:59:59.000Z', '2026-11-22T00:00:00.000Z'];
      await today.write([someDecision({ requestId: id })], since);
      await tomorrow.write([someOutcome({ requestId: id })], '2026-11-22T00:00:01.000Z');
      expect((await all({ since, until })).rows).toEqual([{ id, ended: true }]);
    });

    test('holds a decision back until its outcome is there, and other processes go on', async () => {
      const [since, until] = ['2026-11-20T12:09:30.000Z', '2026-11-20T12:09:40.000Z'];
      const [slow, other] = [new Writer(store), new Writer(store)];
      await Promise.all([slow.open(), other.open()]);
      const [open1, behind, elsewhere] = [nextId(), nextId(), nextId()];
      await slow.write([someDecision({ requestId: open1 }), ...callOf(behind)], since);
      await other.write(callOf(elsewhere), since);
      const first = await all({ since, until, settleSeconds: 60 });
      expect(first.rows).toEqual([{ id: elsewhere, ended: true }]);
      await slow.write([someOutcome({ requestId: open1 })], since);
      const second = await all({ cursor: first.cursor, settleSeconds: 60 });
      expect(second.rows).toEqual([
        { id: open1, ended: true },
        { id: behind, ended: true },
      ]);
    });

    test('gives a decision without an outcome once the wait is over', async () => {
      const since = '2026-11-20T12:08:00.000Z';
      const until = '2026-11-20T12:09:00.000Z';
      const writer = new Writer(store);
      await writer.open();
      const id = nextId();
      await writer.write([someDecision({ requestId: id })], since);
      const request = { rows: 'decisions', since, until, settleSeconds: 60 } as const;
      const read = await createExportStore(store, clock).page(request);
      expect(read.ok && read.value.rows.map(({ outcome }) => outcome)).toEqual([null]);
    });
  });

  describe('a cursor', () => {
    test('never misses what a process records late, wherever the reader was killed', async () => {
      await fc.assert(
        fc.asyncProperty(
          // What happens, in order: a writer records calls, or the reader takes a page and is killed before or after it keeps it.
          fc.array(
            fc.oneof(
              fc.record({
                writer: fc.constantFrom(0, 1, 2),
                calls: fc.integer({ min: 1, max: 4 }),
              }),
              fc.record({ leavesMax: fc.integer({ min: 1, max: 5 }), isKept: fc.boolean() }),
            ),
            { maxLength: 14 },
          ),
          fc.constantFrom<Rows>('leaves', 'decisions'),
          async (steps, rows) => {
            const minute = freshMinute();
            // The third opens its stream late, on a day that the reader has passed already.
            const writers = [
              new Writer(store),
              new Writer(store),
              new Writer(store, '2026-11-19'),
            ] as const;
            const written: string[] = [];
            const kept: string[] = [];
            let cursor: string | undefined;
            const read = async (leavesMax: number, isKept: boolean): Promise<boolean> => {
              const one = await page(
                { ...minute, rows, ...(cursor === undefined ? {} : { cursor }) },
                leavesMax,
              );
              if (!isKept) return true;
              kept.push(...one.rows.map(({ id }) => id));
              cursor = one.cursor;
              return one.more;
            };
            for (const step of steps) {
              if ('leavesMax' in step) {
                await read(step.leavesMax, step.isKept);
                continue;
              }
              const writer = writers[step.writer];
              await writer.open();
              const ids = Array.from({ length: step.calls }, nextId);
              await writer.write(ids.flatMap(callOf), minute.since);
              written.push(...ids);
            }
            while (await read(3, true));
            const times = rows === 'leaves' ? 2 : 1;
            const wanted = written.flatMap((id) => Array.from({ length: times }, () => id));
            expect(kept.toSorted()).toEqual(wanted.toSorted());
          },
        ),
        { numRuns: 25 },
      );
    }, 120_000);

    test('gives nothing twice when nothing was added', async () => {
      const minute = freshMinute();
      const writer = new Writer(store);
      await writer.open();
      await writer.write(callOf(nextId()), minute.since);
      const { cursor } = await all(minute);
      const again = await page({ cursor });
      expect([again.rows, again.more]).toEqual([[], false]);
    });

    test('forgets streams of days that are over, and reads none of theirs again', async () => {
      const days = ['2026-09-01', '2026-09-02', '2026-11-01', '2026-11-02'];
      const writers = days.map((epoch) => new Writer(store, epoch));
      const ids = days.map(() => nextId());
      for (const [index, writer] of writers.entries()) {
        await writer.open();
        await writer.write(callOf(ids[index] ?? ''));
      }
      // The first ended with its process, more than a month ago; of November's, the first did.
      await writers[1]?.close();
      await writers[3]?.close();
      const read = await all({ since: '2026-09-01T00:00:00Z' }, 1);
      expect(ids.every((id) => read.rows.some((row) => row.id === id))).toBe(true);
      const position = readExportCursor(read.cursor);
      const kept = [...(position?.streams.values() ?? [])].map(({ epoch }) => epoch);
      expect(position?.floor).toBe('2026-11-01');
      expect(kept.toSorted().slice(0, 2)).toEqual(['2026-11-01', '2026-11-02']);
      expect((await page({ cursor: read.cursor })).rows).toEqual([]);
    });

    test.each([
      { name: 'noise', cursor: 'hello' },
      { name: 'empty', cursor: '' },
      { name: 'too long', cursor: 'A'.repeat(60_000) },
    ])('that is $name is refused', async ({ cursor }) => {
      const read = await createExportStore(store, clock).page({
        rows: 'leaves',
        cursor,
        settleSeconds: 0,
      });
      expect(read.ok ? null : read.error.code).toBe('HOLDGATE_CONSOLE_REQUEST_INVALID');
    });

    test('of another time is refused: rows would be missing without a word', async () => {
      const { cursor } = await page({ since: '2026-11-20T00:00:00Z' });
      const request = {
        rows: 'leaves',
        cursor,
        since: '2026-11-19T00:00:00Z',
        settleSeconds: 0,
      } as const;
      const read = await createExportStore(store, clock).page(request);
      expect(read.ok ? null : read.error.code).toBe('HOLDGATE_CONSOLE_REQUEST_INVALID');
    });
  });
}
