// @ts-check
/* oxlint-disable unicorn/require-post-message-target-origin -- a worker's port has no origin */
/**
 * The embedded database's thread: PGlite (PostgreSQL compiled to WebAssembly) over one data directory, speaking
 * PostgreSQL's wire protocol with the main thread. Plain JavaScript, so that a worker can load it as it is from the
 * sources and from dist. It is synchronous inside, which is why it has a thread of its own: a slow query here does not
 * stop the event loop there.
 *
 * As shipped, PGlite never calls fsync: it starts with `-F`, and its file system has no fsync operation, so a power
 * loss would take acknowledged records with it. Both are mended here, and `selfTest` counts the calls at every start,
 * because the mending uses internals that another version may not have.
 */
import fs from 'node:fs';
import path from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import { NodeFS } from '@electric-sql/pglite/nodefs';

/** @typedef {{ nfd?: number, node: object }} EmscriptenStream */
/**
 * @typedef {{
 *   stream_ops: { fsync?: (stream: EmscriptenStream) => number },
 *   realPath: (node: object) => string,
 *   convertNodeCode: (error: unknown) => number,
 * }} NodeFsModule
 */
/** @typedef {{ NODEFS: NodeFsModule, FS: { ErrnoError: new (errno: number) => Error } }} PostgresModule */

/** The start parameters that PGlite ships, without `-F` (which turns fsync off); `open_datasync` has no call here. */
const START_PARAMETERS = [
  '--single',
  '-O',
  '-j',
  ...[
    'search_path=public',
    'exit_on_error=false',
    'log_checkpoints=false',
    'max_worker_processes=0',
    'max_parallel_workers=0',
    'max_parallel_workers_per_gather=0',
    'max_parallel_maintenance_workers=0',
    'io_method=sync',
    'fsync=on',
    'full_page_writes=on',
    'synchronous_commit=on',
    'wal_sync_method=fsync',
  ].flatMap((setting) => ['-c', setting]),
];

let fsyncCount = 0;

/** PGlite's own file system on a directory, with an fsync that reaches the disk. */
class DurableFs extends NodeFS {
  /**
   * @override
   * @param {Parameters<NodeFS['init']>[0]} pg
   * @param {Parameters<NodeFS['init']>[1]} given
   */
  async init(pg, given) {
    const { emscriptenOpts } = await super.init(pg, given);
    const preRun = [
      ...toList(emscriptenOpts.preRun),
      (/** @type {PostgresModule} */ module) => addFsync(module),
    ];
    return { emscriptenOpts: { ...emscriptenOpts, preRun } };
  }
}

/** @template T @param {T | T[] | undefined} value @returns {T[]} */
function toList(value) {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

/** @param {PostgresModule} module */
function addFsync({ NODEFS, FS }) {
  NODEFS.stream_ops.fsync = (stream) => {
    try {
      if (stream.nfd === undefined) syncDirectory(NODEFS.realPath(stream.node));
      else fs.fdatasyncSync(stream.nfd);
      fsyncCount += 1;
      return 0;
    } catch (error) {
      // PostgreSQL must hear of it: it panics rather than believe that the log is on disk.
      throw new FS.ErrnoError(NODEFS.convertNodeCode(error));
    }
  };
}

/** @param {string} directory */
function syncDirectory(directory) {
  const fd = fs.openSync(directory, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** @param {string} directory */
function syncTree(directory) {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) {
      syncTree(file);
    } else if (entry.isFile()) {
      const fd = fs.openSync(file, 'r+');
      fs.fdatasyncSync(fd);
      fs.closeSync(fd);
    }
  }
  syncDirectory(directory);
}

/** @param {string} directory */
const open = (directory) =>
  PGlite.create({
    fs: new DurableFs(directory),
    startParams: START_PARAMETERS,
    extensions: { pg_trgm },
  });

/**
 * Makes a new database beside its place and renames it there once all of it is on disk: a crash half way leaves
 * nothing that looks like a database.
 * @param {string} directory
 */
async function createDatabase(directory) {
  if (fs.existsSync(directory) && fs.readdirSync(directory).length > 0) {
    throw new Error(
      `${directory} is not empty and holds no database: move it away, or set another dataDirectory`,
    );
  }
  const fresh = `${directory}.new`;
  fs.rmSync(fresh, { recursive: true, force: true });
  fs.mkdirSync(fresh, { recursive: true, mode: 0o700 });
  const pg = await open(fresh);
  await pg.close();
  syncTree(fresh);
  fs.rmSync(directory, { recursive: true, force: true });
  fs.renameSync(fresh, directory);
  syncDirectory(path.dirname(directory));
}

/**
 * Commits something that must reach the disk and counts the fsync calls that it made.
 * @param {PGlite} pg
 */
async function selfTest(pg) {
  const before = fsyncCount;
  await pg.query("select pg_logical_emit_message(true, 'holdgate', 'fsync self-test')");
  return fsyncCount - before;
}

// oxlint-disable-next-line typescript/no-unsafe-assignment, typescript/no-unsafe-type-assertion -- embedded.ts is the only one that starts this file
const { directory } = /** @type {{ directory: string }} */ (workerData);
const port = parentPort;
if (port === null) throw new Error('pglite-worker.mjs is a worker thread, not a program');

try {
  if (!fs.existsSync(path.join(directory, 'PG_VERSION'))) await createDatabase(directory);
  const pg = await open(directory);
  const selfTestFsyncs = await selfTest(pg);
  port.on('message', (/** @type {Uint8Array | 'close' | 'fsyncs'} */ message) => {
    if (message === 'fsyncs') {
      port.postMessage({ kind: 'fsyncs', count: fsyncCount });
    } else if (message === 'close') {
      // Whatever PGlite says while it exits, the log is on disk.
      pg.close()
        .catch(() => {})
        .finally(() => process.exit(0));
    } else {
      // A panic (the disk is full) throws: the thread ends with it, and the next one recovers from the log.
      port.postMessage({ kind: 'bytes', bytes: pg.execProtocolRawSync(message) });
    }
  });
  port.postMessage({ kind: 'ready', selfTestFsyncs });
} catch (error) {
  port.postMessage({
    kind: 'failed',
    reason: error instanceof Error ? error.message : String(error),
  });
  process.exitCode = 1;
}
