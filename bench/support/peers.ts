import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pinned } from './machine.ts';

export const benchDirectory = join(import.meta.dirname, '..');
export const buildDirectory = join(benchDirectory, '.build');
export const peersProgram = join(buildDirectory, 'peers');

export type Protocol = 'h1' | 'h2';

/** A request as the load sends it, and what its answer must be. */
export type WireRequest = {
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  readonly token: string;
  readonly body?: string;
  readonly status: number;
  /** Exact length of the answer's body; 0 where it does not matter. */
  readonly bytes: number;
};

export type Target = {
  readonly name: string;
  readonly url: string;
  readonly ca: string;
  readonly protocol: Protocol;
  /** Whose CPU and memory are read. */
  readonly pids: readonly number[];
  readonly request: WireRequest;
};

export type Percentiles = {
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  readonly count: number;
};

export type Blocks = { readonly blocks: readonly Readonly<Record<string, Percentiles>>[] };

export type LoadFigures = {
  readonly requests: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly bytes: number;
  readonly times: Percentiles;
};

export type WatchFigures = {
  readonly openedSeconds: number;
  readonly residentBefore: number;
  readonly residentAfter: number;
  readonly sent: number;
  readonly dropped: number;
  readonly delivered: number;
  readonly cpuSeconds: number;
  readonly times: Percentiles;
};

export type ExecFigures = {
  readonly bytes: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly echo: Percentiles;
};

/** A request was answered wrongly, or not at all: its figure would mean nothing. */
export class ProbeError extends Error {}

const probeWithinMs = 300_000;

/** Runs a subcommand of the Go program on the load's core; a spec goes in, figures come out, both JSON. */
export function probe<Figures>(command: string, spec: object): Promise<Figures> {
  const [program = '', ...args] = pinned('load', [peersProgram, command]);
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), probeWithinMs);
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      if (code === 0) resolve(JSON.parse(stdout) as Figures);
      else reject(new ProbeError(stderr.trim() || `peers ${command} ended with code ${code}`));
    });
    child.stdin.end(JSON.stringify(spec));
  });
}
