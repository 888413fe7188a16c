import { spawn } from 'node:child_process';

export type CommandOutcome = { readonly code: number; readonly output: string };

/** Runs a command to its end; both streams in one text, in the order in which they came. A missing program is code 127. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<CommandOutcome> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => (output += chunk));
    }
    child.on('error', (error) => resolve({ code: 127, output: `${program}: ${error.message}\n` }));
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

/** The closing line that CI reads: `N passed, N failed`, and how many were skipped where any were. */
export function countsLine(counts: {
  readonly passed: number;
  readonly failed: number;
  readonly skipped?: number;
}): string {
  const skipped = counts.skipped ?? 0;
  const more = skipped > 0 ? `, ${skipped} skipped` : '';
  return `${counts.passed} passed, ${counts.failed} failed${more}`;
}
