import { EventEmitter } from 'node:events';
import type { Sql } from 'postgres';
import { errorText, type Log } from '../base/log.ts';
import { redact } from './failure.ts';
import type { RawRunner, Store } from './store.ts';

type Notifier = Pick<Store, 'notify' | 'onNotify'> & {
  readonly close: () => Promise<void>;
};

/** Hints within the one process that an embedded database has. */
export function createLocalNotifier(log: Log): Notifier {
  const listeners = createListeners(log);
  return {
    notify: (channel, payload) => {
      setImmediate(() => listeners.tell(channel, payload));
      return Promise.resolve();
    },
    onNotify: listeners.add,
    close: () => Promise.resolve(),
  };
}

/** How long to wait before the listening connection is made anew. Milliseconds. */
const relistenMs = 500;

/**
 * LISTEN and NOTIFY of PostgreSQL on a connection of its own. postgres.js's own `listen` forgets a channel whose
 * re-listening fails once, so the connection is watched here: when it closes, a new one listens to every channel, and each
 * listener is told with an empty payload that hints may have been lost.
 */
export function createPostgresNotifier(options: PostgresNotifierOptions): Notifier {
  const listeners = createListeners(options.log);
  const connection = createListener(options, listeners);
  return {
    notify: (channel, payload) =>
      options.sender.raw(async (sender) => {
        await sender`select pg_notify(${channel}, ${payload})`;
      }),
    onNotify: (channel, listener) => {
      const stop = listeners.add(channel, listener);
      void connection.listen();
      return stop;
    },
    close: connection.close,
  };
}

type PostgresNotifierOptions = {
  readonly open: (handlers: {
    onclose: () => void;
    onnotify: (channel: string, payload: string) => void;
  }) => Sql;
  readonly sender: RawRunner;
  readonly secrets: readonly string[];
  readonly log: Log;
};

/** The listening connection: `listen` brings it up to every channel that has a listener, and keeps it there. */
function createListener(options: PostgresNotifierOptions, listeners: Listeners) {
  const listening = new Set<string>();
  let sql: Sql | null = null;
  let timer: NodeJS.Timeout | null = null;
  let closed = false;
  let wasLost = false;

  const lose = (lost: Sql): void => {
    if (lost !== sql) return;
    sql = null;
    listening.clear();
    wasLost = true;
    lost.end({ timeout: 0 }).catch(() => {});
    if (closed || timer !== null) return;
    timer = setTimeout(() => {
      timer = null;
      void listen();
    }, relistenMs);
    timer.unref();
  };
  const connect = (): Sql => {
    const made: Sql = options.open({
      onclose: () => lose(made),
      onnotify: (channel, payload) => listeners.tell(channel, payload),
    });
    return made;
  };
  const listen = async (): Promise<void> => {
    if (closed || listeners.channels().length === 0) return;
    const used = (sql ??= connect());
    try {
      for (const channel of listeners.channels()) {
        if (listening.has(channel)) continue;
        await used`listen ${used(channel)}`;
        if (used !== sql) return;
        listening.add(channel);
        if (wasLost) listeners.tell(channel, '');
      }
      wasLost = false;
    } catch (cause) {
      if (closed) return;
      options.log.warn('cannot listen for hints of other replicas; trying again', {
        cause: redact(errorText(cause), options.secrets),
      });
      lose(used);
    }
  };
  const close = async (): Promise<void> => {
    closed = true;
    if (timer !== null) clearTimeout(timer);
    await sql?.end({ timeout: 0 });
  };
  return { listen, close };
}

type Listeners = ReturnType<typeof createListeners>;

function createListeners(log: Log) {
  const emitter = new EventEmitter({ captureRejections: false });
  emitter.setMaxListeners(0);
  return {
    add: (channel: string, listener: (payload: string) => void): (() => void) => {
      const safe = (payload: string): void => {
        try {
          listener(payload);
        } catch (cause) {
          log.error('a listener for hints failed', { channel, cause: errorText(cause) });
        }
      };
      emitter.on(channel, safe);
      return () => emitter.off(channel, safe);
    },
    tell: (channel: string, payload: string): void => {
      emitter.emit(channel, payload);
    },
    channels: (): string[] => emitter.eventNames().map(String),
  };
}
