import { err, ok, type Result } from '../base/result.ts';
import type { ElementPorts } from './element-strings.ts';
import { loadPolicy } from './load-policy.ts';
import type { Policy } from './start-policy.ts';
import { findOpa, type OpaPlaces } from './opa.ts';
import { readSources, type PolicySources } from './policy-sources.ts';
import { problem, wholeFile, type PolicyProblem } from './problem.ts';

/**
 * Loads a policies folder once, for commands (`check`, `explain`) and to learn which approver groups it names. The
 * caller closes the policy.
 */
export async function checkPolicies(
  options: ElementPorts & { readonly directory: string; readonly opa: OpaPlaces },
): Promise<
  Result<{ readonly policy: Policy; readonly sources: PolicySources }, readonly PolicyProblem[]>
> {
  const sources = await readSources(options.directory);
  if (!sources.ok) return sources;
  return checkSources({ ...options, sources: sources.value });
}

/** The same for sources that are already in memory: those that were kept under the hash of a decision. */
export async function checkSources(
  options: ElementPorts & { readonly sources: PolicySources; readonly opa: OpaPlaces },
): Promise<
  Result<{ readonly policy: Policy; readonly sources: PolicySources }, readonly PolicyProblem[]>
> {
  const opa = await findOpa(options.opa);
  if (!opa.ok) return err([problem('', wholeFile, opa.error, '')]);
  const ports = { ...options, opa: opa.value, cache: new Map() };
  const policy = await loadPolicy(options.sources, ports);
  return policy.ok ? ok({ policy: policy.value, sources: options.sources }) : policy;
}
