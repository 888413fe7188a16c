import { err, ok, type Result } from '../base/result.ts';
import { bundleFile, bundleUrl, type BundlePolling } from './bundle/bundle-origin.ts';
import { bundleFetcher, type BundleServer } from './bundle/fetch-bundle.ts';
import type { Trust } from './bundle/open-bundle.ts';
import type { ElementPorts } from './element-strings.ts';
import { findOpa, type OpaPlaces } from './opa.ts';
import { policyFolder } from './policy-folder.ts';
import { PolicyInForce, type InForceOptions, type PolicyOrigin } from './policy-in-force.ts';
import { problem, wholeFile, type PolicyProblem } from './problem.ts';
import type { Policy } from './start-policy.ts';

/** The door of `decide`: the policy in force, and what is wrong with where it comes from if something is. */
export type Policies = {
  /** Null until a first load succeeded. A policy taken from here stays usable for the call that took it. */
  readonly current: () => Policy | null;
  /** Why what is in the folder or bundle now is not in force, or why it could not be asked for; else empty. */
  readonly problems: () => readonly PolicyProblem[];
  /** Loads what is there now. The running policy stays where that is refused. */
  readonly reload: () => Promise<Result<Policy, readonly PolicyProblem[]>>;
  readonly close: () => Promise<void>;
};

type CommonOptions = ElementPorts &
  InForceOptions & {
    readonly opa: OpaPlaces;
    /** False: load once and never look again (for commands). Default true. */
    readonly watch?: boolean;
  };

export type PoliciesOptions = CommonOptions & { readonly directory: string };

export type BundlePoliciesOptions = CommonOptions & {
  /** A file; or a server, described anew for each request, so that a token that was replaced is taken. */
  readonly from:
    | { readonly file: string }
    | (Omit<BundlePolling, 'fetch'> & { readonly server: () => Result<BundleServer, string> });
  readonly trust: () => Result<Trust, string>;
};

/**
 * Loads the policies folder, and again whenever it changes. Resolves after the first attempt to load: with a folder
 * that is refused, `current()` is null and `problems()` says why. An error only where opa itself is missing.
 */
export async function createPolicies(
  options: PoliciesOptions,
): Promise<Result<Policies, readonly PolicyProblem[]>> {
  const opa = await findOpa(options.opa);
  if (!opa.ok) return err([problem('', wholeFile, opa.error, '')]);
  return ok(await start(options, policyFolder({ ...options, opa: opa.value })));
}

/**
 * The same for a bundle, in a file or behind a URL. Without opa too: the checks of its sources are then left to who built it,
 * and the log says so. Where a program is configured as opa it must be one.
 */
export async function createBundlePolicies(
  options: BundlePoliciesOptions,
): Promise<Result<Policies, readonly PolicyProblem[]>> {
  const opa = await findOpa(options.opa);
  if (!opa.ok && options.opa.configured !== undefined) {
    return err([problem('', wholeFile, opa.error, '')]);
  }
  if (!opa.ok)
    options.log.warn('no opa here: sources of bundles are not checked', { why: opa.error });
  const { from } = options;
  const ports = { ...options, opa: opa.ok ? opa.value : null, cache: new Map() };
  const origin =
    'file' in from
      ? bundleFile(from.file, ports)
      : bundleUrl({ ...from, fetch: bundleFetcher(from.server) }, ports);
  return ok(await start(options, origin));
}

async function start(options: CommonOptions, origin: PolicyOrigin): Promise<Policies> {
  const policy = new PolicyInForce(options, origin);
  await policy.reload();
  if (options.watch !== false) policy.watch();
  return {
    current: () => policy.current,
    problems: () => policy.problems(),
    reload: () => policy.reload(),
    close: () => policy.close(),
  };
}
