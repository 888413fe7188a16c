import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { findOpa, type Opa } from '../../src/decide/index.ts';
import { currentOpa, currentOpaVersion } from './current-opa.ts';
import { countsLine, runCommand, type CommandOutcome } from './run-command.ts';

/**
 * The policies under two OPAs: the one that npm installs (which compiles them for the gateway) and the current one
 * (which rule writers have). Both must check them strictly, format them alike, and get the same result from each test.
 */
const root = fileURLToPath(new URL('../..', import.meta.url));

const testResults = z.array(
  z.object({ package: z.string(), name: z.string(), fail: z.boolean().optional() }),
);

type Comparison = { readonly name: string; readonly problem: string | null };

function run(opa: Opa, command: string, ...args: string[]): Promise<CommandOutcome> {
  return runCommand(opa.path, [command, ...opa.languageFlags, ...args], { cwd: root });
}

async function results(opa: Opa): Promise<ReadonlyMap<string, boolean>> {
  const { output } = await run(opa, 'test', '--format', 'json', '--bundle', 'policies');
  const parsed = testResults.parse(JSON.parse(output));
  return new Map(parsed.map((test) => [`${test.package}.${test.name}`, test.fail !== true]));
}

async function commandPasses(
  name: string,
  opa: Opa,
  args: readonly [string, ...string[]],
): Promise<Comparison> {
  const { code, output } = await run(opa, ...args);
  return { name, problem: code === 0 ? null : output.trim() };
}

/** One comparison a test of the policies, and one a command and OPA. */
async function compare(shipped: Opa, current: Opa): Promise<Comparison[]> {
  const commands: Comparison[] = [];
  for (const [label, opa] of [
    ['npm', shipped],
    [currentOpaVersion, current],
  ] as const) {
    const check = ['check', '--strict', '--bundle', 'policies'] as const;
    commands.push(await commandPasses(`check (${label})`, opa, check));
    commands.push(
      await commandPasses(`fmt (${label})`, opa, ['fmt', '--fail', '--diff', 'policies']),
    );
  }
  const [a, b] = [await results(shipped), await results(current)];
  if (a.size === 0) commands.push({ name: 'tests', problem: 'no test was found in policies' });
  const names = [...new Set([...a.keys(), ...b.keys()])].sort();
  const tests = names.map((name) => {
    const [ours, theirs] = [a.get(name), b.get(name)];
    const same = ours === true && theirs === true;
    return { name, problem: same ? null : `npm: ${ours}, ${currentOpaVersion}: ${theirs}` };
  });
  return [...commands, ...tests];
}

async function open(configured: string | undefined): Promise<Opa> {
  const found = await findOpa({ configured });
  if (!found.ok) throw new Error(found.error);
  return found.value;
}

async function main(): Promise<number> {
  const current = currentOpa();
  if (current === null) {
    process.stderr.write(
      `OPA ${currentOpaVersion} is not here: set HOLDGATE_OPA_CURRENT to its file\n`,
    );
    return 1;
  }
  const comparisons = await compare(await open(undefined), await open(current));
  const failed = comparisons.filter(({ problem }) => problem !== null);
  for (const { name, problem } of failed) process.stdout.write(`FAILED ${name}: ${problem}\n`);
  const passed = comparisons.length - failed.length;
  process.stdout.write(`${countsLine({ passed, failed: failed.length })}\n`);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main();
