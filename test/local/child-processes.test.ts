import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { createLog, silentLog } from '../../src/base/log.ts';
import { openChildProcesses } from '../../src/local/child-processes.ts';

const PATH = process.env['PATH'] ?? '';
const WAIT = { timeout: 12_000, interval: 50 };

let directory: string;
beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), 'holdgate-children-')));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A killed child whose parent does not reap it is a zombie: gone for every purpose but `kill -0`. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return !existsSync('/proc/self');
  }
}

const idle = 'setInterval(() => {}, 1000)';
const deaf = `process.on('SIGTERM', () => {}); console.log('up'); ${idle}`;

describe('stop', () => {
  test('ends the named programs, and no other', async () => {
    const children = await openChildProcesses(directory, PATH, silentLog);
    const a = await children.start('a', process.execPath, ['-e', idle, directory]);
    const b = await children.start('b', process.execPath, ['-e', idle, directory]);
    await children.stop(['a'], 5000);
    expect({ a: a.running(), b: b.running(), pids: children.pids() }).toEqual({
      a: false,
      b: true,
      pids: [b.pid],
    });
    await children.close(5000);
    expect([isAlive(a.pid), isAlive(b.pid)]).toEqual([false, false]);
    expect(existsSync(join(directory, 'b.pid'))).toBe(false);
    expect(existsSync(join(directory, 'watchdog.pid'))).toBe(false);
  });

  test('kills a program that ignores SIGTERM, after its grace', async () => {
    const children = await openChildProcesses(directory, PATH, silentLog);
    const child = await children.start('deaf', process.execPath, ['-e', deaf, directory]);
    await vi.waitFor(() => expect(readFileSync(child.logFile, 'utf8')).toBe('up\n'), WAIT);
    await children.close(100);
    expect(isAlive(child.pid)).toBe(false);
  });

  test('may be asked for what never ran', async () => {
    const children = await openChildProcesses(directory, PATH, silentLog);
    await children.stop(['nothing'], 100);
    await children.close(100);
    expect(children.pids()).toEqual([]);
  });
});

describe('a program', () => {
  test('that ends by itself is reported, with its log', async () => {
    const lines: string[] = [];
    const log = createLog('error', (line) => lines.push(line));
    const children = await openChildProcesses(directory, PATH, log);
    const child = await children.start('brief', process.execPath, [
      '-e',
      'process.exit(7)',
      directory,
    ]);
    await vi.waitFor(() => expect(child.running()).toBe(false), WAIT);
    expect(lines.join('')).toContain('brief of the local control plane ended by itself');
    expect(lines.join('')).toContain('"code":7');
    await children.close(100);
  });

  test('that is not there is an error that names it', async () => {
    const children = await openChildProcesses(directory, PATH, silentLog);
    await expect(children.start('etcd', '/nonexistent/etcd', [])).rejects.toThrow(
      '/nonexistent/etcd',
    );
    await children.close(100);
  });

  test('sees nothing of our environment but the PATH: exec in a pod would hand it on', async () => {
    vi.stubEnv('HOLDGATE_SECRET', 'planted');
    const children = await openChildProcesses(directory, PATH, silentLog);
    const print = 'console.log(JSON.stringify(Object.keys(process.env).sort()))';
    const child = await children.start('env', process.execPath, ['-e', print, directory]);
    await vi.waitFor(() => expect(child.running()).toBe(false), WAIT);
    expect(JSON.parse(readFileSync(child.logFile, 'utf8'))).toEqual(['HOME', 'LANG', 'PATH']);
    await children.close(100);
    vi.unstubAllEnvs();
  });
});

describe('when our process is killed with no chance to clean up', () => {
  async function holder(): Promise<{ holder: ChildProcess; pids: number[] }> {
    const script = fileURLToPath(new URL('hold-children.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', script, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const line: unknown = await new Promise((resolve) => child.stdout.once('data', resolve));
    return { holder: child, pids: z.array(z.int()).parse(JSON.parse(String(line))) };
  }

  test('no program is left behind, not even one that ignores SIGTERM', async () => {
    const { holder: parent, pids } = await holder();
    expect(pids.map(isAlive)).toEqual([true, true]);
    parent.kill('SIGKILL');
    await vi.waitFor(() => expect(pids.map(isAlive)).toEqual([false, false]), WAIT);
  });

  test('the next start waits for that, and then has the directory', async () => {
    const { holder: parent, pids } = await holder();
    parent.kill('SIGKILL');
    const children = await openChildProcesses(directory, PATH, silentLog);
    expect(pids.map(isAlive)).toEqual([false, false]);
    await children.close(100);
  });

  test('what even the watchdog left is ended by the next start', async () => {
    const { holder: parent, pids } = await holder();
    process.kill(Number(readFileSync(join(directory, 'watchdog.pid'), 'utf8')), 'SIGKILL');
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    expect(pids.map(isAlive)).toEqual([true, true]);
    const children = await openChildProcesses(directory, PATH, silentLog);
    expect(pids.map(isAlive)).toEqual([false, false]);
    await children.close(100);
  });
});

test('a pid file whose process is not ours any more ends nobody', async () => {
  const bystander = spawn(process.execPath, ['-e', idle], { stdio: 'ignore' });
  writeFileSync(join(directory, 'etcd.pid'), `${bystander.pid}\n`);
  writeFileSync(join(directory, 'kwok.pid'), 'no number\n');
  const children = await openChildProcesses(directory, PATH, silentLog);
  expect(isAlive(bystander.pid!)).toBe(true);
  await children.close(100);
  bystander.kill('SIGKILL');
});

test('a directory that a living process uses is refused', async () => {
  const first = await openChildProcesses(directory, PATH, silentLog);
  await expect(openChildProcesses(directory, PATH, silentLog, 300)).rejects.toThrow(
    'in use by another running process',
  );
  await first.close(100);
});
