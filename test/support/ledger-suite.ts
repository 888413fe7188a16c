import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { Secret } from '../../src/base/secret.ts';
import {
  Anchors,
  checkHead,
  createRecorder,
  Ledger,
  ledgerHeadFile,
  readLedgerHead,
  type DeploymentKey,
  type LedgerStore,
  type Recorder,
  type SeenHead,
} from '../../src/record/index.ts';
import { hashTree, rootAt } from '../../src/record/merkle/proofs.ts';
import { openCheckpoint } from '../../src/record/signing/checkpoint.ts';
import { openCertificate } from '../../src/record/signing/stream-certificate.ts';
import { createLedgerStore, createRecordStore, type Store } from '../../src/store/index.ts';
import { someDeploymentKey } from './deployment-key.ts';
import { someOutcome } from './record-entries.ts';

type Row = { readonly kind: string; readonly text: string; readonly checkpoint: string | null };

/** A process of a deployment: a recorder and its ledger, by one clock. */
type Process = {
  readonly recorder: Recorder;
  readonly ledger: Ledger;
  readonly directory: string;
  readonly anchored: string[];
};

/** What holds of the ledger on PostgreSQL and on the embedded database alike. Each test has a fresh database. */
export function ledgerSuite(
  open: () => Promise<{ store: Store; close: () => Promise<void> }>,
): void {
  let store: Store;
  let ledgerStore: LedgerStore;
  let closeStore: () => Promise<void>;
  let key: DeploymentKey;
  let clock: Clock & { add: (ms: number) => void };
  const directories: string[] = [];

  beforeAll(() => {
    key = someDeploymentKey('one');
  });
  beforeEach(async () => {
    ({ store, close: closeStore } = await open());
    ledgerStore = createLedgerStore(store);
    let monotonicMs = 0;
    clock = {
      nowMs: () => Date.parse('2026-11-20T12:00:00Z') + monotonicMs,
      monotonicMs: () => monotonicMs,
      add: (ms) => {
        monotonicMs += ms;
      },
    };
  }, 120_000);
  afterEach(async () => {
    await closeStore();
    for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
  });

  function start(seen: SeenHead | null = null, deploymentKey = key): Process {
    const directory = mkdtempSync(join(tmpdir(), 'holdgate-ledger-'));
    directories.push(directory);
    const anchored: string[] = [];
    const place = {
      kind: 'file' as const,
      ref: 'a place',
      put: ({ note }: { note: string }) => {
        anchored.push(note);
        return Promise.resolve();
      },
    };
    const common = { deploymentKey, clock, log: silentLog };
    const ledger = new Ledger({
      ...common,
      store: ledgerStore,
      anchors: new Anchors([place], { store: ledgerStore, clock, log: silentLog }),
      headFile: ledgerHeadFile(directory),
      seen,
    });
    const recorder = createRecorder({
      ...common,
      store: createRecordStore(store),
      digestKey: new Secret('00'.repeat(32)),
      onFailure: () => {},
      onCommitted: (state) => ledger.noteStream(state),
    });
    return { recorder, ledger, directory, anchored };
  }
  const execute = (statement: string): Promise<unknown> =>
    store.general.raw((sql) => sql.unsafe(statement));
  const rows = (): Promise<Row[]> =>
    store.general.raw(async (sql) => [
      ...(await sql<Row[]>`
        select kind, convert_from(bytes, 'UTF8') as text, checkpoint from ledger order by seq`),
    ]);
  const kinds = async (): Promise<string[]> => (await rows()).map((row) => row.kind);
  const heard = (minutes: number): Promise<unknown> =>
    execute(`update streams set seen_at = clock_timestamp() - interval '${minutes} minutes'`);

  /** What an auditor does: every checkpoint is signed, and of exactly the rows before it. */
  async function verifyLedger(): Promise<void> {
    const stored = await store.general.raw(
      (sql) => sql<{ seq: string; leaf: Uint8Array; checkpoint: string | null }[]>`
        select seq::text as seq, leaf, checkpoint from ledger order by ledger.seq`,
    );
    expect(stored.map((row) => Number(row.seq))).toEqual(stored.map((_, index) => index));
    const tree = hashTree(stored.map((row) => Buffer.from(row.leaf)));
    for (const [index, { checkpoint }] of stored.entries()) {
      if (checkpoint === null) continue;
      const opened = openCheckpoint(checkpoint, key.verifier, 'one/ledger');
      expect(opened).toEqual({
        ok: true,
        value: { origin: 'one/ledger', size: index + 1, root: rootAt(tree, index + 1) },
      });
    }
    expect(stored.at(-1)?.checkpoint).not.toBeNull();
  }

  describe('the ledger', () => {
    test('takes down the certificate and the newest checkpoint of each stream that grew', async () => {
      const one = start();
      await one.recorder.append(someOutcome());
      await one.ledger.tick();
      expect(await kinds()).toEqual(['certificate', 'checkpoint', 'heartbeat']);
      await one.ledger.tick();
      expect(await kinds()).toHaveLength(3);
      await Promise.all([one.recorder.append(someOutcome()), one.recorder.append(someOutcome())]);
      await one.ledger.tick();
      const [certificate, , , last] = await rows();
      expect(openCertificate(certificate?.text ?? '', key.verifier).ok).toBe(true);
      expect(last?.kind).toBe('checkpoint');
      expect(last?.text).toMatch(/^one\/stream\/\S+\n4\n/);
      await verifyLedger();
    });

    test('says that it lives once a minute, with nothing to take down', async () => {
      const one = start();
      await one.ledger.tick();
      expect(await kinds()).toEqual(['heartbeat']);
      clock.add(30_000);
      await one.ledger.tick();
      expect(await kinds()).toEqual(['heartbeat']);
      await execute('alter table ledger disable trigger user');
      await execute("update ledger set at = at - interval '61 seconds'");
      await execute('alter table ledger enable trigger user');
      clock.add(31_000);
      await one.ledger.tick();
      expect(await kinds()).toEqual(['heartbeat', 'heartbeat']);
      await verifyLedger();
    });

    test('is one tree, however many replicas write it at once', async () => {
      const processes = Array.from({ length: 4 }, () => start());
      for (let round = 0; round < 6; round += 1) {
        await Promise.all(processes.map(({ recorder }) => recorder.append(someOutcome())));
        await Promise.all(processes.map(({ ledger }) => ledger.tick()));
      }
      for (const { ledger } of processes) await ledger.tick();
      await verifyLedger();
      const taken = (await rows()).filter(({ text }) => /^one\/stream\/\S+\n7\n/.test(text));
      expect(taken).toHaveLength(4);
    });

    test.each([
      { verb: 'update', statement: "update ledger set kind = 'x'" },
      { verb: 'delete', statement: 'delete from ledger' },
      { verb: 'truncate', statement: 'truncate ledger' },
    ])('nobody can $verb', async ({ statement }) => {
      await start().ledger.tick();
      await expect(execute(statement)).rejects.toThrow(/records are append-only/);
    });

    test('takes down the end of a stream that is closed in order, and is done with it', async () => {
      const { recorder, ledger } = start();
      await recorder.append(someOutcome());
      await recorder.close();
      await ledger.close();
      expect((await rows()).at(1)?.text).toMatch(/^one\/stream\/\S+\n3\n/);
      const settled = await store.general.raw(
        (sql) => sql`select settled, ledger_size from streams`,
      );
      expect(settled[0]).toMatchObject({ settled: true, ledger_size: '3' });
    });

    test('of a process that died is finished by another, which records that it was abandoned', async () => {
      const dead = start();
      await dead.recorder.append(someOutcome());
      await heard(1);
      const one = start();
      await one.recorder.append(someOutcome());
      one.ledger.start((entry) => one.recorder.append(entry));
      await one.ledger.tick();
      const ends = (await rows()).filter(({ text }) => /^one\/stream\/\S+\n2\n/.test(text));
      expect(ends).toHaveLength(2);

      const silent = `update streams set seen_at = clock_timestamp() - interval '6 minutes'
        where id in (select id from streams order by opened_at, seen_at limit 1)`;
      await execute(silent);
      clock.add(30_000);
      await one.ledger.tick();
      const marked = (): Promise<string[]> =>
        store.general.raw(async (sql) =>
          (
            await sql<{ text: string }[]>`
              select convert_from(bytes, 'UTF8') as text from records where kind = 'stream-abandoned'`
          ).map((row) => row.text),
        );
      // Not within a minute after its own start: after a time without the database everybody is silent.
      expect(await marked()).toEqual([]);
      clock.add(40_000);
      await one.ledger.tick();
      const [entry] = await marked();
      expect(JSON.parse(entry ?? '{}')).toMatchObject({ size: 2, problem: '' });
      clock.add(40_000);
      await one.ledger.tick();
      expect(await marked()).toHaveLength(1);
      await one.recorder.close();
      await one.ledger.close();
      await verifyLedger();
    });

    test('does not sign what others put into the tables', async () => {
      const forger = start(null, someDeploymentKey('one'));
      await forger.recorder.append(someOutcome());
      await heard(1);
      await start().ledger.tick();
      expect(await kinds()).toEqual(['heartbeat']);
    });

    test('is not continued where its end was cut off, replaced or signed by another key', async () => {
      const one = start();
      await one.ledger.tick();
      await one.recorder.append(someOutcome());
      await one.ledger.tick();
      await execute('alter table ledger disable trigger user');
      await execute('delete from ledger where seq > 0');
      await one.recorder.append(someOutcome());
      await one.ledger.tick();
      expect(await kinds()).toEqual(['heartbeat']);
      const other = start(null, someDeploymentKey('one'));
      await other.ledger.tick();
      expect(await kinds()).toEqual(['heartbeat']);
      await execute("update ledger set peaks = decode(repeat('00', 32), 'hex')");
      const third = start();
      await third.ledger.tick();
      expect(await kinds()).toEqual(['heartbeat']);
    });

    test('recording goes on while the ledger cannot', async () => {
      const one = start();
      await execute('alter table ledger rename to ledger_gone');
      await one.recorder.append(someOutcome());
      await one.ledger.tick();
      await one.recorder.append(someOutcome());
      await execute('alter table ledger_gone rename to ledger');
      await one.ledger.tick();
      await verifyLedger();
      expect((await rows())[1]?.text).toMatch(/\n3\n/);
    });
  });

  describe('what a gateway saw last', () => {
    test('is in its data directory, and a database that is behind or another is found out', async () => {
      const one = start();
      await one.recorder.append(someOutcome());
      await one.ledger.close();
      const file = ledgerHeadFile(one.directory);
      const last = await readLedgerHead(file, key);
      if (!last.ok || last.value === null) throw new Error('no head was written');
      expect(last.value).toMatchObject({ origin: 'one/ledger', size: 3 });
      expect(readFileSync(file, 'utf8')).toBe((await rows())[2]?.checkpoint);

      const seen = { ...last.value, accepted: null };
      const check = async () => checkHead(await ledgerStore.look(seen.size), seen, key);
      expect((await check()).ok).toBe(true);
      await start().ledger.tick();
      await execute('alter table ledger disable trigger user');
      await execute('delete from ledger where seq >= 2');
      const behind = await check();
      expect(behind.ok ? '' : behind.error).toMatch(/has 2 entries, but this gateway has seen 3/);
      await execute('delete from ledger');
      const empty = await check();
      expect(empty.ok ? '' : empty.error).toMatch(/has 0 entries/);
      const two = start();
      await two.recorder.append(someOutcome());
      await two.ledger.tick();
      const other = await check();
      expect(other.ok ? '' : other.error).toMatch(
        /another one than this gateway has seen at entry 3/,
      );
    });

    test('of another key is no checkpoint', async () => {
      const one = start();
      await one.ledger.close();
      const read = await readLedgerHead(ledgerHeadFile(one.directory), someDeploymentKey('one'));
      expect(read.ok ? '' : read.error).toMatch(/is not of this deployment's key/);
      expect(await readLedgerHead(join(one.directory, 'none'), key)).toEqual({
        ok: true,
        value: null,
      });
    });
  });

  test('an anchor gets the newest checkpoint, once a minute, and where it is gets noted', async () => {
    const one = start();
    for (let round = 0; round < 5; round += 1) {
      await one.recorder.append(someOutcome());
      await one.ledger.tick();
      clock.add(13_000);
    }
    await one.recorder.close();
    await one.ledger.close();
    expect(one.anchored).toHaveLength(2);
    const noted = await store.general.raw(
      (sql) => sql`select ledger_size, kind, ref from anchors order by ledger_size`,
    );
    expect(noted[0]).toMatchObject({ ledger_size: '3', kind: 'file', ref: 'a place' });
    expect(one.anchored.at(-1)).toBe((await rows()).at(-1)?.checkpoint);
  });
}
