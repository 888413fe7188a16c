import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';

/** A PostgreSQL server for tests. */
export type TestPostgres = {
  /** Makes an empty database and gives its URL. */
  readonly createDatabase: () => Promise<string>;
  /** kill -9 of the server and of all its processes. Null where the server is not ours (DATABASE_URL). */
  readonly kill: (() => Promise<void>) | null;
  /** Stops every process of the server where it stands, as a network that drops packets would look, or lets them go on. */
  readonly freeze: ((frozen: boolean) => void) | null;
  /** Starts it again after a kill, on the same port and data. */
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

/**
 * The server of DATABASE_URL, else a throw-away one of the machine's own programs, on loopback, in a temporary directory.
 * Throws where neither is there: a tier that cannot run says so.
 */
export async function startPostgres(): Promise<TestPostgres> {
  const given = process.env['DATABASE_URL'];
  if (given !== undefined && given !== '') {
    const made: string[] = [];
    return {
      createDatabase: async () => {
        const url = await createDatabase(given);
        made.push(new URL(url).pathname.slice(1));
        return url;
      },
      kill: null,
      freeze: null,
      start: () => Promise.resolve(),
      stop: () =>
        administer(
          given,
          made.map((name) => `drop database if exists ${name} with (force)`),
        ),
    };
  }
  return startOwn(findPrograms());
}

/** The folder with initdb and postgres of PostgreSQL 15 or later; null where there is none. */
function findPostgresPrograms(): string | null {
  const packaged = '/usr/lib/postgresql';
  const versions = existsSync(packaged) ? readdirSync(packaged) : [];
  const folders = [
    ...versions
      .toSorted((a, b) => Number(b) - Number(a))
      .map((version) => `${packaged}/${version}/bin`),
    ...(process.env['PATH'] ?? '').split(':'),
  ];
  return folders.find((folder) => folder !== '' && existsSync(join(folder, 'initdb'))) ?? null;
}

function findPrograms(): string {
  const found = findPostgresPrograms();
  if (found === null) {
    throw new Error(
      'no PostgreSQL: set DATABASE_URL to a server where databases may be created, or install initdb and postgres 15 or later',
    );
  }
  return found;
}

/** PostgreSQL refuses to run as root: then the system's own user runs it. */
function runAs(): { uid?: number; gid?: number } {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string): number =>
    Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }).trim());
  return { uid: id('-u'), gid: id('-g') };
}

const settings = ['shared_buffers=32MB', 'max_connections=50', 'fsync=on'].flatMap((setting) => [
  '-c',
  setting,
]);

async function startOwn(programs: string): Promise<TestPostgres> {
  const user = runAs();
  const directory = mkdtempSync(join(tmpdir(), 'holdgate-postgres-'));
  if (user.uid !== undefined && user.gid !== undefined) chownSync(directory, user.uid, user.gid);
  const data = join(directory, 'data');
  execFileSync(
    join(programs, 'initdb'),
    ['-D', data, '-U', 'holdgate', '-A', 'trust', '-E', 'UTF8', '--no-sync', '--no-instructions'],
    { ...user, cwd: directory, stdio: 'ignore' },
  );
  const port = await freePort();
  const url = `postgres://holdgate@127.0.0.1:${port}/postgres`;
  let server: ChildProcess | null = null;

  const start = async (): Promise<void> => {
    for (let attempt = 0; ; attempt += 1) {
      const child = spawn(
        join(programs, 'postgres'),
        ['-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', '', ...settings],
        { ...user, cwd: directory, stdio: 'ignore' },
      );
      server = child;
      if (await answers(url, child)) return;
      // After a kill the old processes may still hold the shared memory for a moment.
      if (attempt > 20) throw new Error('PostgreSQL does not start');
    }
  };
  const kill = async (): Promise<void> => {
    const child = server;
    if (child?.pid === undefined) return;
    const ended = exited(child);
    signalAll(child.pid, 'SIGKILL');
    await ended;
    server = null;
  };
  await start();
  return {
    createDatabase: () => createDatabase(url),
    kill,
    freeze: (frozen) => {
      if (server?.pid !== undefined) signalAll(server.pid, frozen ? 'SIGSTOP' : 'SIGCONT');
    },
    start,
    stop: async () => {
      const child = server;
      if (child !== null) {
        const ended = exited(child);
        // An immediate shutdown: nothing in it is needed any more.
        child.kill('SIGQUIT');
        await ended;
      }
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Signals the server and each of its processes, which are in sessions of their own. */
function signalAll(server: number, signal: NodeJS.Signals): void {
  const children = readFileSync(`/proc/${server}/task/${server}/children`, 'utf8');
  for (const pid of [String(server), ...children.trim().split(/\s+/)]) {
    if (pid === '') continue;
    try {
      process.kill(Number(pid), signal);
    } catch {
      // It ended in between.
    }
  }
}

const exited = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()));

/** Waits until the server answers; false when it ended instead. */
async function answers(url: string, child: ChildProcess): Promise<boolean> {
  while (child.exitCode === null && child.signalCode === null) {
    const sql = postgres(url, {
      max: 1,
      connect_timeout: 2,
      backoff: () => 0.05,
      onnotice: () => {},
    });
    try {
      await sql`select 1`;
      return true;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      await sql.end({ timeout: 0 });
    }
  }
  return false;
}

async function createDatabase(url: string): Promise<string> {
  const name = `holdgate_test_${randomBytes(6).toString('hex')}`;
  await administer(url, [`create database ${name} template template0 encoding 'UTF8'`]);
  const made = new URL(url);
  made.pathname = `/${name}`;
  return made.href;
}

async function administer(url: string, statements: readonly string[]): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    for (const statement of statements) await sql.unsafe(statement);
  } finally {
    await sql.end();
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
