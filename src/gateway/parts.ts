import { systemClock, systemSchedule } from '../base/clock.ts';
import { randomIds } from '../base/ids.ts';
import { errorText, type Log } from '../base/log.ts';
import { ok } from '../base/result.ts';
import { resolveSecret, type Config, type Environment } from '../config/index.ts';
import {
  createBundlePolicies,
  createPolicies,
  problemText,
  type Policies,
} from '../decide/index.ts';
import { createApprovals, type Approvals } from '../hold/index.ts';
import { createIdentifier, fetchJson, type FetchJson, type Identifier } from '../identify/index.ts';
import { openLocalIssuer, withLocalIdentities, type LocalIssuer } from '../local/index.ts';
import { maskPathProblem } from '../mask/index.ts';
import type { Recorder } from '../record/index.ts';
import {
  connectStore,
  createApprovalStore,
  createPolicySourceStore,
  createSessionProjection,
  ensureMigrated,
  type Store,
} from '../store/index.ts';
import { bundleOrigin } from './bundle.ts';
import { startSessionProjector, type SessionProjector } from './session-projector.ts';

export type GatewayOptions = {
  readonly env: Environment;
  readonly log: Log;
  /** Told when the gateway cannot go on (its embedded database was taken over): the process should end. */
  readonly onFatal: (why: string) => void;
  /** The file that the configuration was loaded from: it is watched. Absent: nothing is reloaded. */
  readonly configFile?: string;
  /** Go on with a database that is not the one this gateway saw last, and record that. */
  readonly acknowledgeRestored?: boolean;
};

/** A start that cannot succeed: the message is for the operator, and complete. */
export class StartError extends Error {}

/** A part that is closed with the gateway, in the reverse order of its opening. */
export type Closing = { readonly name: string; readonly close: () => unknown };

/** How often approvals that are due are expired. Milliseconds. */
const sweepMs = 5000;

export async function openStore(
  config: Config,
  options: GatewayOptions,
  closing: Closing[],
): Promise<Store> {
  const { log, env, onFatal } = options;
  const url =
    config.database === undefined ? ok(null) : resolveSecret(config.database.url, '.', env);
  if (!url.ok) throw new StartError(url.error);
  const store = await connectStore({
    url: url.value,
    dataDirectory: config.dataDirectory,
    log,
    clock: systemClock,
    onLockLost: onFatal,
  });
  closing.push({ name: 'database', close: () => store.close() });
  await ensureMigrated(store, { migrate: false, log });
  return store;
}

/** Sessions and commands follow the record, also what an earlier process left behind. */
export function openSessions(store: Store, log: Log, closing: Closing[]): SessionProjector {
  const projector = startSessionProjector({
    projection: createSessionProjection(store),
    clock: systemClock,
    schedule: systemSchedule,
    log,
  });
  closing.push({ name: 'sessions', close: () => projector.close() });
  return projector;
}

export type Groups = Map<string, Config['approverGroups'][string]['members']>;

export async function openPolicies(
  config: Config,
  { log, env }: GatewayOptions,
  ports: { store: Store; recorder: Recorder; groups: Groups; peopleUrl: string },
  closing: Closing[],
): Promise<Policies> {
  const sources = createPolicySourceStore(ports.store);
  const fill = (named: readonly string[]): void => {
    const { approverGroups } = withLocalIdentities(config, ports.peopleUrl, named);
    ports.groups.clear();
    for (const [name, group] of Object.entries(approverGroups))
      ports.groups.set(name, group.members);
  };
  fill([]);
  const common: Omit<Parameters<typeof createPolicies>[0], 'directory'> = {
    opa: { configured: config.policies.opa, searchPath: env['PATH'] },
    // The local profile has a member for whatever group a rule names.
    approverGroups: config.identity.local ? null : Object.keys(config.approverGroups),
    isMaskPath: maskPathProblem,
    log,
    clock: systemClock,
    keepSources: ({ hash, files }, { wasm, compiler }) =>
      sources.keep({ hash, wasm, compiler, files: Object.fromEntries(files) }),
    onChange: async (policy, previous, loaded) => {
      fill(loaded.approverGroups);
      await ports.recorder.append({ kind: 'policy', requestId: '', cluster: '', policy, previous });
    },
  };
  const bundle = bundleOrigin(config, env);
  const opened =
    bundle === null
      ? await createPolicies({ ...common, directory: config.policies.directory ?? '' })
      : await createBundlePolicies({ ...common, ...bundle });
  if (!opened.ok) throw new StartError(opened.error.map(problemText).join('\n'));
  closing.push({ name: 'policies', close: () => opened.value.close() });
  for (const problem of opened.value.problems())
    log.error('policy', { problem: problemText(problem) });
  fill(opened.value.current()?.approverGroups ?? []);
  return opened.value;
}

export async function localIssuerOf(
  config: Config,
  peopleUrl: string,
): Promise<LocalIssuer | null> {
  if (!config.identity.local) return null;
  const issuer = await openLocalIssuer({
    dataDirectory: config.dataDirectory,
    peopleUrl,
    clock: systemClock,
    ids: randomIds,
  });
  if (!issuer.ok) throw new StartError(issuer.error);
  return issuer.value;
}

export type Identifiers = { readonly data: Identifier; readonly people: Identifier };

export function openIdentifiers(
  config: Config,
  issuer: LocalIssuer | null,
  log: Log,
  closing: Closing[],
): Identifiers {
  const fetch: FetchJson = issuer === null ? fetchJson : issuer.fetchJson(fetchJson);
  const { clockSkewSeconds, jwksMaxStaleSeconds } = config.identity;
  const common = {
    clockSkewSeconds,
    jwksMaxStaleSeconds,
    clock: systemClock,
    log,
    fetchJson: fetch,
  };
  const data = createIdentifier({
    ...common,
    issuers: config.identity.issuers,
    refusedAudiences: [config.people.audience],
  });
  const people = createIdentifier({ ...common, issuers: config.identity.people });
  closing.push({ name: 'identifiers', close: () => [data.close(), people.close()] });
  return { data, people };
}

export function openApprovals(
  config: Config,
  ports: { store: Store; recorder: Recorder; groups: Groups; log: Log },
  closing: Closing[],
): Approvals {
  const approvals = createApprovals({
    store: createApprovalStore(ports.store),
    groups: ports.groups,
    clocks: config.holds,
    recorder: ports.recorder,
    ids: randomIds,
    log: ports.log,
  });
  closing.push({ name: 'approvals', close: () => approvals.close() });
  const sweep = (): void => {
    approvals
      .sweep()
      .catch((cause: unknown) =>
        ports.log.warn('approvals could not be swept', { cause: errorText(cause) }),
      );
  };
  sweep();
  const timer = setInterval(sweep, sweepMs);
  closing.push({ name: 'sweeper', close: () => clearInterval(timer) });
  return approvals;
}
