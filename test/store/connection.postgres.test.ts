import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { DependencyError } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/log.ts';
import { Secret } from '../../src/base/secret.ts';
import { createRecorder } from '../../src/record/index.ts';
import {
  connectStore,
  createRecordStore,
  createSessionProjection,
  createSessionStore,
  migrate,
  type Store,
} from '../../src/store/index.ts';
import { someDeploymentKey } from '../support/deployment-key.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { someDecision } from '../support/record-entries.ts';

// An exception out of an immediate, which is how a lost connection ended the process, fails the whole run of vitest.

let server: TestPostgres;
let store: Store;
/** Does what an administrator does, on a pool of its own. */
let admin: Store;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());
beforeEach(async () => {
  const url = new Secret(await server.createDatabase());
  const connect = (): Promise<Store> =>
    connectStore({ url, dataDirectory: '/nonexistent', log: silentLog, clock: systemClock });
  store = await connect();
  admin = await connect();
  await migrate(store, { log: silentLog });
  await admin.general.raw((sql) => sql`create table notes (text text)`);
});
afterEach(async () => {
  await store.close();
  await admin.close();
});

const notes = async (): Promise<unknown[]> => {
  const rows = await admin.general.raw((sql) => sql<{ text: string }[]>`select text from notes`);
  return rows.map((row) => row.text);
};
/** Ends every connection of `store`, and waits until the server has none of them left. */
const terminateOthers = async (): Promise<void> => {
  await admin.general.raw(async (sql) => {
    const others = sql`
      from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`;
    await sql`select pg_terminate_backend(pid) ${others}`;
    await vi.waitFor(async () => expect([...(await sql`select pid ${others}`)]).toEqual([]));
  });
};

describe('a transaction that loses its connection', () => {
  test('rejects while a statement runs; the process and the next transaction go on', async () => {
    let began = (): void => {};
    const isRunning = new Promise<void>((resolve) => (began = resolve));
    const work = store.general.raw((sql) =>
      sql.begin(async (tx) => {
        await tx`insert into notes values ('lost')`;
        setTimeout(began, 50);
        await tx`select pg_sleep(4)`;
      }),
    );
    const end = work.then(
      () => null,
      (cause: unknown) => cause,
    );
    await isRunning;
    await terminateOthers();
    expect(await end).toBeInstanceOf(DependencyError);
    await store.general.raw((sql) => sql.begin((tx) => tx`insert into notes values ('next')`));
    expect(await notes()).toEqual(['next']);
  });

  test('runs nothing of what comes later, neither outside of it nor on another connection', async () => {
    const work = store.general.raw((sql) =>
      sql.begin(async (tx) => {
        await tx`insert into notes values ('before')`;
        await terminateOthers();
        await tx`insert into notes values ('after')`.catch(() => {});
        await tx`insert into notes values ('later')`;
      }),
    );
    await expect(work).rejects.toThrow(DependencyError);
    expect(await notes()).toEqual([]);
  });

  test('is the same through drizzle', async () => {
    const work = store.transaction(async (tx) => {
      await tx.execute(`insert into notes values ('before')`);
      await terminateOthers();
      await tx.execute(`insert into notes values ('after')`);
    });
    await expect(work).rejects.toThrow(DependencyError);
    expect(await notes()).toEqual([]);
  });
});

test('a transaction with a failed statement that its work passes over is not taken for committed', async () => {
  const work = store.general.raw((sql) =>
    sql.begin(async (tx) => {
      await tx`insert into notes values ('before')`;
      await tx`select 1 / 0`.catch(() => {});
    }),
  );
  await expect(work).rejects.toThrow('a transaction ended with ROLLBACK');
  expect(await notes()).toEqual([]);
});

test('work that takes too long loses its own connection, and takes no other with it', async () => {
  const other = store.general.raw((sql) => sql`select pg_sleep(1)`);
  const late = store.general.raw((sql) => sql`select pg_sleep(4)`, { timeoutMs: 200 });
  await expect(late).rejects.toThrow(/no answer within 200 ms/);
  await other;
});

describe('sessions and commands that are made while records are written', () => {
  test('a killed server: records go on within 2 s of its return, and sessions catch up', async (context) => {
    const { kill } = server;
    if (kill === null) context.skip('the server of DATABASE_URL is not ours to kill');
    const recorder = createRecorder({
      store: createRecordStore(store),
      clock: systemClock,
      digestKey: new Secret('00'.repeat(32)),
      deploymentKey: someDeploymentKey(),
      log: silentLog,
      onFailure: () => {},
    });
    const projection = createSessionProjection(store);
    const stop = new AbortController();
    let recorded = 0;
    let steps = 0;
    const until = async (step: () => Promise<void>): Promise<void> => {
      while (!stop.signal.aborted) {
        await step().catch(() => new Promise((resolve) => setTimeout(resolve, 20)));
      }
    };
    const load = [
      ...Array.from({ length: 8 }, () =>
        until(async () => {
          await recorder.append(someDecision({ requestId: `request-${Math.random()}` }));
          recorded += 1;
        }),
      ),
      // Without a pause: a step is under way whenever the server is killed.
      until(async () => {
        await projection.step();
        steps += 1;
      }),
    ];
    for (let round = 0; round < 5; round += 1) {
      const before = { recorded, steps };
      await vi.waitFor(
        () => {
          expect(recorded).toBeGreaterThan(before.recorded + 50);
          expect(steps).toBeGreaterThan(before.steps + 5);
        },
        { timeout: 20_000 },
      );
      await kill?.();
      await vi.waitFor(() => expect(recorder.available()).toBe(false), { timeout: 20_000 });
      await server.start();
      const backMs = performance.now();
      await vi.waitFor(() => expect(recorder.available()).toBe(true), { timeout: 20_000 });
      expect(performance.now() - backMs).toBeLessThan(2000);
    }
    stop.abort();
    await Promise.all(load);
    await recorder.close();
    await vi.waitFor(async () => expect(await projection.step()).toMatchObject({ drained: true }), {
      timeout: 60_000,
      interval: 0,
    });
    const [lag] = await admin.general.raw(
      (sql) => sql<{ missing: number }[]>`
        select count(*)::int as missing from records r
        where r.kind = 'decision' and not exists (
          select from commands c where c.request_id = r.request_id)`,
    );
    expect(lag?.missing).toBe(0);
  }, 120_000);

  test('a step that hangs holds up neither a record nor a look at sessions', async () => {
    let release = (): void => {};
    let locked = (): void => {};
    const isLocked = new Promise<void>((resolve) => (locked = resolve));
    const held = admin.general.raw((sql) =>
      sql.begin(async (tx) => {
        await tx`lock table session_cursors in access exclusive mode`;
        await new Promise<void>((resolve) => {
          release = resolve;
          locked();
        });
      }),
    );
    await isLocked;
    const projection = createSessionProjection(store);
    const hanging = Promise.allSettled(Array.from({ length: 20 }, () => projection.step()));
    const began = performance.now();
    await store.recording.raw((sql) => sql`select 1`);
    expect((await createSessionStore(store).list({}, { limit: 10 })).ok).toBe(true);
    expect(performance.now() - began).toBeLessThan(1000);
    release();
    await held;
    await hanging;
  });
});
