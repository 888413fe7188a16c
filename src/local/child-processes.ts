import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../base/log.ts';

/** A program that runs beside us, with its log and pid file in the directory. */
export type Child = {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** False once it has ended. */
  readonly running: () => boolean;
};

/** The programs of one directory. They end when `stop` is called, and also when our process ends in any way. */
export type ChildProcesses = {
  readonly start: (name: string, program: string, args: readonly string[]) => Promise<Child>;
  /** SIGTERM, and after `graceMs` SIGKILL; resolves when all of them are gone. */
  readonly stop: (names: readonly string[], graceMs: number) => Promise<void>;
  /** Stops what is left and the watchdog. */
  readonly close: (graceMs: number) => Promise<void>;
  readonly pids: () => readonly number[];
};

const POLL_MS = 50;
/** How long the watchdog of a process that just died may need to kill what it left. */
const TAKEOVER_MS = 12_000;

/**
 * Our process may be killed with no chance to clean up (SIGKILL, out of memory), and Node has no "die with the parent".
 * This shell reads a pipe whose other end only we hold: `+PID` and `-PID` as children come and go. When the pipe ends
 * without a `done`, we are dead, and it kills what is left: SIGTERM, up to 5 s later SIGKILL.
 * `$0` is the directory, which is how the next start recognises it.
 */
const WATCHDOG = `
pids=' '
while read -r line; do
  case $line in
    done) exit 0 ;;
    +*) pids="$pids\${line#+} " ;;
    -*) pids=$(echo "$pids" | sed "s/ \${line#-} / /") ;;
  esac
done
for pid in $pids; do kill "$pid" 2>/dev/null; done
for second in 1 2 3 4 5; do
  alive=
  for pid in $pids; do kill -0 "$pid" 2>/dev/null && alive=1; done
  [ -z "$alive" ] && exit 0
  sleep 1
done
for pid in $pids; do kill -9 "$pid" 2>/dev/null; done
`;

/** The command line of a process; empty where there is none (a zombie has none either). */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    const listed = spawnSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], {
      encoding: 'utf8',
    });
    return listed.status === 0 ? listed.stdout : '';
  }
}

/** A pid may have been given to somebody else since: it is ours only while its command line names our directory. */
function isOurs(pid: number, directory: string): boolean {
  return commandLine(pid).includes(directory);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // it is gone already
  }
}

async function until(condition: () => boolean, limitMs: number): Promise<boolean> {
  for (let waitedMs = 0; !condition(); waitedMs += POLL_MS) {
    if (waitedMs >= limitMs) return false;
    await delay(POLL_MS);
  }
  return true;
}

function readPid(file: string): number | null {
  try {
    const pid = Number(readFileSync(file, 'utf8').trim());
    return Number.isSafeInteger(pid) && pid > 1 ? pid : null;
  } catch {
    return null;
  }
}

/**
 * Ends what an earlier process left in the directory. Throws when that process is still alive: its watchdog is then
 * alive too, for longer than it takes to kill what a dead one left.
 */
async function endLeftovers(directory: string, takeoverMs: number, log: Log): Promise<void> {
  const watchdog = readPid(join(directory, 'watchdog.pid'));
  if (watchdog !== null && isOurs(watchdog, directory)) {
    const gone = await until(() => !isOurs(watchdog, directory), takeoverMs);
    if (!gone) {
      throw new Error(
        `${directory} is in use by another running process (its watchdog is process ${watchdog}); ` +
          'stop that one, or use another directory',
      );
    }
  }
  const leftovers = readdirSync(directory)
    .filter((name) => name.endsWith('.pid'))
    .map((name) => ({ file: join(directory, name), pid: readPid(join(directory, name)) }));
  for (const { file, pid } of leftovers) {
    if (pid !== null && isOurs(pid, directory)) {
      log.warn('ending a program that an earlier run left', { pid, file });
      signal(pid, 'SIGTERM');
      if (!(await until(() => !isOurs(pid, directory), 2000))) signal(pid, 'SIGKILL');
      await until(() => !isOurs(pid, directory), 2000);
    }
    rmSync(file, { force: true });
  }
}

type Running = { readonly child: Child; readonly exited: Promise<void>; stopping: boolean };

/** What a child may know of our environment: nodestub hands its own on to whoever execs, so no more than a PATH. */
function childEnvironment(path: string, directory: string): NodeJS.ProcessEnv {
  return { PATH: path, HOME: directory, LANG: 'C.UTF-8' };
}

async function spawned(child: ChildProcess, program: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (cause) =>
      reject(new Error(`${program} could not be started: ${cause.message}`, { cause })),
    );
  });
  if (child.pid === undefined) throw new Error(`${program} has no process id`);
  return child.pid;
}

async function startWatchdog(directory: string, path: string): Promise<ChildProcess> {
  const watchdog = spawn('/bin/sh', ['-c', WATCHDOG, directory], {
    cwd: '/',
    detached: true, // Ctrl-C reaches the terminal's whole process group: it must outlive us
    stdio: ['pipe', 'ignore', 'ignore'],
    env: childEnvironment(path, directory),
  });
  const pid = await spawned(watchdog, '/bin/sh');
  watchdog.stdin?.on('error', () => {}); // it was killed by hand: the next start still cleans up by the pid files
  watchdog.unref();
  writeFileSync(join(directory, 'watchdog.pid'), `${pid}\n`);
  return watchdog;
}

/**
 * Takes over `directory` (absolute): ends what an earlier run left there, and starts the watchdog. `path` is the
 * PATH that children see. Every child's arguments must name the directory, as that is how leftovers are recognised.
 */
export async function openChildProcesses(
  directory: string,
  path: string,
  log: Log,
  takeoverMs = TAKEOVER_MS,
): Promise<ChildProcesses> {
  await endLeftovers(directory, takeoverMs, log);
  const watchdog = await startWatchdog(directory, path);
  const tell = (line: string): void => void watchdog.stdin?.write(`${line}\n`);
  const running = new Map<string, Running>();

  const start = async (name: string, program: string, args: readonly string[]): Promise<Child> => {
    const logFile = join(directory, `${name}.log`);
    const output = openSync(logFile, 'w', 0o600);
    const child = spawn(program, args, {
      cwd: directory,
      detached: true, // Ctrl-C is ours to handle: calls in flight still need the cluster while we drain
      stdio: ['ignore', output, output],
      env: childEnvironment(path, directory),
    });
    closeSync(output);
    const pid = await spawned(child, program);
    tell(`+${pid}`);
    const pidFile = join(directory, `${name}.pid`);
    writeFileSync(pidFile, `${pid}\n`);
    const exited = new Promise<void>((resolve) => {
      child.once('exit', (code, by) => {
        tell(`-${pid}`);
        rmSync(pidFile, { force: true });
        const entry = running.get(name);
        running.delete(name);
        if (entry?.stopping !== true) {
          log.error(`${name} of the local control plane ended by itself; its log says why`, {
            logFile,
            code,
            signal: by,
          });
        }
        resolve();
      });
    });
    child.unref();
    const handle = { name, pid, logFile, running: () => running.has(name) };
    running.set(name, { child: handle, exited, stopping: false });
    return handle;
  };

  const stop = async (names: readonly string[], graceMs: number): Promise<void> => {
    const entries = names.map((name) => running.get(name)).filter((entry) => entry !== undefined);
    for (const entry of entries) {
      entry.stopping = true;
      signal(entry.child.pid, 'SIGTERM');
    }
    const all = Promise.all(entries.map((entry) => entry.exited));
    const timer = new AbortController();
    const late = delay(graceMs, 'late' as const, { signal: timer.signal }).catch(() => 'gone');
    if ((await Promise.race([all, late])) === 'late') {
      for (const entry of entries) if (entry.child.running()) signal(entry.child.pid, 'SIGKILL');
      await all;
    }
    timer.abort();
  };

  const close = async (graceMs: number): Promise<void> => {
    await stop([...running.keys()], graceMs);
    watchdog.stdin?.end('done\n');
    rmSync(join(directory, 'watchdog.pid'), { force: true });
  };
  return { start, stop, close, pids: () => [...running.values()].map((entry) => entry.child.pid) };
}
