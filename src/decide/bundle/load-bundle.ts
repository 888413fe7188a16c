import { z } from 'zod';
import { err, ok, type Result } from '../../base/result.ts';
import { checkValues } from '../check-topics.ts';
import { openWorkbench, type ParseCache, type Workbench } from '../compile.ts';
import type { PolicyIdentity } from '../decision.ts';
import type { ElementPorts } from '../element-strings.ts';
import { freeFormReferences } from '../free-form.ts';
import { loadChecks } from '../load-checks.ts';
import type { Opa } from '../opa.ts';
import type { PolicySources } from '../policy-sources.ts';
import { problem, wholeFile, type PolicyProblem } from '../problem.ts';
import { isTestFile } from '../rego-program.ts';
import { startPolicy, type Policy, type PolicyFacts } from '../start-policy.ts';
import type { Bundle } from './open-bundle.ts';
import { trialInputs } from './trial-inputs.ts';

export type BundlePorts = ElementPorts & {
  /** Null where there is none here: the sources cannot be read then. */
  readonly opa: Opa | null;
  readonly cache: ParseCache;
};

export type LoadedBundle = {
  readonly policy: Policy;
  /** The checks that were not made here, each as a part of a sentence: they were left to who built the bundle. */
  readonly leftToBuilder: readonly string[];
};

type Checked = Pick<LoadedBundle, 'leftToBuilder'> &
  Pick<PolicyFacts, 'approverGroups' | 'freeForm'>;
type Problems = readonly PolicyProblem[];

const dataDocument = z.record(z.string(), z.unknown());

const sourceChecks = 'all checks of the Rego sources';

/**
 * A bundle to a running policy: the checks of a policies folder on the sources that are in it, and a trial of the module with
 * one request of each sort. Nothing is compiled: that the module is what the sources say is the builder's word, so nothing
 * that protects a request is derived from the sources. Whatever is wrong refuses the whole.
 */
export async function loadBundle(
  bundle: Bundle,
  ports: BundlePorts,
): Promise<Result<LoadedBundle, Problems>> {
  const checked = await checkBundle(bundle, ports);
  if (!checked.ok) return checked;
  const { leftToBuilder, approverGroups, freeForm } = checked.value;
  const identity: PolicyIdentity = {
    wasm: bundle.compiled.hash,
    sources: bundle.sources.hash,
    compiler: 'bundle',
    revision: bundle.revision,
  };
  // The cautious answers: were they taken from sources that the module was not made of, a rule could miss its input.
  const facts = { readsObject: true, readsLive: true, fetches: true, approverGroups, freeForm };
  const policy = await startPolicy(bundle.compiled, identity, facts, trialInputs);
  return policy.ok ? ok({ policy: policy.value, leftToBuilder }) : policy;
}

async function checkBundle(bundle: Bundle, ports: BundlePorts): Promise<Result<Checked, Problems>> {
  const unread = (why: string): Result<Checked, Problems> =>
    ok({ leftToBuilder: [`${sourceChecks} (${why})`], approverGroups: [], freeForm: [] });
  if (!bundle.hasRego) return unread('the bundle has no sources');
  if (!bundle.sources.files.has('gate/decision.rego')) {
    const what = 'the sources in the bundle have no gate/decision.rego';
    return err([problem('', wholeFile, what, 'build the whole policies folder')]);
  }
  if (ports.opa === null) return unread('no opa is here');
  const sources = withoutGateImports(bundle.sources);
  const bench = await openWorkbench(ports.opa, sources, ports.cache);
  try {
    return await checkRego(bench, { ...bundle, sources }, ports);
  } finally {
    await bench.close();
  }
}

/**
 * `opa build -t wasm` takes the rules that became entrypoints out of the sources and leaves an import of each, which
 * `opa check --strict` calls unused. Lines keep their numbers.
 */
function withoutGateImports(sources: PolicySources): PolicySources {
  const file = 'gate/decision.rego';
  const text = sources.files.get(file) ?? '';
  const left = text.replace(/^import data\.gate\.(decision|fetch)$/gm, '');
  return { ...sources, files: new Map(sources.files).set(file, left) };
}

async function checkRego(
  bench: Workbench,
  { sources: { files }, compiled }: Bundle,
  ports: BundlePorts,
): Promise<Result<Checked, Problems>> {
  const modules = await bench.parse();
  if (!modules.ok) return modules;
  const checks = loadChecks(files, modules.value, ports, 'optional');
  if (checks.problems.length > 0) return err(checks.problems);
  const hasTests = [...files.keys()].some(isTestFile);
  const [strict, failed] = await Promise.all([bench.check(), hasTests ? bench.test() : []]);
  if (strict.length > 0) return err(strict);
  const data = dataDocument.parse(JSON.parse(compiled.data));
  const values = checkValues(checks.topics, files, data, checks.dataUses, ports);
  if (values.problems.length > 0) return err(values.problems);
  if (failed.length > 0) return err(failed);
  const bare = [...checks.topics.withoutSchema].sort();
  return ok({
    approverGroups: [...new Set([...checks.approverGroups, ...values.approverGroups])].sort(),
    freeForm: freeFormReferences(checks.program, modules.value),
    leftToBuilder: [
      'that the module was compiled from the sources',
      ...(hasTests ? [] : ['the tests (the bundle has none)']),
      ...(bare.length === 0
        ? []
        : [`whether data may be undefined (no schema.json of ${bare.join(', ')})`]),
    ],
  });
}
