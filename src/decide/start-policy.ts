import { constant } from '../base/constant.ts';
import { inlineInputBytesMax } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Compiled, Entrypoint } from './compile.ts';
import type { Decision, PolicyIdentity } from './decision.ts';
import { createEngine, toMachineCode, type Engine } from './engine.ts';
import type { FreeFormReference } from './free-form.ts';
import { inputText } from './input-text.ts';
import { createLargeInputs, type LargeInputs } from './large-input.ts';
import type { LoadChecks } from './load-checks.ts';
import { failedDecision, parseDecision, parseFetch } from './parse-decision.ts';
import type { PolicyInput } from './policy-input.ts';
import { problem, wholeFile, type PolicyProblem } from './problem.ts';

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

type Loaded = Result<Policy, readonly PolicyProblem[]>;

/** What the gateway must know of a policy beside how to ask it. */
export type PolicyFacts = Pick<LoadChecks, 'readsObject' | 'readsLive' | 'fetches'> &
  Pick<Policy, 'approverGroups' | 'freeForm'>;

/**
 * Instantiates a compiled policy, and asks it each of `trials` in the worker first: there, a policy that never ends can be
 * stopped. One that fails, or whose answer is no decision, is refused.
 */
export async function startPolicy(
  compiled: Compiled,
  identity: PolicyIdentity,
  facts: PolicyFacts,
  trials: readonly PolicyInput[],
): Promise<Loaded> {
  const code = await toMachineCode(compiled);
  if (!code.ok) return refused(code.error);
  const large = createLargeInputs(code.value);
  let failure: string | null = null;
  for (const trial of trials) failure ??= await failureOf(large, trial, identity);
  const engine = failure === null ? await createEngine(code.value) : null;
  if (engine?.ok === true) return ok(createPolicy(engine.value, large, identity, facts));
  await large.close();
  return refused(engine?.ok === false ? engine.error : failure);
}

const refused = (why: string | null): Loaded =>
  err([problem('', wholeFile, `a trial evaluation failed: ${why}`, 'mend the rule')]);

/** Why the policy cannot decide this input, or null. */
async function failureOf(
  large: LargeInputs,
  input: PolicyInput,
  identity: PolicyIdentity,
): Promise<string | null> {
  const answer = await large.evaluate('gate/decision', inputText(input));
  const failure = answer.ok ? parseDecision(answer.value, input, identity).failure : answer.error;
  if (failure !== undefined) return failure;
  const fetch = await large.evaluate('gate/fetch', inputText(input));
  const asks = fetch.ok && parseFetch(fetch.value) !== null;
  return asks ? null : 'gate/fetch gave no {"live": true | false}';
}

function createPolicy(
  engine: Engine,
  large: LargeInputs,
  identity: PolicyIdentity,
  facts: PolicyFacts,
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
  constant(identity);
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
