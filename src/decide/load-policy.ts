import { z } from 'zod';
import { err, type Result } from '../base/result.ts';
import { checkValues } from './check-topics.ts';
import type { ElementPorts } from './element-strings.ts';
import { openWorkbench, type ParseCache, type Workbench } from './compile.ts';
import type { PolicyIdentity } from './decision.ts';
import { freeFormReferences } from './free-form.ts';
import { loadChecks } from './load-checks.ts';
import type { Opa } from './opa.ts';
import type { PolicySources } from './policy-sources.ts';
import type { PolicyProblem } from './problem.ts';
import { smokeInput } from './smoke-input.ts';
import { startPolicy, type Policy } from './start-policy.ts';

export type LoadPorts = ElementPorts & {
  readonly opa: Opa;
  readonly cache: ParseCache;
};

/** What the policies' own data is compiled into: one object by topic. */
const dataDocument = z.record(z.string(), z.unknown());

type Loaded = Result<Policy, readonly PolicyProblem[]>;

/**
 * Sources to a running policy: parse, our checks, `opa check`, build, the data's values, `opa test`, a trial
 * evaluation. Whatever is wrong refuses the whole: a policy is in force completely or not at all.
 */
export async function loadPolicy(sources: PolicySources, ports: LoadPorts): Promise<Loaded> {
  const bench = await openWorkbench(ports.opa, sources, ports.cache);
  try {
    return await load(bench, sources, ports);
  } finally {
    await bench.close();
  }
}

async function load(bench: Workbench, sources: PolicySources, ports: LoadPorts): Promise<Loaded> {
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
  return startPolicy(built.value, identity, facts, [smokeInput]);
}
