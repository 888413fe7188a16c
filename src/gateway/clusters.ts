import type { Schedule } from '../base/clock.ts';
import { refusal, type Refusal } from '../base/errors.ts';
import { errorText, type Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { ClusterConfig, Config } from '../config/index.ts';
import type { Cluster } from '../flow/ports.ts';
import { createRetirableUpstream, type OpenUpstream } from '../forward/index.ts';
import type { RetirableUpstream } from '../forward/index.ts';
import type { ClusterFacts } from '../record/index.ts';
import { reconcile, type ClusterState, type Reconciled } from './reconcile.ts';

export type ClusterPorts = {
  /** Opens the upstream of a cluster without sending anything; the error says what cannot be used, and where. */
  readonly open: (config: ClusterConfig) => Result<OpenUpstream, string>;
  readonly schedule: Schedule;
  readonly log: Log;
  /** How long what rides on a cluster that was removed or changed may go on. Milliseconds. */
  readonly drainMs: number;
};

type Entry = ClusterState & {
  readonly cluster: Cluster;
  readonly retirable: RetirableUpstream;
  readonly files: readonly string[];
};

/** The clusters of a configuration, opened and compared with those in force, not in force yet. */
export type PreparedClusters = {
  readonly changes: Reconciled;
  readonly defaultCluster: string;
  /** Nothing that a request could notice is different. */
  readonly same: boolean;
  /** Puts them into force: the next request sees them. */
  readonly take: () => void;
  /** They will not be taken. */
  readonly drop: () => Promise<void>;
};

/** The clusters behind the gateway as they are configured now. */
export type Clusters = {
  /** By name; null is the default cluster. HOLDGATE_LISTEN_CLUSTER_UNKNOWN names those that are configured. */
  readonly find: (name: string | null) => Result<Cluster, Refusal>;
  /** Opens what a configuration names; every cluster that cannot be used is an error of its own. */
  readonly prepare: (
    config: Pick<Config, 'clusters' | 'defaultCluster'>,
  ) => Result<PreparedClusters, readonly string[]>;
  /** The files that were read once to open the clusters in force. */
  readonly files: () => readonly string[];
  /** Closes every upstream at once, also those that still drain. */
  readonly close: () => Promise<void>;
};

/** No clusters yet: the first are prepared and taken as all later ones. */
export function createClusters(ports: ClusterPorts): Clusters {
  let entries: ReadonlyMap<string, Entry> = new Map();
  let defaultName = '';
  const draining = new Set<RetirableUpstream>();

  const retire = ({ cluster, retirable }: Entry): void => {
    draining.add(retirable);
    void retirable
      .retire(ports.drainMs)
      .then((cut) => ports.log.info('cluster let go', { name: cluster.name, cut }))
      .catch((cause: unknown) =>
        ports.log.error('a cluster did not close', {
          name: cluster.name,
          cause: errorText(cause),
        }),
      )
      .finally(() => draining.delete(retirable));
  };

  const take = (next: ReadonlyMap<string, Entry>, nextDefault: string): void => {
    const kept = new Set([...next.values()].map((entry) => entry.retirable));
    const replaced = [...entries.values()].filter((entry) => !kept.has(entry.retirable));
    entries = next;
    defaultName = nextDefault;
    for (const entry of replaced) retire(entry);
  };

  return {
    find: (name) => find(entries, defaultName, name),
    prepare: (config) => {
      const opened = openAll(config.clusters, ports);
      if (!opened.ok) return opened;
      const changes = reconcile([...entries.values()], opened.value);
      const next = new Map(opened.value.map((entry) => [entry.facts.name, entry]));
      const unused = keepConnections(next, entries);
      const nextDefault = config.defaultCluster ?? config.clusters[0]?.name ?? '';
      const { added, removed, changed } = changes;
      return ok({
        changes,
        defaultCluster: nextDefault,
        same: added.length + removed.length + changed.length === 0 && nextDefault === defaultName,
        take: () => {
          take(next, nextDefault);
          for (const one of unused) void one.upstream.close();
        },
        drop: async () => {
          for (const entry of opened.value) await entry.retirable.upstream.close();
        },
      });
    },
    files: () => [...entries.values()].flatMap((entry) => entry.files),
    close: async () => {
      const all = [...[...entries.values()].map((entry) => entry.retirable), ...draining];
      await Promise.all(all.map((one) => one.upstream.close()));
    },
  };
}

function openAll(
  configs: readonly ClusterConfig[],
  ports: ClusterPorts,
): Result<readonly Entry[], readonly string[]> {
  const entries: Entry[] = [];
  const problems: string[] = [];
  for (const config of configs) {
    const opened = ports.open(config);
    if (opened.ok) entries.push(entryOf(config, opened.value, ports.schedule));
    else problems.push(opened.error);
  }
  if (problems.length === 0) return ok(entries);
  for (const { retirable } of entries) void retirable.upstream.close();
  return err(problems);
}

function entryOf(config: ClusterConfig, opened: OpenUpstream, schedule: Schedule): Entry {
  const { name, labels } = config;
  const { server, credential, fingerprint, files } = opened;
  const retirable = createRetirableUpstream(opened.upstream, schedule);
  const facts: ClusterFacts = { name, server: withoutUserinfo(server), credential, labels };
  const { upstream, use } = retirable;
  return { facts, fingerprint, files, retirable, cluster: { name, labels, server, upstream, use } };
}

/** A password in a URL is a secret in the wrong place; it must not get into log and record as well. */
function withoutUserinfo(server: string): string {
  const url = new URL(server);
  if (url.username === '' && url.password === '') return server;
  url.username = '';
  url.password = '';
  return url.href;
}

/**
 * A cluster that is reached as before keeps its very upstream and connections, also under new labels. Answers the
 * upstreams that were opened for the comparison only.
 */
function keepConnections(
  next: Map<string, Entry>,
  current: ReadonlyMap<string, Entry>,
): readonly RetirableUpstream[] {
  const unused: RetirableUpstream[] = [];
  for (const [name, entry] of next) {
    const was = current.get(name);
    if (was === undefined || was.fingerprint !== entry.fingerprint) continue;
    unused.push(entry.retirable);
    const { upstream, use } = was.retirable;
    const cluster = { ...entry.cluster, upstream, use };
    next.set(name, { ...entry, retirable: was.retirable, cluster });
  }
  return unused;
}

function find(
  entries: ReadonlyMap<string, Entry>,
  defaultName: string,
  name: string | null,
): Result<Cluster, Refusal> {
  const entry = entries.get(name ?? defaultName);
  if (entry !== undefined) return ok(entry.cluster);
  const known = [...entries.keys()].join(', ');
  const what =
    name === null ? 'no cluster is configured' : `there is no cluster "${name.slice(0, 100)}"`;
  return err(refusal('HOLDGATE_LISTEN_CLUSTER_UNKNOWN', `${what}; configured: ${known || 'none'}`));
}
