import { createHmac } from 'node:crypto';
import { hostname } from 'node:os';
import type { Clock } from '../base/clock.ts';
import { randomIds, type Ids } from '../base/ids.ts';
import type { Log } from '../base/log.ts';
import type { Secret } from '../base/secret.ts';
import type { Recorder } from './entry.ts';
import { GroupCommit } from './group-commit.ts';
import type { StreamState } from './open-stream.ts';
import type { RecordStore } from './record-store.ts';
import type { RecorderEvent } from './recorder-event.ts';
import type { DeploymentKey } from './signing/deployment-key.ts';

export type RecorderOptions = {
  readonly store: RecordStore;
  readonly clock: Clock;
  /** The key of `loadDigestKey`: hexadecimal digits. */
  readonly digestKey: Secret;
  /** The key of `loadDeploymentKey`: it vouches for each stream's own. */
  readonly deploymentKey: DeploymentKey;
  readonly log: Log;
  /** Told when recording breaks, recovers or stops: for metrics and alerts. */
  readonly onFailure: (event: RecorderEvent) => void;
  /** Told after each commit what is committed of the stream: for the ledger. Quick, and never throws. */
  readonly onCommitted?: (state: StreamState) => void;
  /** Names streams; random by default. */
  readonly ids?: Ids;
  /** Names this process in its streams; host and process id by default. */
  readonly replica?: string;
};

/**
 * Makes the one way into the record. It opens this process's stream with its first entry, rotates it at midnight UTC, and
 * recovers by itself when the database comes back; see `GroupCommit` for what it promises.
 */
export function createRecorder(options: RecorderOptions): Recorder {
  const { store, clock, log, onFailure } = options;
  const commit = new GroupCommit({
    store,
    deploymentKey: options.deploymentKey,
    clock,
    log,
    onCommitted: options.onCommitted ?? (() => {}),
    ids: options.ids ?? randomIds,
    replica: options.replica ?? `${hostname()}/${process.pid}`,
    onEvent: onFailure,
  });
  const key = Buffer.from(options.digestKey.reveal(), 'hex');
  return {
    append: (entry) => commit.append(entry),
    available: () => commit.available(),
    digest: (bytes) => `hmac-sha256:${createHmac('sha256', key).update(bytes).digest('hex')}`,
    close: () => commit.close(),
  };
}
