import { resolve } from 'node:path';
import { systemClock, systemSchedule } from '../base/clock.ts';
import { err } from '../base/result.ts';
import {
  formatConfigProblem,
  loadConfig,
  resolveSecret,
  watchFiles,
  type Config,
} from '../config/index.ts';
import { createUpstream } from '../forward/index.ts';
import type { Recorder } from '../record/index.ts';
import { createClusters, type Clusters } from './clusters.ts';
import { StartError, type Closing, type GatewayOptions } from './parts.ts';
import { createReload, takeClusters, type Reload } from './reload.ts';

/** Opens every configured cluster and records them. Throws a StartError that names each one that cannot be used. */
export async function openClusters(
  config: Config,
  { log, env }: GatewayOptions,
  recorder: Recorder,
  closing: Closing[],
): Promise<Clusters> {
  const clusters = createClusters({
    open: (one) =>
      createUpstream(one, {
        clock: systemClock,
        log,
        secret: (source) => resolveSecret(source, '.', env),
        path: env['PATH'] ?? '',
      }),
    schedule: systemSchedule,
    log,
    drainMs: config.drainSeconds * 1000,
  });
  const prepared = clusters.prepare(config);
  if (!prepared.ok) throw new StartError(prepared.error.join('\n'));
  closing.push({ name: 'clusters', close: () => clusters.close() });
  await takeClusters(prepared.value, 'start', { recorder, log });
  return clusters;
}

/** Reloads clusters when the configuration file, or a file that one of them was opened with, is saved. */
export type ConfigReload = Pick<Reload, 'now' | 'problem'> & {
  /** Begins to watch; until then only `now` reloads. */
  readonly watch: (closing: Closing[]) => void;
};

/** Where the gateway runs without a configuration file, nothing is reloaded. */
export function openReload(
  running: Config,
  { configFile: named, env, log }: GatewayOptions,
  ports: { readonly clusters: Clusters; readonly recorder: Recorder },
): ConfigReload {
  if (named === undefined) {
    return { now: () => Promise.resolve('unchanged'), problem: () => '', watch: () => {} };
  }
  const configFile = resolve(named);
  const reload = createReload({
    load: async () => {
      const loaded = await loadConfig(configFile, env);
      return loaded.ok ? loaded : err(loaded.error.map(formatConfigProblem));
    },
    ...ports,
    running,
    log,
  });
  let retry = (): void => {};
  const now: Reload['now'] = async () => {
    const end = await reload.now();
    if (end === 'not-recorded') retry();
    return end;
  };
  return {
    now,
    problem: reload.problem,
    watch: (closing) => {
      const watched = watchFiles(
        () => [configFile, ...ports.clusters.files()],
        () => void now(),
      );
      retry = () => watched.again();
      closing.push({
        name: 'configuration',
        close: () => {
          watched.close();
          return reload.close();
        },
      });
    },
  };
}
