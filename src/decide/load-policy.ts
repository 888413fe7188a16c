import { z } from 'zod';
import { inlineInputBytesMax } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import { checkValues } from './check-topics.ts';
import type { ElementPorts } from './element-strings.ts';
import {
  openWorkbench,
  type Compiled,
  type Entrypoint,
  type ParseCache,
  type Workbench,
} from './compile.ts';
import type { Decision, PolicyIdentity } from './decision.ts';
import { createEngine, type Engine } from './engine.ts';
import { freeFormReferences, type FreeFormReference } from './free-form.ts';
import { inputText } from './input-text.ts';
import { createLargeInputs, type LargeInputs } from './large-input.ts';
import { loadChecks, type LoadChecks } from './load-checks.ts';
import type { Opa } from './opa.ts';
import { failedDecision, parseDecision, parseFetch } from './parse-decision.ts';
import type { PolicyInput } from './policy-input.ts';
import type { PolicySources } from './policy-sources.ts';
import { problem, wholeFile, type PolicyProblem } from './problem.ts';
import { smokeInput } from './smoke-input.ts';

/** A loaded policy. It never throws and never rejects: what fails is a deny with `failure`. */
export type Policy = {
  readonly identity: PolicyIdentity;
  /** Some rule reads, or may read, `input.request.object`: a patch needs its dry run. */
  readonly readsObject: boolean;
  /** Some rule reads, or may read, `input.live`. */
  readonly readsLive: boolean;
  /** Some rule can ask for the live object. */
  readonly fetches: boolean;
  /** The approver groups that its holds name, literally or by data. */
  readonly approverGroups: readonly string[];
  /** Where conditions of deny, hold and mask depend on input that may be missing. */
  readonly freeForm: readonly FreeFormReference[];
  readonly decide: (input: PolicyInput) => Promise<Decision>;
  /** Whether a rule wants to see the live object for this request; true where the question itself failed. */
  readonly fetchesLive: (input: PolicyInput) => Promise<boolean>;
  /** Ends its worker. Calls in flight are answered with a deny. */
  readonly close: () => Promise<void>;
};

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
  };
  const groups = new Set([...checks.approverGroups, ...values.approverGroups]);
  return start(built.value, identity, {
    readsObject: checks.readsObject,
    readsLive: checks.readsLive,
    fetches: checks.fetches,
    approverGroups: [...groups].sort(),
    freeForm: freeFormReferences(checks.program, modules.value),
  });
}

type Facts = Pick<LoadChecks, 'readsObject' | 'readsLive' | 'fetches'> &
  Pick<Policy, 'approverGroups' | 'freeForm'>;

/** Instantiates, and evaluates once in the worker first: there, a policy that never ends can be stopped. */
async function start(compiled: Compiled, identity: PolicyIdentity, facts: Facts): Promise<Loaded> {
  const large = createLargeInputs(compiled);
  const trial = await large.evaluate('gate/decision', inputText(smokeInput));
  const decision = trial.ok ? parseDecision(trial.value, smokeInput, identity) : null;
  const failure = trial.ok ? decision?.failure : trial.error;
  const fetch = await large.evaluate('gate/fetch', inputText(smokeInput));
  const fetchFailed = !fetch.ok || parseFetch(fetch.value) === null;
  const engine = failure === undefined && !fetchFailed ? await createEngine(compiled) : null;
  if (engine?.ok === true) return ok(createPolicy(engine.value, large, identity, facts));
  await large.close();
  const why =
    engine?.ok === false ? engine.error : (failure ?? 'gate/fetch gave no {"live": true | false}');
  return err([problem('', wholeFile, `a trial evaluation failed: ${why}`, 'mend the rule')]);
}

function createPolicy(
  engine: Engine,
  large: LargeInputs,
  identity: PolicyIdentity,
  facts: Facts,
): Policy {
  const evaluate = (
    entrypoint: Entrypoint,
    input: PolicyInput,
  ): Promise<Result<unknown, string>> => {
    const json = inputText(input);
    // Characters, not bytes: cheap, and near enough to keep long evaluations off the event loop.
    return json.length > inlineInputBytesMax
      ? large.evaluate(entrypoint, json)
      : engine.evaluate(entrypoint, json);
  };
  return {
    identity,
    ...facts,
    decide: async (input) => {
      try {
        const answer = await evaluate('gate/decision', input);
        return answer.ok
          ? parseDecision(answer.value, input, identity)
          : failedDecision(identity, answer.error);
      } catch (cause) {
        return failedDecision(identity, `the input could not be written: ${String(cause)}`);
      }
    },
    fetchesLive: async (input) => {
      if (!facts.fetches) return false;
      try {
        const answer = await evaluate('gate/fetch', input);
        return answer.ok ? (parseFetch(answer.value) ?? true) : true;
      } catch {
        return true;
      }
    },
    close: () => large.close(),
  };
}
