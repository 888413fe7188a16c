import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export type Finished = {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
};

export type RunOptions = {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  readonly cwd?: string;
  /** After this the command is ended, and its code is -1. */
  readonly timeoutMs?: number;
};

/** Runs a command to its end. */
export async function run(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  const finished = await runForBytes(program, args, options);
  return { ...finished, stdout: finished.stdout.toString() };
}

/** The same, with the output as it came, for commands that print no text. */
export function runForBytes(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Omit<Finished, 'stdout'> & { readonly stdout: Buffer }> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, options.timeoutMs ?? 120_000);
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      const durationMs = performance.now() - startedMs;
      resolve({
        code: timedOut ? -1 : (code ?? -2),
        stdout: Buffer.concat(stdout),
        stderr: Buffer.concat(stderr).toString(),
        durationMs,
      });
    });
    child.stdin.on('error', () => {}); // the command may end before it has read its input
    child.stdin.end(options.input ?? '');
  });
}

export type Background = {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** Resolves when the output matches; rejects when the process ends or the time is over. */
  readonly until: (pattern: RegExp, timeoutMs: number) => Promise<RegExpExecArray>;
  readonly ended: Promise<number | null>;
  readonly stop: (signal?: NodeJS.Signals) => Promise<void>;
};

/** Starts a command that keeps running; its output goes to `logFile` too. */
export function start(
  program: string,
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly logFile: string },
): Background {
  const child = spawn(program, args, { env: { ...process.env, ...options.env } });
  const file = createWriteStream(options.logFile, { flags: 'a' });
  let text = '';
  const take = (chunk: Buffer): void => {
    text += chunk.toString();
    file.write(chunk);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  let over = false;
  void ended.then(() => {
    over = true;
    file.end();
  });
  return {
    child,
    ended,
    output: () => text,
    until: async (pattern, timeoutMs) => {
      const deadlineMs = performance.now() + timeoutMs;
      for (;;) {
        const match = pattern.exec(text);
        if (match !== null) return match;
        if (over)
          throw new Error(`${program} ended before it printed ${pattern}:\n${text.slice(-2000)}`);
        if (performance.now() > deadlineMs) {
          throw new Error(
            `${program} did not print ${pattern} in ${timeoutMs} ms:\n${text.slice(-2000)}`,
          );
        }
        await delay(50);
      }
    },
    stop: async (signal = 'SIGTERM') => {
      if (!over) child.kill(signal);
      await ended;
    },
  };
}
