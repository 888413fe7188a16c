import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { countsLine } from './run-command.ts';
import { thisMachine, tiersOf } from './tiers.ts';

/**
 * `npm test`: the unit tests, with Node alone; then which tiers were not run, and why. HOLDGATE_TIERS=all runs those
 * whose needs are there. `--tier NAME` runs that tier only, and fails where it cannot run: what CI demands.
 * The last line is `N passed, N failed`, summed.
 */
const root = fileURLToPath(new URL('../..', import.meta.url));

type Counts = { passed: number; failed: number; skipped: number };

const vitestReport = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
});

function inForeground(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  return new Promise((resolve) => {
    const options = { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } } as const;
    const child = spawn(join(root, 'node_modules/.bin', program), args, options);
    child.on('error', () => resolve(127));
    child.on('close', (code) => resolve(code ?? 1));
  });
}

async function runVitest(project: string, env: NodeJS.ProcessEnv = {}): Promise<Counts> {
  const directory = mkdtempSync(join(tmpdir(), 'holdgate-report-'));
  const file = join(directory, 'report.json');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const code = await inForeground('vitest', ['run', '--project', project, ...reporters], env);
  try {
    const report = vitestReport.parse(JSON.parse(readFileSync(file, 'utf8')));
    // A file that cannot be loaded fails the run and counts no test: it is one failure.
    const failed = Math.max(report.numFailedTests, code === 0 ? 0 : 1);
    const skipped = report.numPendingTests + report.numTodoTests;
    return { passed: report.numPassedTests, failed, skipped };
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function runTier(name: string): Promise<Counts> {
  process.stdout.write(`\ntier ${name}\n`);
  if (name === 'opa') {
    const code = await inForeground('tsx', ['test/support/compare-opa.ts'], {});
    return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
  }
  const env = name === 'cluster' ? { HOLDGATE_REQUIRE_CLUSTER: '1' } : {};
  return runVitest(name, env);
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { tier: { type: 'string' } } });
  const tiers = tiersOf(thisMachine());
  const all = process.env['HOLDGATE_TIERS'] === 'all';
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const notRun: string[] = [];
  const add = (counts: Counts): void => {
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
  };
  if (values.tier === undefined) add(await runVitest('unit'));
  else if (!tiers.some(({ name }) => name === values.tier)) {
    process.stderr.write(
      `there is no tier ${values.tier}; there are: ${tiers.map(({ name }) => name).join(', ')}\n`,
    );
    return 2;
  }
  for (const { name, what, missing } of tiers) {
    const wanted = values.tier === undefined ? all : values.tier === name;
    if (values.tier !== undefined && !wanted) continue;
    if (wanted && missing === null) add(await runTier(name));
    else {
      notRun.push(
        `tier ${name} (${what}) NOT RUN: ${missing ?? 'run it with HOLDGATE_TIERS=all npm test'}`,
      );
      if (wanted && values.tier !== undefined) total.failed += 1;
    }
  }
  process.stdout.write(`\n${notRun.map((line) => `${line}\n`).join('')}${countsLine(total)}\n`);
  return total.failed === 0 ? 0 : 1;
}

process.exitCode = await main();
