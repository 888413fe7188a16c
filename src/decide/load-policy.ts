import { z } from 'zod';
import { err, ok, type Result } from '../base/result.ts';
import { checkValues } from './check-topics.ts';
import type { ElementPorts } from './element-strings.ts';
import { openWorkbench, type Compiled, type ParseCache, type Workbench } from './compile.ts';
import type { PolicyIdentity } from './decision.ts';
import { freeFormReferences } from './free-form.ts';
import { loadChecks } from './load-checks.ts';
import type { Opa } from './opa.ts';
import type { PolicySources } from './policy-sources.ts';
import type { PolicyProblem } from './problem.ts';
import { smokeInput } from './smoke-input.ts';
import { startPolicy, type Policy, type PolicyFacts } from './start-policy.ts';

export type LoadPorts = ElementPorts & {
  readonly opa: Opa;
  readonly cache: ParseCache;
};

/** What the policies' own data is compiled into: one object by topic. */
const dataDocument = z.record(z.string(), z.unknown());

/** A policy whose sources passed every check, and not yet running. */
export type PassedPolicy = {
  readonly compiled: Compiled;
  readonly identity: PolicyIdentity;
  readonly facts: PolicyFacts;
};

/** Sources to a running policy. Whatever is wrong refuses the whole: a policy is in force completely or not at all. */
export async function loadPolicy(
  sources: PolicySources,
  ports: LoadPorts,
): Promise<Result<Policy, readonly PolicyProblem[]>> {
  const passed = await checkSources(sources, ports);
  return passed.ok ? startPassed(passed.value) : passed;
}

/** Starts a policy behind a trial evaluation. */
export const startPassed = ({
  compiled,
  identity,
  facts,
}: PassedPolicy): Promise<Result<Policy, readonly PolicyProblem[]>> =>
  startPolicy(compiled, identity, facts, [smokeInput]);

type Checked = Result<PassedPolicy, readonly PolicyProblem[]>;

/** Parse, our checks, `opa check`, build, the data's values, `opa test`. */
export async function checkSources(sources: PolicySources, ports: LoadPorts): Promise<Checked> {
  const bench = await openWorkbench(ports.opa, sources, ports.cache);
  try {
    return await check(bench, sources, ports);
  } finally {
    await bench.close();
  }
}

async function check(bench: Workbench, sources: PolicySources, ports: LoadPorts): Promise<Checked> {
  const modules = await bench.parse();
  if (!modules.ok) return modules;
  const checks = loadChecks(sources.files, modules.value, ports);
  if (checks.problems.length > 0) return err(checks.problems);
  // Side by side: a save is in force sooner, and each is a process of its own.
  const [checked, built, failed] = await Promise.all([bench.check(), bench.build(), bench.test()]);
  if (checked.length > 0) return err(checked);
  if (!built.ok) return built;
  const data = dataDocument.parse(JSON.parse(built.value.data));
  const values = checkValues(checks.topics, sources.files, data, checks.dataUses, ports);
  if (values.problems.length > 0) return err(values.problems);
  if (failed.length > 0) return err(failed);
  const identity: PolicyIdentity = {
    wasm: built.value.hash,
    sources: sources.hash,
    compiler: ports.opa.name,
    revision: '',
  };
  const groups = new Set([...checks.approverGroups, ...values.approverGroups]);
  const facts = {
    readsObject: checks.readsObject,
    readsLive: checks.readsLive,
    fetches: checks.fetches,
    approverGroups: [...groups].sort(),
    freeForm: freeFormReferences(checks.program, modules.value),
  };
  return ok({ compiled: built.value, identity, facts });
}
