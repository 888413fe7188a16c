import { Column, getTableColumns, getViewSelectedFields } from 'drizzle-orm';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { leafHash, makeLeaf, sealEntry } from '../../src/record/leaf.ts';
import type { Leaf, RecordEntry, RecordStore, StreamRow } from '../../src/record/index.ts';
import { createPolicySourceStore, createRecordStore, type Store } from '../../src/store/index.ts';
import {
  anchors,
  decisions,
  ledger,
  policySources,
  records,
  sinks,
  streams,
} from '../../src/store/schema.ts';
import { someDecision, someOutcome } from './record-entries.ts';

let streamCount = 0;

/** A checkpoint: the database takes any text. */
const note = 'a checkpoint';

/** A stream that no other test writes. */
export const someStream = (epoch = '2026-11-20'): StreamRow => ({
  id: `stream-${(streamCount += 1)}-${Math.random()}`,
  epoch,
  replica: 'host/1',
  openedAt: `${epoch}T00:00:00.000Z`,
});

/** Leaves of a stream, from a sequence number on. */
export function leavesOf(
  stream: StreamRow,
  entries: readonly RecordEntry[],
  from = 0,
  ts = `${stream.epoch}T12:00:00.000Z`,
): Leaf[] {
  return entries.map((entry, index) =>
    makeLeaf(sealEntry(entry), { stream: stream.id, seq: from + index, ts, monoNs: index }),
  );
}

/** What holds of the record's tables on PostgreSQL and on the embedded database alike. */
export function recordStoreSuite(open: () => Store): void {
  let store: Store;
  let recordStore: RecordStore;
  beforeAll(() => {
    store = open();
    recordStore = createRecordStore(store);
  });
  const stored = (stream: StreamRow): Promise<{ seq: string; leaf: Buffer; bytes: Buffer }[]> =>
    store.general.raw(async (sql) => [
      ...(await sql<{ seq: string; leaf: Buffer; bytes: Buffer }[]>`
        select seq, leaf, bytes from records where stream = ${stream.id} order by seq`),
    ]);
  const opened = async (epoch?: string): Promise<StreamRow> => {
    const stream = someStream(epoch);
    await recordStore.openStream(stream);
    return stream;
  };

  describe('records', () => {
    test('are kept byte for byte, with their hash', async () => {
      const stream = await opened();
      const batch = leavesOf(stream, [
        someDecision({ message: 'ü \u0000 " \\ 😀 \ud800' }),
        someOutcome(),
      ]);
      expect(await recordStore.append(stream, batch, note)).toEqual({ kind: 'committed' });
      const rows = await stored(stream);
      expect(rows.map((row) => row.bytes.toString('utf8'))).toEqual(batch.map((leaf) => leaf.text));
      expect(rows.map((row) => row.leaf)).toEqual(rows.map((row) => leafHash(row.bytes)));
    });

    test('the last row of a batch carries its checkpoint, no other does', async () => {
      const stream = await opened();
      await recordStore.append(stream, leavesOf(stream, [someDecision(), someOutcome()]), 'one');
      await recordStore.append(stream, leavesOf(stream, [someOutcome()], 2), 'two');
      const rows = await store.general.raw(
        (sql) => sql<{ checkpoint: string | null }[]>`
          select checkpoint from records where stream = ${stream.id} order by seq`,
      );
      expect(rows.map((row) => row.checkpoint)).toEqual([null, 'one', 'two']);
    });

    test('any text a caller can send is stored, and takes no other record with it', async () => {
      const stream = await opened();
      let seq = 0;
      const text = fc.string({ unit: 'binary', maxLength: 2000 });
      await fc.assert(
        fc.asyncProperty(text, text, text, text, async (message, name, username, rule) => {
          const because = [{ rule, id: name, reason: message }];
          const entry = someDecision(
            { message, because, approvalId: rule },
            { name },
            { username },
          );
          const batch = leavesOf(stream, [entry, someOutcome()], seq);
          seq += 2;
          expect(await recordStore.append(stream, batch, note)).toEqual({ kind: 'committed' });
        }),
        { numRuns: 40 },
      );
      expect(await stored(stream)).toHaveLength(seq);
    });

    test('the same batch again changes nothing', async () => {
      const stream = await opened();
      const batch = leavesOf(stream, [someDecision(), someOutcome()]);
      await recordStore.append(stream, batch.slice(0, 1), note);
      expect(await recordStore.append(stream, batch, note)).toEqual({ kind: 'committed' });
      expect(await recordStore.append(stream, batch, note)).toEqual({ kind: 'committed' });
      expect(await stored(stream)).toHaveLength(2);
    });

    test('another record at the same place is a fork, and is not written', async () => {
      const stream = await opened();
      await recordStore.append(stream, leavesOf(stream, [someDecision(), someOutcome()]), note);
      const other = leavesOf(stream, [someDecision(), someOutcome({ status: 500 }), someOutcome()]);
      expect(await recordStore.append(stream, other, note)).toEqual({ kind: 'fork', seq: 1 });
      const rows = await stored(stream);
      expect(rows[1]?.bytes.toString()).toContain('"status":200');
    });

    test.each([
      { verb: 'update', statement: 'update records set status = 1' },
      { verb: 'delete', statement: 'delete from records' },
      { verb: 'truncate', statement: 'truncate records' },
      { verb: 'update a partition', statement: 'update records_20261120 set status = 1' },
      { verb: 'delete from a partition', statement: 'delete from records_20261120' },
      { verb: 'truncate a partition', statement: 'truncate records_20261120' },
    ])('nobody can $verb', async ({ statement }) => {
      const stream = await opened();
      await recordStore.append(stream, leavesOf(stream, [someDecision()]), note);
      await expect(store.general.raw((sql) => sql.unsafe(statement))).rejects.toThrow(
        /records are append-only/,
      );
    });

    test('a day gets its partition once, however many replicas cross midnight together', async () => {
      const epoch = '2027-01-01';
      await Promise.all(Array.from({ length: 8 }, () => opened(epoch)));
      const rows = await store.general.raw(
        (sql) => sql`select relname from pg_class where relname = 'records_20270101'`,
      );
      expect(rows).toHaveLength(1);
    });

    test('an orderly end of a stream is noted', async () => {
      const stream = await opened();
      await recordStore.closeStream(stream, 7, '2026-11-20T23:00:00.000Z');
      const [row] = await store
        .run((db) => db.select().from(streams).limit(1000))
        .then((rows) => rows.filter((one) => one.id === stream.id));
      expect(row).toMatchObject({ epoch: '2026-11-20', replica: 'host/1', closedSize: 7 });
    });
  });

  describe('the schema', () => {
    test.each([
      { name: 'streams', columns: getTableColumns(streams) },
      { name: 'records', columns: getTableColumns(records) },
      { name: 'ledger', columns: getTableColumns(ledger) },
      { name: 'anchors', columns: getTableColumns(anchors) },
      { name: 'sinks', columns: getTableColumns(sinks) },
      { name: 'decisions', columns: getViewSelectedFields(decisions) },
      { name: 'policy_sources', columns: getTableColumns(policySources) },
    ])('of $name is what queries take it for', async ({ name, columns }) => {
      const rows = await store.general.raw(
        (sql) => sql<{ column_name: string; type: string }[]>`
          select attname as column_name, format_type(atttypid, atttypmod) as type
          from pg_attribute where attrelid = ${name}::regclass and attnum > 0 and not attisdropped`,
      );
      const sqlName = (type: string): string =>
        type.replace('timestamptz', 'timestamp with time zone');
      const expected = Object.values(columns)
        .filter((column) => column instanceof Column)
        .map((column) => ({ column_name: column.name, type: sqlName(column.getSQLType()) }));
      expect([...rows]).toEqual(expected);
    });
  });

  describe('policy sources', () => {
    const sources = {
      hash: 'sha256:aa',
      wasm: 'sha256:bb',
      compiler: 'opa/0.70.0',
      files: { 'rules/a.rego': 'package rules.a\n# "ü"\n' },
    };

    test('are kept once per hash, and found by it', async () => {
      const kept = createPolicySourceStore(store);
      await kept.keep(sources);
      await kept.keep({ ...sources, files: { 'other.rego': '' } });
      expect(await kept.byHash('sha256:aa')).toEqual(sources);
      expect(await kept.byHash('sha256:none')).toBeNull();
    });
  });
}
