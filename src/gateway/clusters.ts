import { systemClock } from '../base/clock.ts';
import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import { resolveSecret, type Config } from '../config/index.ts';
import type { Cluster } from '../flow/ports.ts';
import { createUpstream } from '../forward/index.ts';
import { StartError, type Closing, type GatewayOptions } from './parts.ts';

export function openClusters(
  config: Config,
  { log, env }: GatewayOptions,
  closing: Closing[],
): ReadonlyMap<string, Cluster> {
  const clusters = new Map<string, Cluster>();
  for (const one of config.clusters) {
    const opened = createUpstream(one, {
      clock: systemClock,
      log,
      secret: (source) => resolveSecret(source, '.', env),
      path: env['PATH'] ?? '',
    });
    if (!opened.ok) throw new StartError(opened.error);
    const { upstream, server, credential } = opened.value;
    closing.push({ name: `cluster ${one.name}`, close: () => upstream.close() });
    clusters.set(one.name, { name: one.name, labels: one.labels, upstream });
    log.info('cluster', { name: one.name, server, credential });
  }
  return clusters;
}

export function findCluster(
  clusters: ReadonlyMap<string, Cluster>,
  config: Config,
  name: string | null,
): Result<Cluster, Refusal> {
  const wanted = name ?? config.defaultCluster ?? config.clusters[0]?.name ?? '';
  const cluster = clusters.get(wanted);
  if (cluster !== undefined) return ok(cluster);
  const known = [...clusters.keys()].join(', ');
  const what =
    name === null ? 'no cluster is configured' : `there is no cluster "${name.slice(0, 100)}"`;
  return err(refusal('HOLDGATE_LISTEN_CLUSTER_UNKNOWN', `${what}; configured: ${known || 'none'}`));
}
