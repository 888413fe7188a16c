import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { z } from 'zod';
import { runCommand } from './run-command.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What we read of dependency-cruiser's JSON report. */
const report = z.object({
  summary: z.object({
    totalCruised: z.number(),
    violations: z.array(
      z.object({ from: z.string(), to: z.string(), rule: z.object({ name: z.string() }) }),
    ),
  }),
});

export type FenceReport = {
  readonly modules: number;
  readonly violations: readonly {
    readonly rule: string;
    readonly from: string;
    readonly to: string;
  }[];
};

/** Cruises `src` of a directory (a clone, or a fixture) with our fences. */
export async function checkFences(directory: string): Promise<FenceReport> {
  const program = join(root, 'node_modules/.bin/depcruise');
  const config = join(root, '.dependency-cruiser.mjs');
  const args = ['--config', config, '--output-type', 'json', 'src'];
  const { output } = await runCommand(program, args, { cwd: directory });
  const start = output.indexOf('{');
  if (start < 0) throw new Error(`dependency-cruiser gave no report:\n${output}`);
  const { summary } = report.parse(JSON.parse(output.slice(start, output.lastIndexOf('}') + 1)));
  const violations = summary.violations.map(({ rule, from, to }) => ({
    rule: rule.name,
    from,
    to,
  }));
  return { modules: summary.totalCruised, violations };
}

/** TypeScript files under `src` of a directory. */
export function countSources(directory: string): number {
  return readdirSync(join(directory, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.tsx?$/.test(name),
  ).length;
}

/**
 * `npm run check`'s step. A cruise that saw fewer modules than there are files has not looked at the code (it reports
 * success over nothing where it cannot load TypeScript), so that is a failure too.
 */
async function main(): Promise<number> {
  const { modules, violations } = await checkFences(root);
  for (const { rule, from, to } of violations) process.stdout.write(`${rule}: ${from} -> ${to}\n`);
  const sources = countSources(root);
  if (modules < sources) {
    process.stdout.write(`only ${modules} modules were seen, of ${sources} files in src\n`);
    return 1;
  }
  return violations.length === 0 ? 0 : 1;
}

if (existsSync(process.argv[1] ?? '') && import.meta.url === pathToFileURL(process.argv[1]!).href) {
  process.exitCode = await main();
}
