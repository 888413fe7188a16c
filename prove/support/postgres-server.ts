import { execFileSync, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { freePorts } from '../../src/local/free-ports.ts';

/** A throwaway PostgreSQL that a run can kill and bring back. */
export type PostgresServer = {
  readonly url: string;
  /** kill -9 of the postmaster and its children. */
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

const binaries = (): string => {
  const root = '/usr/lib/postgresql';
  const newest = existsSync(root) ? readdirSync(root).toSorted().at(-1) : undefined;
  if (newest === undefined)
    throw new Error('no PostgreSQL server found: install the package postgresql');
  return join(root, newest, 'bin');
};

/** The account that runs the server: PostgreSQL refuses to run as root. */
function account(): { readonly uid: number; readonly gid: number } | null {
  if (process.getuid?.() !== 0) return null;
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres']).toString());
  return { uid: id('-u'), gid: id('-g') };
}

/** Makes and starts a server on loopback, with fsync on, in a temporary directory. */
export async function createPostgresServer(): Promise<PostgresServer> {
  const directory = mkdtempSync(join(tmpdir(), 'holdgate-prove-postgres-'));
  const as = account();
  if (as !== null) chownSync(directory, as.uid, as.gid);
  const options = as === null ? {} : as;
  const data = join(directory, 'data');
  const bin = binaries();
  execFileSync(join(bin, 'initdb'), ['-D', data, '-U', 'holdgate', '--auth=trust', '-E', 'UTF8'], {
    ...options,
    stdio: 'ignore',
  });
  const [port = 0] = await freePorts([0]);
  const url = `postgres://holdgate@127.0.0.1:${port}/postgres`;

  const ready = async (): Promise<void> => {
    for (let attempt = 0; attempt < 300; attempt += 1) {
      const sql = postgres(url, { max: 1, connect_timeout: 2, onnotice: () => {} });
      try {
        await sql`select 1`;
        return;
      } catch {
        await delay(100);
      } finally {
        await sql.end({ timeout: 1 });
      }
    }
    throw new Error('PostgreSQL did not come up in 30 s');
  };
  const start = async (): Promise<void> => {
    const child = spawn(
      join(bin, 'postgres'),
      ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', directory],
      {
        ...options,
        stdio: 'ignore',
      },
    );
    child.unref();
    await ready();
  };
  const pid = (): number =>
    Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0]);
  const gone = async (which: number): Promise<void> => {
    for (let attempt = 0; attempt < 200; attempt += 1) {
      try {
        process.kill(which, 0);
      } catch {
        return;
      }
      await delay(25);
    }
    throw new Error(`process ${which} does not end`);
  };
  await start();
  return {
    url,
    start,
    kill: async () => {
      const postmaster = pid();
      const children = execFileSync('ps', ['-o', 'pid=', '--ppid', String(postmaster)])
        .toString()
        .split(/\s+/)
        .filter(Boolean);
      for (const one of [postmaster, ...children.map(Number)]) {
        try {
          process.kill(one, 'SIGKILL');
        } catch {
          // It ended by itself in the meantime.
        }
      }
      await gone(postmaster);
      await delay(100);
    },
    stop: async () => {
      const postmaster = pid();
      process.kill(postmaster, 'SIGINT');
      await gone(postmaster);
    },
  };
}
