import { randomUUID } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Log } from '../base/log.ts';
import { unavailable } from './failure.ts';

/**
 * What the lock file says of its holder. `started`: when the process started, in the words of the operating system, because
 * process ids are used again. `place`: host and process-id namespace, because in a container every gateway is process 1.
 */
const holderSchema = z.object({
  pid: z.int(),
  started: z.string(),
  place: z.string(),
  nonce: z.string(),
});
type Holder = z.infer<typeof holderSchema>;

/** How often the holder touches its file, and how long a silent one counts as held from another place. Milliseconds. */
const heartbeatMs = 2000;
const silentMs = 10_000;

type EmbeddedLock = { readonly release: () => void };

/**
 * Takes the lock of an embedded database: two processes on one directory would lose acknowledged rows without any error,
 * and PGlite has no lock of its own. A dead holder's lock is taken over. Whether a process is alive can only be seen in
 * one's own process namespace; a holder in another (a container on the same volume, another host) counts as alive as
 * long as its file's time moves, which takes `silentMs` to know.
 * `onLost` is called when somebody took or removed the file: the database must not be written any more.
 */
export async function lockEmbedded(
  dataDirectory: string,
  options: {
    readonly log: Log;
    readonly onLost: (why: string) => void;
    readonly silentMs?: number;
  },
): Promise<EmbeddedLock> {
  const file = join(dataDirectory, 'database.lock');
  const mine: Holder = {
    pid: process.pid,
    started: processStart(process.pid),
    place: place(),
    nonce: randomUUID(),
  };
  for (;;) {
    if (create(file, mine)) break;
    const text = readText(file);
    if (text === null) continue;
    const holder = parseHolder(text);
    if (await isAlive(file, holder, text, options.silentMs ?? silentMs)) {
      throw unavailable(heldMessage(dataDirectory, file, holder), null);
    }
    options.log.warn('taking over the lock of a process that is gone', { file, pid: holder?.pid });
    takeOver(file, text);
  }
  const beat = setInterval(() => {
    const holder = parseHolder(readText(file) ?? '');
    if (holder?.nonce !== mine.nonce) {
      clearInterval(beat);
      options.onLost(`${file} was taken or removed by somebody else`);
      return;
    }
    const now = new Date();
    try {
      fs.utimesSync(file, now, now);
    } catch (cause) {
      // A full or read-only disk: the database will say so itself.
      options.log.warn('cannot touch the lock of the embedded database', { file, cause });
    }
  }, heartbeatMs);
  beat.unref();
  return {
    release: () => {
      clearInterval(beat);
      if (parseHolder(readText(file) ?? '')?.nonce === mine.nonce) fs.rmSync(file, { force: true });
    },
  };
}

function heldMessage(dataDirectory: string, file: string, holder: Holder | null): string {
  const who =
    holder === null
      ? 'a process that did not say who it is'
      : `process ${holder.pid}${holder.place === place() ? '' : ` on ${holder.place}`}`;
  return `the embedded database in ${dataDirectory} is in use by ${who} (${file}); stop that process, set another dataDirectory, or configure database.url to run several gateways on one PostgreSQL`;
}

/** Writes the file under its final name complete, or not at all: `link` fails where the name exists. */
function create(file: string, holder: Holder): boolean {
  const draft = `${file}.${holder.nonce}`;
  fs.writeFileSync(draft, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
  try {
    fs.linkSync(draft, file);
    return true;
  } catch (cause) {
    if (codeOf(cause) === 'EEXIST') return false;
    throw cause;
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

/**
 * Removes a dead holder's file, and nothing else: of two processes that found the same dead lock, the slower one would
 * otherwise remove the lock that the faster one has just made. Renaming is atomic, so what was moved is looked at,
 * and put back where it is not the dead one.
 */
function takeOver(file: string, dead: string): void {
  const aside = `${file}.${randomUUID()}`;
  try {
    fs.renameSync(file, aside);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return;
    throw cause;
  }
  if (readText(aside) !== dead) {
    try {
      fs.linkSync(aside, file);
    } catch (cause) {
      if (codeOf(cause) !== 'EEXIST') throw cause;
    }
  }
  fs.rmSync(aside, { force: true });
}

async function isAlive(
  file: string,
  holder: Holder | null,
  text: string,
  waitMs: number,
): Promise<boolean> {
  if (holder !== null && holder.place === place()) {
    return processStart(holder.pid) === holder.started && holder.started !== '';
  }
  const before = fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs;
  const until = performance.now() + waitMs;
  while (performance.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, Math.min(250, waitMs)));
    const now = fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs;
    if (now === undefined) return false;
    if (now !== before || readText(file) !== text) return true;
  }
  return false;
}

/** When a process started; empty where there is no such process. */
function processStart(pid: number): string {
  try {
    process.kill(pid, 0);
  } catch (cause) {
    // EPERM: it is there, and belongs to somebody else.
    if (codeOf(cause) !== 'EPERM') return '';
  }
  const stat = readText(`/proc/${pid}/stat`);
  if (stat !== null) {
    // proc(5): the name in parentheses may hold anything; field 22 counts from after it. State Z is a dead process.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? '' : (fields[19] ?? '');
  }
  try {
    const shown = execFileSync('/bin/ps', ['-o', 'lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return shown.trim();
  } catch {
    return 'unknown';
  }
}

function place(): string {
  let namespace = '';
  let boot = '';
  try {
    namespace = fs.readlinkSync('/proc/self/ns/pid');
    boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Not Linux: there are no process namespaces.
  }
  return [hostname(), namespace, boot].filter((part) => part !== '').join(' ');
}

function parseHolder(text: string): Holder | null {
  try {
    return holderSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch {
    return null;
  }
}

function readText(file: string): string | null {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && 'code' in cause ? cause.code : undefined;
}
