import fs from 'node:fs';
import { resolve } from 'node:path';
import postgres, { type Options, type Sql } from 'postgres';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Secret } from '../base/secret.ts';
import { createEmbedded } from './embedded.ts';
import { lockEmbedded } from './embedded-lock.ts';
import { unavailable } from './failure.ts';
import { createLocalNotifier, createPostgresNotifier } from './notify.ts';
import { createPool, statementTimeoutMs, type Pool } from './pool.ts';
import { parsePostgresUrl, type PostgresTarget } from './postgres-url.ts';
import type { Store } from './store.ts';

export type ConnectOptions = {
  /** A PostgreSQL URL; null means the embedded database. */
  readonly url: Secret | null;
  /** Holds the embedded database and its lock; made where it is missing. */
  readonly dataDirectory: string;
  readonly log: Log;
  readonly clock: Clock;
  /** Called when the embedded database's lock was lost: the process must stop. */
  readonly onLockLost?: (why: string) => void;
};

/** Connections to PostgreSQL: per process, and small, as many replicas share one server. */
const generalConnections = 8;
const recordingConnections = 2;
const projectingConnections = 1;

/** Half an hour; replicas that started together do not all connect anew at once, as connections open with the load. */
const connectionAgeMsMax = 1_800_000;

/** The first start of the embedded database creates it, which takes seconds on a busy machine. Milliseconds. */
const embeddedStartTimeoutMs = 120_000;

/** The oldest PostgreSQL that is tested. */
const oldestServerVersion = 150_000;

/**
 * Opens the database: PostgreSQL by URL, else the embedded one. Rejects with a DependencyError that says what to do
 * when it cannot be reached, is too old, is in use by another process, or cannot keep what it acknowledged.
 */
export async function connectStore(options: ConnectOptions): Promise<Store> {
  return options.url === null ? connectEmbedded(options) : connectPostgres(options, options.url);
}

async function connectEmbedded(options: ConnectOptions): Promise<Store> {
  const { log } = options;
  const dataDirectory = resolve(options.dataDirectory);
  try {
    fs.mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw unavailable(`the data directory ${dataDirectory} cannot be made`, cause);
  }
  let pool: Pool | null = null;
  const lock = await lockEmbedded(dataDirectory, {
    log,
    onLost: (why) => {
      log.error('the embedded database is closed: its lock was lost', { why });
      void pool?.close();
      embedded.kill();
      options.onLockLost?.(why);
    },
  });
  const embedded = createEmbedded({ dataDirectory, log });
  const made = createPool({
    name: 'embedded',
    connections: 1,
    ageMsMax: Infinity,
    open: embedded.open,
    onReset: embedded.kill,
    secrets: [],
    log,
    clock: options.clock,
  });
  pool = made;
  try {
    await checkServer(made, log, embeddedStartTimeoutMs);
  } catch (cause) {
    await made.close();
    lock.release();
    throw cause;
  }
  const notifier = createLocalNotifier(log);
  const pools = { general: made, recording: made, projecting: made };
  return assemble('embedded', pools, notifier, async () => {
    await made.close();
    lock.release();
  });
}

async function connectPostgres(options: ConnectOptions, url: Secret): Promise<Store> {
  const { log } = options;
  const target = parsePostgresUrl(url, Object.keys(sessionSettings));
  const { secrets } = target;
  const pool = (name: string, connections: number): Pool =>
    createPool({
      name,
      connections,
      ageMsMax: connectionAgeMsMax,
      open: (handlers) => openPostgres(target, { ...stayingOptions, ...handlers }),
      secrets,
      log,
      clock: options.clock,
    });
  const general = pool('general', generalConnections);
  const recording = pool('recording', recordingConnections);
  const projecting = pool('projecting', projectingConnections);
  const notifier = createPostgresNotifier({
    open: (handlers) => openPostgres(target, { ...stayingOptions, ...handlers }),
    sender: general,
    secrets,
    log,
  });
  const close = async (): Promise<void> => {
    await notifier.close();
    await Promise.all([general.close(), recording.close(), projecting.close()]);
  };
  try {
    await checkServer(recording, log, 15_000);
  } catch (cause) {
    await close();
    throw cause;
  }
  return assemble('postgres', { general, recording, projecting }, notifier, close);
}

function assemble(
  kind: Store['kind'],
  pools: { readonly general: Pool; readonly recording: Pool; readonly projecting: Pool },
  notifier: Pick<Store, 'notify' | 'onNotify'>,
  close: () => Promise<void>,
): Store {
  return {
    kind,
    run: pools.general.run,
    transaction: pools.general.transaction,
    ...pools,
    notify: notifier.notify,
    onNotify: notifier.onNotify,
    close,
  };
}

function openPostgres(target: PostgresTarget, more: object): Sql {
  return postgres(target.url.reveal(), {
    connect_timeout: 5,
    fetch_types: false,
    ...noPipelining,
    onnotice: () => {},
    ...more,
    connection: sessionSettings,
  });
}

/** One connection, which postgres.js does not close by itself: it would not see that a transaction is under way. */
const stayingOptions = {
  max: 1,
  idle_timeout: 0,
  max_lifetime: null,
} satisfies Options<Record<string, never>>;

/** One query at a time, so that a statement that fails has nothing behind it. The types of postgres.js do not list it. */
const noPipelining = { max_pipeline: 1 };

/**
 * What every session has, whatever the role, the database or the URL says: an acknowledged record is on disk, and nothing
 * waits for long.
 */
const sessionSettings = {
  application_name: 'holdgate',
  TimeZone: 'UTC',
  synchronous_commit: 'on',
  statement_timeout: statementTimeoutMs,
  lock_timeout: statementTimeoutMs,
  idle_in_transaction_session_timeout: statementTimeoutMs,
};

/** What a session says of the guarantees that the records hang on. */
type ServerSettings = {
  readonly version: string;
  readonly encoding: string;
  readonly synchronous_commit: string;
  readonly fsync: string;
  readonly full_page_writes: string;
};

async function checkServer(pool: Pool, log: Log, timeoutMs: number): Promise<void> {
  const [settings] = await pool.raw(
    (sql) => sql<ServerSettings[]>`
      select current_setting('server_version_num') as version,
             current_setting('server_encoding') as encoding,
             current_setting('synchronous_commit') as synchronous_commit,
             current_setting('fsync') as fsync,
             current_setting('full_page_writes') as full_page_writes`,
    { timeoutMs },
  );
  if (settings === undefined) throw unavailable('it did not say what it is', null);
  if (Number(settings.version) < oldestServerVersion) {
    const major = Math.floor(Number(settings.version) / 10_000);
    throw unavailable(`it is PostgreSQL ${major}; use PostgreSQL 15 or later`, null);
  }
  if (settings.encoding !== 'UTF8') {
    throw unavailable(`its encoding is ${settings.encoding}; create it with encoding UTF8`, null);
  }
  if (settings.synchronous_commit !== 'on') {
    throw unavailable(
      `its sessions have synchronous_commit=${settings.synchronous_commit} although Holdgate asks for on (a connection pooler may drop start-up parameters); connect to PostgreSQL itself`,
      null,
    );
  }
  if (settings.fsync !== 'on' || settings.full_page_writes !== 'on') {
    log.warn('the database may lose acknowledged records at a power loss; turn both on', {
      fsync: settings.fsync,
      full_page_writes: settings.full_page_writes,
    });
  }
}
