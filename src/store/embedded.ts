/* oxlint-disable unicorn/require-post-message-target-origin -- a worker's port has no origin */
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { Worker } from 'node:worker_threads';
import postgres from 'postgres';
import { errorText, type Log } from '../base/log.ts';
import type { OpenClient } from './connection.ts';
import { unavailable } from './failure.ts';

/** What the thread says (`pglite-worker.mjs`). */
type WorkerMessage =
  | { readonly kind: 'ready'; readonly selfTestFsyncs: number }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'fsyncs'; readonly count: number }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

/** The embedded database: a thread that speaks PostgreSQL's wire protocol. */
type Embedded = {
  /** A postgres.js client with the one connection that there is. */
  readonly open: OpenClient;
  /** Ends the thread, whatever it does; the next connection starts another, which recovers from the log. */
  readonly kill: () => void;
  /** Calls of fsync since the thread started, its own start included; 0 where none runs. */
  readonly fsyncCount: () => Promise<number>;
};

/**
 * The thread as a socket, so that postgres.js and drizzle work as they do on PostgreSQL. One thread serves one socket: a
 * new connection gets a new session, with nothing left over from the last.
 */
class ThreadSocket extends Duplex {
  readonly #worker: Worker;
  /** postgres.js asks a socket for it before it says goodbye. */
  readyState: 'open' | 'closed' = 'open';

  constructor(worker: Worker) {
    super();
    this.#worker = worker;
    worker.on('message', (message: WorkerMessage) => {
      if (message.kind === 'bytes' && message.bytes.length > 0) {
        this.push(
          Buffer.from(message.bytes.buffer, message.bytes.byteOffset, message.bytes.length),
        );
      }
    });
    worker.on('error', (cause) => this.destroy(threadEnded(errorText(cause))));
    worker.on('exit', (code) => {
      this.destroy(this.writableEnded ? undefined : threadEnded(`exit code ${code}`));
    });
  }

  override _read(): void {}

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    // Copied: the driver reuses its buffer, and a message is cloned only later.
    this.#worker.postMessage(Uint8Array.from(chunk));
    done();
  }

  override _final(done: () => void): void {
    this.#worker.once('exit', () => done());
    this.#worker.postMessage('close');
  }

  override _destroy(cause: Error | null, done: (cause: Error | null) => void): void {
    this.readyState = 'closed';
    void this.#worker.terminate();
    done(cause);
  }
}

function threadEnded(why: string): Error {
  return Object.assign(new Error(`the embedded database's thread ended: ${why}`), {
    code: 'EMBEDDED_ENDED',
  });
}

/**
 * Makes the embedded database of `<dataDirectory>/database`. It starts with its first connection, and starts
 * again with the next one after its thread ended.
 */
export function createEmbedded(options: {
  readonly dataDirectory: string;
  readonly log: Log;
}): Embedded {
  const directory = join(options.dataDirectory, 'database');
  let running: Worker | null = null;

  const start = async (): Promise<ThreadSocket> => {
    // The last session's thread must be gone before another opens its files.
    await running?.terminate();
    const worker = new Worker(new URL('./pglite-worker.mjs', import.meta.url), {
      workerData: { directory },
    });
    running = worker;
    worker.once('exit', () => {
      if (running === worker) running = null;
    });
    const selfTestFsyncs = await readiness(worker);
    if (selfTestFsyncs === 0) {
      await worker.terminate();
      throw unavailable(
        'the embedded database did not call fsync in its self-test, so a power loss could take records with it; use the version of @electric-sql/pglite that package-lock.json names, or configure database.url',
        null,
      );
    }
    options.log.debug('the embedded database runs', { directory });
    return new ThreadSocket(worker);
  };

  // postgres.js takes a function that makes the socket, and a depth of pipelining; its types list neither.
  const untyped = { socket: start, max_pipeline: 1 };
  return {
    open: (handlers) =>
      postgres({
        ...untyped,
        ...handlers,
        host: 'embedded',
        username: 'postgres',
        database: 'postgres',
        max: 1,
        fetch_types: false,
        idle_timeout: 0,
        max_lifetime: null,
        onnotice: () => {},
      }),
    kill: () => {
      void running?.terminate();
    },
    fsyncCount: async () => {
      const worker = running;
      if (worker === null) return 0;
      return new Promise((resolve) => {
        const listen = (message: WorkerMessage): void => {
          if (message.kind !== 'fsyncs') return;
          worker.off('message', listen);
          resolve(message.count);
        };
        worker.on('message', listen);
        worker.postMessage('fsyncs');
      });
    },
  };
}

/** Waits until the thread serves; resolves with the fsync calls of its self-test. */
function readiness(worker: Worker): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => reject(threadEnded(why));
    worker.once('error', (cause) => fail(errorText(cause)));
    worker.once('exit', (code) => fail(`exit code ${code}`));
    worker.once('message', (message: WorkerMessage) => {
      if (message.kind === 'ready') resolve(message.selfTestFsyncs);
      else fail(message.kind === 'failed' ? message.reason : 'it spoke before it was ready');
    });
  });
}
