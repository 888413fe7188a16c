import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

/** What a table of figures is worth nothing without. */
export type Machine = {
  readonly date: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  /** One-minute load average when the run began. */
  readonly loadBefore: number;
  readonly versions: Readonly<Record<string, string>>;
};

/** The first line of a program's output, on either stream; null where it is not installed. */
export function versionLine(program: string, args: readonly string[]): string | null {
  try {
    const line = execFileSync('sh', ['-c', '"$0" "$@" 2>&1', program, ...args])
      .toString()
      .split('\n')[0];
    return line ?? null;
  } catch {
    return null;
  }
}

export function describeMachine(): Machine {
  const versions: Record<string, string> = { node: process.version };
  const found = {
    go: versionLine('go', ['version']),
    nginx: versionLine('nginx', ['-v']),
    openssl: process.versions.openssl,
  };
  for (const [name, version] of Object.entries(found)) if (version) versions[name] = version;
  return {
    date: new Date().toISOString(),
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${process.platform} ${/^\d+\.\d+/.exec(release())?.[0] ?? release()}`,
    loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    versions,
  };
}

/** Cores: load, upstream and database on one, the subject on the other. Null where processes cannot be pinned. */
export const cores: { readonly load: string; readonly subject: string } | null =
  process.platform === 'linux' &&
  cpus().length >= 2 &&
  versionLine('taskset', ['--version']) !== null
    ? { load: '0', subject: '1' }
    : null;

/** The command line that runs a program on a core, where that can be done. */
export function pinned(core: 'load' | 'subject', command: readonly string[]): readonly string[] {
  return cores === null ? command : ['taskset', '-c', cores[core], ...command];
}

/** Puts this process, and what it starts from now on, on the core of the load. */
export function pinThisProcess(): void {
  if (cores !== null) execFileSync('taskset', ['-a', '-p', '-c', cores.load, String(process.pid)]);
}
