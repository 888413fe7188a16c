import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { DependencyError } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/log.ts';
import { connectStore, type Store } from '../../src/store/index.ts';
import { lockEmbedded } from '../../src/store/embedded-lock.ts';
import { createEmbedded } from '../../src/store/embedded.ts';

/** Creating a database takes seconds on a busy machine. Milliseconds. */
const slowMs = 120_000;

let directory = '';
let children: ChildProcess[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdgate-embedded-'));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

const open = (): Promise<Store> =>
  connectStore({ url: null, dataDirectory: directory, log: silentLog, clock: systemClock });

function appendUntilKilled(): { child: ChildProcess; lines: () => string[]; errors: () => string } {
  const program = fileURLToPath(new URL('../support/append-until-killed.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', program, directory]);
  children.push(child);
  let out = '';
  let errors = '';
  child.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  // The last piece may be half a line.
  return { child, lines: () => out.split('\n').slice(0, -1), errors: () => errors };
}

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once('close', resolve));

describe('the embedded database', () => {
  test(
    'calls fsync for each commit, and keeps what was committed when its thread is ended',
    async () => {
      const embedded = createEmbedded({ dataDirectory: directory, log: silentLog });
      const sql = embedded.open({ onclose: () => {} });
      await sql`create table kept (a int)`;
      const before = await embedded.fsyncCount();
      for (let index = 0; index < 20; index += 1) await sql`insert into kept values (${index})`;
      expect((await embedded.fsyncCount()) - before).toBeGreaterThanOrEqual(20);
      const [settings] = await sql`
        select current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit`;
      expect(settings).toEqual({ fsync: 'on', commit: 'on' });
      embedded.kill();
      await vi.waitFor(async () => {
        const [row] = await sql`select count(*)::int as count from kept`;
        expect(row).toEqual({ count: 20 });
      }, 10_000);
      await sql.end();
    },
    slowMs,
  );

  test(
    'kill -9 in the middle of appends loses nothing that was acknowledged',
    async () => {
      const acknowledged: string[] = [];
      for (let round = 0; round < 2; round += 1) {
        const { child, lines, errors } = appendUntilKilled();
        await vi.waitFor(
          () =>
            expect({ errors: errors(), enough: lines().length > 300 }).toEqual({
              errors: '',
              enough: true,
            }),
          {
            timeout: slowMs / 2,
          },
        );
        child.kill('SIGKILL');
        await ended(child);
        acknowledged.push(...lines());
      }
      const store = await open();
      const rows = await store.general.raw(
        (sql) => sql<{ request_id: string }[]>`select request_id from records`,
      );
      const kept = new Set(rows.map((row) => row.request_id));
      expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);
      const holes = await store.general.raw(
        (sql) => sql`
          select stream from records group by stream having max(seq) + 1 <> count(*) or min(seq) <> 0`,
      );
      expect([...holes]).toEqual([]);
      await store.close();
    },
    slowMs,
  );

  test(
    'a second process on the same directory is refused, and told who has it',
    async () => {
      const store = await open();
      const { child, errors } = appendUntilKilled();
      expect(await ended(child)).toBe(1);
      expect(errors()).toContain(`is in use by process ${process.pid}`);
      expect(errors()).toContain('stop that process');
      await store.close();
      expect(existsSync(join(directory, 'database.lock'))).toBe(false);
    },
    slowMs,
  );

  test(
    'a query that takes too long is ended, and the next one served',
    async () => {
      const store = await open();
      const slow = store.general.raw((sql) => sql`select pg_sleep(60)`, { timeoutMs: 300 });
      await expect(slow).rejects.toThrow(DependencyError);
      const [row] = await store.general.raw((sql) => sql`select 1 as one`);
      expect(row).toEqual({ one: 1 });
      await store.close();
    },
    slowMs,
  );

  test(
    'a hint reaches every listener of its channel, until it stops',
    async () => {
      const store = await open();
      const heard: string[] = [];
      const stop = store.onNotify('approvals', (payload) => heard.push(`first ${payload}`));
      store.onNotify('approvals', (payload) => heard.push(`second ${payload}`));
      await store.notify('approvals', 'a');
      await vi.waitFor(() => expect(heard).toEqual(['first a', 'second a']));
      stop();
      await store.notify('approvals', 'b');
      await store.notify('other', 'c');
      await vi.waitFor(() => expect(heard).toEqual(['first a', 'second a', 'second b']));
      await store.close();
    },
    slowMs,
  );

  test.each([
    { name: 'is not empty and no database', path: 'database', hint: /holds no database/ },
    { name: 'is a file', path: '', hint: /cannot be made/ },
  ])(
    'a directory that $name is refused, not overwritten',
    async ({ path, hint }) => {
      const place = path === '' ? join(directory, 'file') : directory;
      if (path !== '') mkdirSync(join(directory, path));
      const file = path === '' ? place : join(directory, path, 'mine');
      writeFileSync(file, 'mine');
      const refused = connectStore({
        url: null,
        dataDirectory: place,
        log: silentLog,
        clock: systemClock,
      });
      await expect(refused).rejects.toThrow(hint);
      expect(readFileSync(file, 'utf8')).toBe('mine');
    },
    slowMs,
  );
});

describe('the lock', () => {
  const file = (): string => join(directory, 'database.lock');
  const lock = (onLost: (why: string) => void = () => {}) =>
    lockEmbedded(directory, { log: silentLog, onLost, silentMs: 300 });
  const holder = async (change: Record<string, unknown>): Promise<void> => {
    const held = await lock();
    const text: unknown = JSON.parse(readFileSync(file(), 'utf8'));
    held.release();
    writeFileSync(file(), JSON.stringify(Object.assign({}, text, { nonce: 'other' }, change)));
  };

  test('names the living process that has it', async () => {
    await lock();
    await expect(lock()).rejects.toThrow(`in use by process ${process.pid}`);
  });

  test.each([
    { name: 'whose process is gone', change: { pid: 2 ** 22 - 3 } },
    { name: 'whose process id belongs to another process by now', change: { started: '1' } },
    { name: 'of another container that is silent', change: { place: 'other pid:[1]' } },
    { name: 'that holds no holder', change: { pid: 'x' } },
  ])('a lock $name is taken over', async ({ change }) => {
    await holder(change);
    const held = await lock();
    expect(JSON.parse(readFileSync(file(), 'utf8'))).toMatchObject({ pid: process.pid });
    held.release();
    expect(existsSync(file())).toBe(false);
  });

  test('a lock of another container that is touched is respected', async () => {
    await holder({ place: 'other pid:[1]', pid: 1 });
    const beat = setInterval(() => writeFileSync(file(), readFileSync(file())), 50);
    await expect(lock()).rejects.toThrow(/process 1 on other/);
    clearInterval(beat);
  });

  test('of many that find a dead lock, one takes it', async () => {
    await holder({ pid: 2 ** 22 - 3 });
    const ends = await Promise.allSettled(Array.from({ length: 10 }, () => lock()));
    expect(ends.filter((end) => end.status === 'fulfilled')).toHaveLength(1);
  });

  test('a holder whose file was taken is told to stop writing', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const lost: string[] = [];
    await lock((why) => lost.push(why));
    rmSync(file());
    vi.advanceTimersByTime(2500);
    vi.useRealTimers();
    expect(lost).toEqual([expect.stringContaining('was taken or removed')]);
  });
});
