import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { DependencyError } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/log.ts';
import { Secret } from '../../src/base/secret.ts';
import { createRecorder, type Recorder, type RecorderEvent } from '../../src/record/index.ts';
import { connectStore, createRecordStore, migrate, type Store } from '../../src/store/index.ts';
import { someDeploymentKey } from '../support/deployment-key.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { someDecision, someOutcome } from '../support/record-entries.ts';

let server: TestPostgres;
let store: Store;
/** Does what an administrator does, on a pool of its own. */
let admin: Store;
let recorder: Recorder;
let events: RecorderEvent[];

const connect = (url: string): Promise<Store> =>
  connectStore({
    url: new Secret(url),
    dataDirectory: '/nonexistent',
    log: silentLog,
    clock: systemClock,
  });
const execute = (statement: string): Promise<unknown> =>
  admin.general.raw((sql) => sql.unsafe(statement));

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());
beforeEach(async () => {
  const url = await server.createDatabase();
  store = await connect(url);
  admin = await connect(url);
  await migrate(store, { log: silentLog });
  events = [];
  recorder = createRecorder({
    store: createRecordStore(store),
    clock: systemClock,
    digestKey: new Secret('00'.repeat(32)),
    deploymentKey: someDeploymentKey(),
    log: silentLog,
    onFailure: (event) => events.push(event),
  });
});
afterEach(async () => {
  await recorder.close();
  await store.close();
  await admin.close();
});

const recovered = (): Promise<void> =>
  vi.waitFor(() => expect(recorder.available()).toBe(true), { timeout: 20_000, interval: 20 });
const down = (): Promise<void> =>
  vi.waitFor(() => expect(recorder.available()).toBe(false), { timeout: 20_000, interval: 20 });
const kept = async (): Promise<Set<string>> => {
  const rows = await admin.general.raw(
    (sql) => sql<{ request_id: string }[]>`select request_id from records where request_id <> ''`,
  );
  return new Set(rows.map((row) => row.request_id));
};
const withoutHoles = async (): Promise<void> => {
  const holes = await admin.general.raw(
    (sql) => sql`
      select stream from records group by stream having max(seq) + 1 <> count(*) or min(seq) <> 0`,
  );
  expect([...holes]).toEqual([]);
};

describe('a server killed with -9 under a load of appends', () => {
  test('keeps every acknowledged record; appends are refused while it is down, and go on by themselves', async (context) => {
    const { kill } = server;
    if (kill === null) context.skip('the server of DATABASE_URL is not ours to kill');
    const acknowledged: string[] = [];
    const stop = new AbortController();
    let count = 0;
    const caller = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        const requestId = `request-${(count += 1)}`;
        try {
          await recorder.append(someDecision({ requestId }));
          acknowledged.push(requestId);
        } catch (cause) {
          if (!(cause instanceof DependencyError)) throw cause;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    const callers = Array.from({ length: 32 }, caller);
    for (let round = 0; round < 3; round += 1) {
      const before = acknowledged.length;
      await vi.waitFor(() => expect(acknowledged.length).toBeGreaterThan(before + 200), {
        timeout: 20_000,
      });
      await kill?.();
      await down();
      await expect(recorder.append(someDecision({ requestId: 'refused' }))).rejects.toThrow(
        /not recorded: the database is down/,
      );
      await server.start();
      await recovered();
    }
    stop.abort();
    await Promise.all(callers);
    await vi.waitFor(async () => {
      const all = await kept();
      expect(acknowledged.filter((id) => !all.has(id))).toEqual([]);
    });
    await withoutHoles();
    expect(events.map((event) => event.kind)).toEqual(
      Array.from({ length: 3 }, () => ['down', 'recovered']).flat(),
    );
  }, 120_000);

  test('listeners hear hints again, and are told that some may be lost', async (context) => {
    const { kill } = server;
    if (kill === null) context.skip('the server of DATABASE_URL is not ours to kill');
    const heard: string[] = [];
    store.onNotify('approvals', (payload) => heard.push(payload));
    const hear = (payload: string): Promise<void> =>
      vi.waitFor(
        async () => {
          await admin.notify('approvals', payload).catch(() => {});
          expect(heard).toContain(payload);
        },
        { timeout: 20_000, interval: 50 },
      );
    await hear('before');
    await kill?.();
    await server.start();
    await hear('after');
    expect(heard).toContain('');
  }, 60_000);
});

describe('a server that does not answer any more', () => {
  test('callers are refused after 5 s, and the record goes on when it answers again', async (context) => {
    const { freeze } = server;
    if (freeze === null) context.skip('the server of DATABASE_URL is not ours to freeze');
    await recorder.append(someDecision({ requestId: 'before' }));
    freeze?.(true);
    const began = performance.now();
    await expect(recorder.append(someDecision({ requestId: 'during' }))).rejects.toThrow(
      /no commit within 5000 ms/,
    );
    expect(performance.now() - began).toBeLessThan(6000);
    await expect(store.run((db) => db.execute('select 1'))).rejects.toThrow(DependencyError);
    freeze?.(false);
    await recovered();
    await recorder.append(someDecision({ requestId: 'after' }));
    await store.run((db) => db.execute('select 1'));
    expect(await kept()).toEqual(new Set(['before', 'during', 'after']));
    await withoutHoles();
  }, 60_000);
});

describe('a server that refuses to write', () => {
  test.each([
    {
      name: 'a full disk',
      break: `create function full_disk() returns trigger language plpgsql as
        $$ begin raise exception 'could not extend file' using errcode = 'disk_full'; end $$;
        create trigger full_disk before insert on records for each statement execute function full_disk()`,
      mend: 'drop trigger full_disk on records',
    },
    {
      name: 'a read-only server',
      break: `do $$ begin execute format('alter database %I set default_transaction_read_only = on', current_database()); end $$;
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`,
      mend: `set default_transaction_read_only = off;
        do $$ begin execute format('alter database %I reset default_transaction_read_only', current_database()); end $$;
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`,
    },
    {
      name: 'a table without the right to insert',
      break: 'alter table records rename to records_gone',
      mend: 'alter table records_gone rename to records',
    },
  ])(
    '$name: appends are refused, and go on by themselves',
    async ({ break: breakIt, mend }) => {
      await recorder.append(someDecision({ requestId: 'before' }));
      await execute(breakIt);
      const during = recorder.append(someDecision({ requestId: 'during' }));
      const end = during.then(
        () => 'committed',
        (cause: unknown) => cause,
      );
      await down();
      await expect(recorder.append(someDecision({ requestId: 'refused' }))).rejects.toThrow(
        /not recorded/,
      );
      const outcome = recorder.append(someOutcome({ requestId: 'outcome' }));
      await execute(mend).catch(() => execute(mend));
      await recovered();
      await outcome;
      expect(await end).toBe('committed');
      await recorder.append(someDecision({ requestId: 'after' }));
      expect(await kept()).toEqual(new Set(['before', 'during', 'outcome', 'after']));
      await withoutHoles();
    },
    60_000,
  );

  test('a lock that is not given: callers are refused after 5 s, and the record goes on when it is', async () => {
    await recorder.append(someDecision({ requestId: 'before' }));
    let release = (): void => {};
    let locked = (): void => {};
    const isLocked = new Promise<void>((resolve) => (locked = resolve));
    const held = admin.general.raw(
      (sql) =>
        sql.begin(async (tx) => {
          await tx`set local idle_in_transaction_session_timeout = 0`;
          await tx`lock table records in access exclusive mode`;
          await new Promise<void>((resolve) => {
            release = resolve;
            locked();
          });
        }),
      { timeoutMs: 60_000 },
    );
    await isLocked;
    const began = performance.now();
    await expect(recorder.append(someDecision({ requestId: 'during' }))).rejects.toThrow(
      /no commit within 5000 ms/,
    );
    expect(performance.now() - began).toBeLessThan(6000);
    expect(recorder.available()).toBe(false);
    release();
    await held;
    await recovered();
    await recorder.append(someDecision({ requestId: 'after' }));
    expect(await kept()).toEqual(new Set(['before', 'during', 'after']));
    await withoutHoles();
  }, 60_000);
});
