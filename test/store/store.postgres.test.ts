import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { Secret } from '../../src/base/secret.ts';
import {
  connectStore,
  createRecordStore,
  ensureMigrated,
  migrate,
  type Store,
} from '../../src/store/index.ts';
import { decisionStoreSuite } from '../support/decision-store-suite.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { someDecision } from '../support/record-entries.ts';
import { leavesOf, recordStoreSuite, someStream } from '../support/record-store-suite.ts';

let server: TestPostgres;
let store: Store;
let url: string;
const connect = (to: string): Promise<Store> =>
  connectStore({
    url: new Secret(to),
    dataDirectory: '/nonexistent',
    log: silentLog,
    clock: systemClock,
  });

beforeAll(async () => {
  server = await startPostgres();
  url = await server.createDatabase();
  store = await connect(url);
});
afterAll(async () => {
  await store.close();
  await server.stop();
});

describe('migrations on PostgreSQL', () => {
  test('a gateway does not start before an operator migrated', async () => {
    const start = ensureMigrated(store, { migrate: false, log: silentLog });
    await expect(start).rejects.toThrow(/then run holdgate migrate/);
  });

  test('two replicas that migrate together apply each migration once', async () => {
    const other = await connect(url);
    const applied = await Promise.all([
      migrate(store, { log: silentLog }),
      migrate(other, { log: silentLog }),
    ]);
    expect(applied.filter((tags) => tags.length > 0)).toHaveLength(1);
    await ensureMigrated(other, { migrate: false, log: silentLog });
    await other.close();
  });
});

describe('on PostgreSQL', () => {
  decisionStoreSuite(() => store);
  recordStoreSuite(() => store);
});

describe('sessions', () => {
  test('commit to disk, whatever the role or the URL says', async () => {
    await store.general.raw(async (sql) => {
      await sql`alter role current_user set synchronous_commit = off`;
    });
    const other = await connect(`${url}?synchronous_commit=off`);
    for (const pool of [other.general, other.recording]) {
      const [row] = await pool.raw(
        (sql) => sql`
        select current_setting('synchronous_commit') as commit, current_setting('statement_timeout') as timeout`,
      );
      expect(row).toEqual({ commit: 'on', timeout: '5s' });
    }
    await other.close();
    await store.general.raw(async (sql) => {
      await sql`alter role current_user reset synchronous_commit`;
    });
  });

  test('a slow query of people does not make a record wait', async () => {
    const slow = Array.from({ length: 20 }, () =>
      store.run((db) => db.execute('select pg_sleep(1)')),
    );
    const began = performance.now();
    await store.recording.raw((sql) => sql`select 1`);
    expect(performance.now() - began).toBeLessThan(900);
    await Promise.all(slow);
  });

  test('a transaction whose work rejects leaves nothing', async () => {
    await store.run((db) => db.execute('create table if not exists undone (a int)'));
    const work = store.transaction(async (tx) => {
      await tx.execute('insert into undone values (1)');
      throw new Error('mine');
    });
    await expect(work).rejects.toThrow('mine');
    const [row] = await store.general.raw((sql) => sql`select count(*)::int as count from undone`);
    expect(row).toEqual({ count: 0 });
  });

  test('hints reach other replicas', async () => {
    const other = await connect(url);
    const heard = new Promise<string>((resolve) => {
      other.onNotify('approvals', resolve);
    });
    // LISTEN takes a moment; a hint is only a hint, so it is repeated until it is heard.
    const again = setInterval(() => void store.notify('approvals', 'id-1'), 50);
    expect(await heard).toBe('id-1');
    clearInterval(again);
    await other.close();
  });

  test('a role that may only insert and read can record, and can change nothing', async () => {
    const role = `holdgate_test_${Math.random().toString(36).slice(2)}`;
    const owner = (statement: string): Promise<unknown> =>
      store.general.raw((sql) => sql.unsafe(statement));
    await owner(`create role ${role} login password '${role}';
      grant insert, select on records, policy_sources to ${role};
      grant insert, select, update on streams to ${role};
      grant select on decisions, holdgate_migrations to ${role}`);
    const limited = new URL(url);
    limited.username = role;
    limited.password = role;
    const other = await connect(limited.href);
    await ensureMigrated(other, { migrate: false, log: silentLog });
    const records = createRecordStore(other);
    const stream = someStream('2026-12-24');
    await records.openStream(stream);
    const batch = leavesOf(stream, [someDecision()]);
    expect(await records.append(stream, batch, 'a checkpoint')).toEqual({ kind: 'committed' });
    expect(await records.append(stream, batch, 'a checkpoint')).toEqual({ kind: 'committed' });
    await records.closeStream(stream, 1, '2026-12-24T12:00:00Z');
    for (const statement of [
      'update records set status = 1',
      'delete from records',
      'truncate records',
      'drop table records',
      'alter table records disable trigger all',
    ]) {
      const attempt = other.general.raw((sql) => sql.unsafe(statement));
      await expect(attempt).rejects.toThrow(/permission denied|must be owner/);
    }
    await other.close();
    await owner(`drop owned by ${role}; drop role ${role}`);
  });
});
