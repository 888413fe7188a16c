import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from './base/clock.ts';
import { randomIds } from './base/ids.ts';
import { errorText, type Log } from './base/log.ts';
import type { Refusal } from './base/errors.ts';
import { err, ok, type Result } from './base/result.ts';
import type { Config, RoleName } from './config/index.ts';
import {
  createMetrics,
  createPeopleApp,
  createPeopleServer,
  type Metrics,
  type PartStatus,
} from './console/index.ts';
import { locateElements, problemText, type Policies } from './decide/index.ts';
import { createFlow } from './flow.ts';
import { openCertificates, type PortCertificates } from './gateway/certificates.ts';
import type { Clusters } from './gateway/clusters.ts';
import { logRequest } from './gateway/log-request.ts';
import { openClusters, openReload, type ConfigReload } from './gateway/open-clusters.ts';
import { openEvidenceExports, openRecorder } from './gateway/open-record.ts';
import { openSinks, sinkParts } from './gateway/sinks.ts';
import {
  localIssuerOf,
  openApprovals,
  openIdentifiers,
  openPolicies,
  openSessions,
  openStore,
  type Closing,
  type GatewayOptions,
  type Identifiers,
} from './gateway/parts.ts';
import type { Approvals } from './hold/index.ts';
import { requirePerson, requireRole, type Identity } from './identify/index.ts';
import { createListener, type Handler } from './listen/index.ts';
import {
  localDataAudience,
  localRealms,
  withLocalIdentities,
  type LocalIssuer,
} from './local/index.ts';
import { exportFormats, type Recorder, type SinkPush } from './record/index.ts';
import {
  createDecisionStore,
  createExportStore,
  createPolicySourceStore,
  createSessionStore,
  type Store,
} from './store/index.ts';

export { StartError, type GatewayOptions } from './gateway/parts.ts';

/** A running gateway. */
export type Gateway = {
  readonly dataUrl: string;
  readonly peopleUrl: string;
  /** The CA that signed both ports' certificates, where it is the local one. */
  readonly caFile: string | null;
  /** Takes the clusters of the configuration file as it is now, as a save of it does. Without a file: does nothing. */
  readonly reload: () => Promise<void>;
  /** Drains and closes, within the configured seconds. May be called twice. */
  readonly close: () => Promise<void>;
};

/** Wires the stages and opens both ports. Throws a StartError, or a DependencyError of the database, with nothing left open. */
export async function startGateway(config: Config, options: GatewayOptions): Promise<Gateway> {
  const closing: Closing[] = [];
  const close = async (): Promise<void> => {
    for (const part of closing.splice(0).toReversed()) {
      try {
        await part.close();
      } catch (cause) {
        options.log.error('a part did not close', { part: part.name, cause: errorText(cause) });
      }
    }
  };
  try {
    return { ...(await open(config, options, closing)), close };
  } catch (cause) {
    await close();
    throw cause;
  }
}

async function open(
  given: Config,
  options: GatewayOptions,
  closing: Closing[],
): Promise<Omit<Gateway, 'close'>> {
  const { log } = options;
  const peopleUrl = urlOf(given.people);
  const dataUrl = urlOf(given.data);
  const store = await openStore(given, options, closing);
  const metrics = createMetrics();
  const recorder = await openRecorder(given, store, options, closing);
  const sessions = openSessions(store, log, closing);
  metrics.watchSessions(() => sessions.lagMs());
  const sinks = openSinks(given, { store, recorder }, options, closing);
  metrics.watchSinks(() => sinks.map((sink) => sink.status()));

  const groups = new Map<string, Config['approverGroups'][string]['members']>();
  const policies = await openPolicies(
    given,
    options,
    { store, recorder, groups, peopleUrl },
    closing,
  );
  const config = withLocalIdentities(given, peopleUrl, policies.current()?.approverGroups ?? []);
  const issuer = await localIssuerOf(config, peopleUrl);
  const identifiers = openIdentifiers(config, issuer, log, closing);
  const clusters = await openClusters(config, options, recorder, closing);
  const reload = openReload(given, options, { clusters, recorder });
  const approvals = openApprovals(config, { store, recorder, groups, log }, closing);

  const certificates = await openCertificates(config, log, closing);
  const flow = openFlow(
    config,
    { recorder, policies, identifiers, approvals, clusters, metrics },
    log,
  );
  const listener = await createListener({
    address: config.data.address,
    port: config.data.port,
    certificates: certificates.data,
    handler: flow,
    metadata: {
      resource: () => dataUrl,
      issuers: config.identity.issuers.map((one) => one.url),
    },
    log,
  });
  closing.push({ name: 'data port', close: () => listener.drain(config.drainSeconds * 1000) });
  const people = {
    store,
    approvals,
    policies,
    identifiers,
    issuer,
    recorder,
    metrics,
    certificates,
    reload,
    sinks,
  };
  await openPeople(config, people, options, closing);
  const place = { dataUrl, peopleUrl, caFile: certificates.caFile };
  writeGatewayFile(config, place);
  reload.watch(closing);
  return { ...place, reload: async () => void (await reload.now()) };
}

type FlowParts = Pick<People, 'recorder' | 'policies' | 'identifiers' | 'approvals' | 'metrics'> & {
  readonly clusters: Clusters;
};

function openFlow(config: Config, parts: FlowParts, log: Log): Handler {
  return createFlow({
    clock: systemClock,
    ids: randomIds,
    log,
    identify: parts.identifiers.data.identify,
    policy: parts.policies.current,
    recorder: parts.recorder,
    approvals: parts.approvals,
    cluster: parts.clusters.find,
    holdWaitMs: config.holds.waitSeconds * 1000,
    streamGraceMs: Math.max(0, config.drainSeconds - 2) * 1000,
    observe: (observation) => {
      parts.metrics.observe(observation);
      logRequest(log, observation);
    },
  });
}

function urlOf(listener: Config['data']): string {
  if (listener.publicUrl !== undefined) return listener.publicUrl.replace(/\/$/, '');
  const host = listener.address.includes(':') ? `[${listener.address}]` : listener.address;
  return `https://${host}:${listener.port}`;
}

type People = {
  readonly store: Store;
  readonly approvals: Approvals;
  readonly policies: Policies;
  readonly identifiers: Identifiers;
  readonly issuer: LocalIssuer | null;
  readonly recorder: Recorder;
  readonly metrics: Metrics;
  readonly certificates: PortCertificates;
  readonly reload: ConfigReload;
  readonly sinks: readonly SinkPush[];
};

async function openPeople(
  config: Config,
  parts: People,
  options: GatewayOptions,
  closing: Closing[],
): Promise<void> {
  const { env, log } = options;
  const { store, approvals, identifiers, recorder, metrics } = parts;
  const sources = createPolicySourceStore(store);
  metrics.watchRecorder(recorder.available);
  const app = createPeopleApp({
    decisions: createDecisionStore(store),
    sessions: createSessionStore(store),
    exports: { ...createExportStore(store, systemClock), formats: exportFormats },
    approvals,
    evidence: await openEvidenceExports(config, { store, recorder }, options),
    locate: async (hash, elements) => {
      const kept = await sources.byHash(hash);
      if (kept === null) return err('the sources of this policy were not kept');
      const files = new Map(Object.entries(kept.files));
      const opa = { configured: config.policies.opa, searchPath: env['PATH'] };
      const places = await locateElements({ hash, files }, elements, opa);
      return places.ok ? ok(places.value) : err(places.error.map(problemText).join('; '));
    },
    identifyPerson: async (rawHeaders) => {
      const identity = await identifiers.people.identify(rawHeaders);
      return identity.ok ? requirePerson(identity.value) : identity;
    },
    requireRole: (identity, roles) => requireAnyRole(identity, roles, config),
    readiness: () => readiness(parts),
    metrics: metrics.text,
    documents: documentsOf(parts.issuer),
    nextId: randomIds.next,
    log,
  });
  const server = await createPeopleServer({
    address: config.people.address,
    port: config.people.port,
    certificates: parts.certificates.people,
    app,
  });
  closing.push({ name: "people's port", close: () => server.close() });
}

/** The first role that the person has suffices; the refusal names the one that is meant for this. */
function requireAnyRole(
  identity: Identity,
  roles: readonly RoleName[],
  config: Config,
): Result<unknown, Refusal> {
  const tried = roles.map((role) => requireRole(identity, config.people.roles, role));
  return tried.find((one) => one.ok) ?? tried[0] ?? ok(null);
}

function readiness({ recorder, policies, identifiers, reload, sinks }: People): PartStatus[] {
  const issuers = [...identifiers.data.ready(), ...identifiers.people.ready()].map(
    ({ issuer, ready, problem }) => ({ part: `issuer ${issuer}`, ready, problem }),
  );
  const problem = policies.problems().map(problemText).join('; ');
  const database = recorder.available();
  return [
    { part: 'database', ready: database, problem: database ? '' : 'decisions cannot be recorded' },
    { part: 'policy', ready: policies.current() !== null, problem },
    // A broken save takes no gateway out of service: the configuration before it stays in force.
    { part: 'configuration', ready: true, problem: reload.problem() },
    ...issuers,
    ...sinkParts(sinks),
  ];
}

/** The local issuer's public documents, by path on the people's port. */
function documentsOf(issuer: LocalIssuer | null): ReadonlyMap<string, unknown> {
  const documents = new Map<string, unknown>();
  if (issuer === null) return documents;
  for (const realm of localRealms) {
    const base = `/local-issuer/${realm}`;
    documents.set(`${base}/.well-known/openid-configuration`, issuer.discoveryDocument(realm));
    documents.set(`${base}/jwks`, issuer.jwks(realm));
  }
  return documents;
}

/** Tells commands on this machine where the gateway is; holds no secret. */
function writeGatewayFile(
  config: Config,
  place: { readonly dataUrl: string; readonly peopleUrl: string; readonly caFile: string | null },
): void {
  const dataAudience = config.identity.issuers[0]?.audiences[0] ?? localDataAudience;
  const facts = {
    ...place,
    peopleAudience: config.people.audience,
    dataAudience: config.identity.local ? localDataAudience : dataAudience,
  };
  writeFileSync(join(config.dataDirectory, 'gateway.json'), `${JSON.stringify(facts, null, 2)}\n`);
}
