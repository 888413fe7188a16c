import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { pinned } from './machine.ts';

/** A process under measurement or beside it. Its output goes to a file, so that nobody spends time on reading it. */
export type Child = {
  readonly pid: number;
  /** The whole output so far. */
  readonly output: () => string;
  readonly signal: (signal: NodeJS.Signals) => void;
  readonly stop: () => Promise<void>;
};

export type ChildOptions = {
  readonly name: string;
  readonly command: readonly string[];
  readonly core: 'load' | 'subject';
  /** Given as JSON on standard input. */
  readonly spec?: unknown;
  readonly logFile: string;
  readonly ready: RegExp;
  readonly env?: Readonly<Record<string, string>>;
};

const readyWithinMs = 120_000;

/** Starts a process and waits until its output says that it is ready. */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { name, spec, logFile, ready } = options;
  const [program = '', ...args] = pinned(options.core, options.command);
  const log = openSync(logFile, 'a');
  const child = spawn(program, args, {
    stdio: ['pipe', log, log],
    env: { ...process.env, ...options.env },
  });
  closeSync(log);
  let over = false;
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      over = true;
      resolve();
    };
    child.on('close', end);
    child.on('error', end);
  });
  child.stdin?.on('error', () => {});
  child.stdin?.end(spec === undefined ? '' : JSON.stringify(spec));
  const output = (): string => readFileSync(logFile, 'utf8');
  const stop = async (): Promise<void> => {
    if (!over) child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await ended;
    clearTimeout(timer);
  };
  const deadlineMs = performance.now() + readyWithinMs;
  while (!ready.test(output())) {
    if (over) throw new Error(`${name} ended before it was ready:\n${output().slice(-2000)}`);
    if (performance.now() > deadlineMs) {
      await stop();
      throw new Error(`${name} was not ready in time:\n${output().slice(-2000)}`);
    }
    await delay(25);
  }
  return { pid: child.pid ?? 0, output, signal: (signal) => child.kill(signal), stop };
}
