import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { err, ok, type Result } from '../base/result.ts';
import type { Opa } from './opa.ts';
import type { PolicySources } from './policy-sources.ts';
import { opaProblems } from './opa-problems.ts';
import { problem, wholeFile, type PolicyProblem } from './problem.ts';
import { readModule, type Module } from './rego-ast.ts';
import { policySchemaJson } from './schema.ts';
import { tarFile } from './tar.ts';

/** The entrypoints of a policy: what decides, and what asks for the live object. */
export const entrypoints = ['gate/decision', 'gate/fetch'] as const;
export type Entrypoint = (typeof entrypoints)[number];

/** A compiled policy: the module, its data as JSON, and `sha256:<hex>` of the module. */
export type Compiled = { readonly wasm: Buffer; readonly data: string; readonly hash: string };

type Refused = Result<never, readonly PolicyProblem[]>;

/** A private copy of the sources for opa to work on: what it compiles is what was hashed and checked. */
export type Workbench = {
  /** `opa parse` of each Rego file. */
  readonly parse: () => Promise<Result<readonly Module[], readonly PolicyProblem[]>>;
  /** `opa check --strict` with the input's schema and our capabilities. */
  readonly check: () => Promise<readonly PolicyProblem[]>;
  /** `opa test`: every failed test is a problem. */
  readonly test: () => Promise<readonly PolicyProblem[]>;
  /** `opa build -t wasm`. */
  readonly build: () => Promise<Result<Compiled, readonly PolicyProblem[]>>;
  readonly close: () => Promise<void>;
};

/** How many opa processes parse at the same time. */
const parallelParses = 4;

/** Modules by the hash of their text, so that a reload parses only what changed. Owned by the caller. */
export type ParseCache = Map<string, Module>;

/** Copies sources into a fresh temporary folder. Close it. */
export async function openWorkbench(
  opa: Opa,
  sources: PolicySources,
  cache: ParseCache,
): Promise<Workbench> {
  const root = await mkdtemp(join(tmpdir(), 'holdgate-policy-'));
  const folder = join(root, 'policies');
  for (const [name, text] of sources.files) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  await writeFile(join(root, 'schema.json'), policySchemaJson());
  await writeFile(join(root, 'capabilities.json'), opa.capabilities);
  const bench = { opa, root, folder, sources };
  return {
    parse: () => parseAll(bench, cache),
    check: () => check(bench),
    test: () => test(bench),
    build: () => build(bench),
    close: () => rm(root, { recursive: true, force: true }),
  };
}

type Bench = {
  readonly opa: Opa;
  readonly root: string;
  readonly folder: string;
  readonly sources: PolicySources;
};

const refused = (what: string, fix = 'mend the file'): PolicyProblem =>
  problem('', wholeFile, what, fix);

async function parseAll(
  bench: Bench,
  cache: ParseCache,
): Promise<Result<readonly Module[], readonly PolicyProblem[]>> {
  const names = [...bench.sources.files.keys()].filter((name) => name.endsWith('.rego'));
  const modules = new Map<string, Module>();
  const problems: PolicyProblem[] = [];
  const queue = [...names];
  const worker = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const parsed = await parseOne(bench, cache, name);
      if (parsed.ok) modules.set(name, parsed.value);
      else problems.push(...parsed.error);
    }
  };
  await Promise.all(Array.from({ length: parallelParses }, worker));
  const used = new Set([...bench.sources.files].map(([name, text]) => cacheKey(name, text)));
  for (const key of cache.keys()) if (!used.has(key)) cache.delete(key);
  if (problems.length > 0) return err(problems);
  return ok(names.map((name) => modules.get(name)).filter((one) => one !== undefined));
}

const cacheKey = (name: string, text: string): string =>
  createHash('sha256').update(`${name}\0${text}`).digest('hex');

async function parseOne(
  bench: Bench,
  cache: ParseCache,
  name: string,
): Promise<Result<Module, readonly PolicyProblem[]>> {
  const key = cacheKey(name, bench.sources.files.get(name) ?? '');
  const known = cache.get(key);
  if (known !== undefined) return ok(known);
  const answer = await bench.opa.run(
    [
      'parse',
      ...bench.opa.languageFlags,
      '--format',
      'json',
      '--json-include',
      'locations,-comments',
      name,
    ],
    bench.folder,
  );
  if (!answer.ok) return err([{ ...refused(answer.error), file: name }]);
  if (answer.value.code !== 0) return err(opaProblems('parse', answer.value));
  const module = readModule(name, JSON.parse(answer.value.stdout));
  cache.set(key, module);
  return ok(module);
}

async function check(bench: Bench): Promise<readonly PolicyProblem[]> {
  const answer = await bench.opa.run(
    [
      'check',
      ...bench.opa.languageFlags,
      '--format',
      'json',
      '--strict',
      '--schema',
      '../schema.json',
      '--capabilities',
      '../capabilities.json',
      '--bundle',
      '.',
    ],
    bench.folder,
  );
  if (!answer.ok) return [refused(answer.error)];
  return answer.value.code === 0 ? [] : opaProblems('check', answer.value);
}

const testResult = z.object({
  name: z.string().default(''),
  fail: z.unknown().optional(),
  error: z.unknown().optional(),
  location: z.object({ file: z.string(), row: z.number(), col: z.number().default(0) }).optional(),
});
type TestResult = z.infer<typeof testResult>;

async function test(bench: Bench): Promise<readonly PolicyProblem[]> {
  const answer = await bench.opa.run(
    ['test', ...bench.opa.languageFlags, '--format', 'json', '--bundle', '.'],
    bench.folder,
  );
  if (!answer.ok) return [refused(answer.error)];
  const { code, stdout } = answer.value;
  const results = testResults(stdout);
  const failed = results.filter((one) => one.fail !== undefined || one.error !== undefined);
  if (failed.length > 0) return failed.map(failedTest);
  if (code === 0) return [];
  return opaProblems('test', answer.value);
}

function testResults(stdout: string): readonly TestResult[] {
  try {
    return z.array(testResult).catch([]).parse(JSON.parse(stdout));
  } catch {
    return [];
  }
}

function failedTest({ name, location }: TestResult): PolicyProblem {
  return {
    file: location?.file ?? '',
    line: location?.row ?? 0,
    column: location?.col ?? 0,
    what: `the test ${name} fails`,
    fix: 'mend the rule or the test: a policy whose tests fail is not loaded',
  };
}

async function build(bench: Bench): Promise<Result<Compiled, readonly PolicyProblem[]>> {
  // No -O: OPA's optimiser refuses policies like ours ("undefined entrypoint").
  const answer = await bench.opa.run(
    [
      'build',
      ...bench.opa.languageFlags,
      '--target',
      'wasm',
      ...entrypoints.flatMap((one) => ['--entrypoint', one]),
      '--ignore',
      '*_test.rego',
      '--capabilities',
      '../capabilities.json',
      '--output',
      '../bundle.tar.gz',
      '--bundle',
      '.',
    ],
    bench.folder,
  );
  if (!answer.ok) return err([refused(answer.error)]);
  if (answer.value.code !== 0) return err(opaProblems('build', answer.value));
  return unpack(await readFile(join(bench.root, 'bundle.tar.gz')));
}

/** Only these two: the archive's Rego files are rewritten ones, and nothing of it is written to disk. */
function unpack(archive: Buffer): Result<Compiled, readonly PolicyProblem[]> | Refused {
  const tar = gunzipSync(archive);
  const wasm = tarFile(tar, '/policy.wasm');
  const data = tarFile(tar, '/data.json');
  if (wasm === null || data === null) {
    return err([refused('opa build made no policy.wasm or data.json', 'check the version of opa')]);
  }
  const hash = `sha256:${createHash('sha256').update(wasm).digest('hex')}`;
  return ok({ wasm: Buffer.from(wasm), data: data.toString('utf8'), hash });
}
