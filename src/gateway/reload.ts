import { errorText, type Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import { restartKeys, type Config } from '../config/index.ts';
import type { ClustersChangeEntry, Recorder } from '../record/index.ts';
import type { Clusters, PreparedClusters } from './clusters.ts';

export type ReloadPorts = {
  /** Reads and validates the whole configuration file; the errors are lines for people, with file and line. */
  readonly load: () => Promise<Result<Config, readonly string[]>>;
  readonly clusters: Clusters;
  readonly recorder: Pick<Recorder, 'append'>;
  /** The configuration that the gateway started with. */
  readonly running: Config;
  readonly log: Log;
};

/** `refused`: what is saved cannot be used. `not-recorded`: it can, and is to be tried again. */
export type ReloadEnd = 'taken' | 'unchanged' | 'refused' | 'not-recorded';

export type Reload = {
  /** Takes what is saved now, one reload after another. Whatever does not end in `taken` leaves everything as it was. */
  readonly now: () => Promise<ReloadEnd>;
  /** Why what is saved is not in force; empty when it is. */
  readonly problem: () => string;
  /** Resolves when no reload is under way; none begins after it. */
  readonly close: () => Promise<void>;
};

/**
 * The entry of a change, and then the change itself: the record knows of every cluster before anything can be sent to
 * it. Rejects, with nothing changed, where the entry could not be committed.
 */
export async function takeClusters(
  prepared: PreparedClusters,
  occasion: ClustersChangeEntry['occasion'],
  { recorder, log }: Pick<ReloadPorts, 'recorder' | 'log'>,
): Promise<void> {
  const { added, removed, changed } = prepared.changes;
  const { defaultCluster } = prepared;
  const common = { requestId: '', cluster: '', occasion, defaultCluster } as const;
  await recorder.append({ kind: 'clusters', ...common, added, removed, changed });
  prepared.take();
  for (const one of added) log.info('cluster', { ...one });
  for (const { now, what } of changed) log.info('cluster changed', { ...now, what });
  for (const { name, server } of removed) log.info('cluster removed', { name, server });
  log.info('clusters in force', { occasion, defaultCluster, ...counts(prepared) });
}

const counts = ({ changes }: PreparedClusters) => ({
  added: changes.added.length,
  removed: changes.removed.length,
  changed: changes.changed.length,
  unchanged: changes.unchanged.length,
});

/** Makes the reload of a configuration file. Of what changed it takes the clusters, and says what needs a restart. */
export function createReload(ports: ReloadPorts): Reload {
  const { log } = ports;
  let problem = '';
  let saidKeys = '';
  let queue: Promise<unknown> = Promise.resolve();
  let closed = false;

  const refuse = (message: string, problems: readonly string[]): void => {
    const text = problems.join('; ');
    // A database that is down is tried each second; it is said once.
    if (text !== problem) for (const one of problems) log.error(message, { problem: one });
    problem = text;
  };

  const sayRestart = (saved: Config): void => {
    const keys = restartKeys(ports.running, saved);
    if (keys.join() === saidKeys) return;
    saidKeys = keys.join();
    if (keys.length > 0)
      log.warn('the configuration changed where only a restart takes it', { keys });
  };

  const run = async (): Promise<ReloadEnd> => {
    if (closed) return 'unchanged';
    const read = await loaded(ports);
    if (!read.ok) {
      refuse('configuration refused; the running one stays', read.error);
      return 'refused';
    }
    const { config, prepared } = read.value;
    if (prepared.same) {
      await prepared.drop();
      problem = '';
      sayRestart(config);
      return 'unchanged';
    }
    try {
      await takeClusters(prepared, 'reload', ports);
    } catch (cause) {
      await prepared.drop();
      const what = `the change of clusters could not be recorded: ${errorText(cause)}`;
      refuse('configuration not taken yet; it is tried again', [what]);
      return 'not-recorded';
    }
    problem = '';
    sayRestart(config);
    return 'taken';
  };

  return {
    now: () => {
      const next = queue.then(run);
      queue = next.catch(() => {});
      return next;
    },
    problem: () => problem,
    close: async () => {
      closed = true;
      await queue;
    },
  };
}

/** The saved configuration and its clusters, opened: only what can be used as a whole is taken. */
async function loaded(
  ports: ReloadPorts,
): Promise<
  Result<{ readonly config: Config; readonly prepared: PreparedClusters }, readonly string[]>
> {
  try {
    const config = await ports.load();
    if (!config.ok) return config;
    const prepared = ports.clusters.prepare(config.value);
    return prepared.ok
      ? ok({ config: config.value, prepared: prepared.value })
      : err(prepared.error);
  } catch (cause) {
    return err([`the configuration could not be read: ${errorText(cause)}`]);
  }
}
