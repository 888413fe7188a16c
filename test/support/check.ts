import { fileURLToPath } from 'node:url';
import { countsLine, runCommand } from './run-command.ts';

/** `npm run check`: everything that must be clean before a commit, two steps at a time. Output only of what failed. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const PARALLEL = 2;

type Step = { readonly name: string; readonly program: string; readonly args: readonly string[] };

const tool = (name: string, program: string, ...args: string[]): Step => ({
  name,
  program: `${root}/node_modules/.bin/${program}`,
  args,
});
const script = (name: string, file: string, ...args: string[]): Step =>
  tool(name, 'tsx', `test/support/${file}`, ...args);
const opa = (name: string, ...args: string[]): Step => script(name, 'opa.ts', ...args);

/** As the gateway's loader checks them: typos in `input` and forbidden builtins are errors. */
const contract = [
  '--schema',
  'deploy/policy/schema.json',
  '--capabilities',
  'deploy/policy/capabilities.json',
];

// The long ones first, so that the two lanes end together.
const steps: readonly Step[] = [
  tool('unit tests', 'vitest', 'run', '--project', 'unit', '--reporter=default'),
  tool('types (tsc)', 'tsc', '--noEmit'),
  tool('lint (oxlint, type-aware)', 'oxlint', '--type-aware', '--deny-warnings'),
  tool('format (prettier)', 'prettier', '--check', '--log-level', 'warn', '.'),
  script('fences (dependency-cruiser)', 'fences.ts'),
  tool('unused (knip)', 'knip', '--no-progress'),
  opa('policies: format (opa fmt)', 'fmt', '--fail', '--diff', 'policies'),
  opa('policies: check (opa check)', 'check', '--strict', ...contract, '--bundle', 'policies'),
  opa('policies: tests (opa test)', 'test', '--bundle', 'policies'),
  script('generated documents', 'generate-docs.ts', '--check'),
  script('file lengths', 'file-length.ts'),
];

async function main(): Promise<number> {
  const waiting = [...steps];
  let [passed, failed] = [0, 0];
  const lane = async (): Promise<void> => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      const startedMs = performance.now();
      const { code, output } = await runCommand(step.program, step.args, {
        cwd: root,
        env: { NO_COLOR: '1' },
      });
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      process.stdout.write(`${code === 0 ? 'ok    ' : 'FAILED'} ${step.name} (${seconds} s)\n`);
      if (code === 0) passed += 1;
      else {
        failed += 1;
        process.stdout.write(`${output.trimEnd()}\n\n`);
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, lane));
  process.stdout.write(`${countsLine({ passed, failed })}\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
