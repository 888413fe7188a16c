import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { randomIds } from '../../src/base/ids.ts';
import { silentLog } from '../../src/base/log.ts';
import { ok } from '../../src/base/result.ts';
import { run } from '../../src/cli/run.ts';
import { createPeopleApp, createPeopleServer, type ConsolePorts } from '../../src/console/index.ts';
import { ensureLocalCertificates, watchCertificates } from '../../src/listen/index.ts';
import { exportFormats, type RecordEntry, type StreamRow } from '../../src/record/index.ts';
import {
  createDecisionStore,
  createExportStore,
  createSessionStore,
  createRecordStore,
} from '../../src/store/index.ts';
import { agent } from './flow-world.ts';
import { leavesOf, someStream } from './record-store-suite.ts';
import { openEmbeddedTestStore } from './test-store.ts';

/** The people's port over a database of its own, and the command line that calls it. Everybody is an auditor there. */
export type PeoplePort = {
  /** For files of the test. */
  readonly directory: string;
  /** Appends entries to the port's one stream. */
  readonly record: (entries: readonly RecordEntry[], ts?: string) => Promise<void>;
  readonly holdgate: (
    ...args: readonly string[]
  ) => Promise<{ readonly code: number; readonly out: string; readonly errors: string }>;
  readonly close: () => Promise<void>;
};

export async function openPeoplePort(): Promise<PeoplePort> {
  const directory = mkdtempSync(join(tmpdir(), 'holdgate-people-'));
  const { store, close } = await openEmbeddedTestStore();
  const files = await ensureLocalCertificates(directory, ['127.0.0.1'], Date.now(), 'people');
  const server = await createPeopleServer({
    address: '127.0.0.1',
    port: 0,
    certificates: watchCertificates(files, silentLog),
    app: createPeopleApp({
      decisions: createDecisionStore(store),
      exports: { ...createExportStore(store, systemClock, 3), formats: exportFormats },
      sessions: createSessionStore(store),
      evidence: {} as ConsolePorts['evidence'],
      approvals: {} as ConsolePorts['approvals'],
      locate: () => Promise.resolve(ok([])),
      identifyPerson: () => Promise.resolve(ok(agent)),
      requireRole: () => ok(null),
      readiness: () => [],
      metrics: () => Promise.resolve({ contentType: 'text/plain', text: '' }),
      documents: new Map(),
      nextId: randomIds.next,
      log: silentLog,
    }),
  });
  const tokenFile = join(directory, 'token');
  writeFileSync(tokenFile, 'token');
  const url = `https://127.0.0.1:${server.port}`;
  const place = ['--server', url, '--ca', files.caFile, '--token-file', tokenFile];
  const records = createRecordStore(store);
  const stream: StreamRow = someStream();
  await records.openStream(stream);
  let seq = 0;
  return {
    directory,
    record: async (entries, ts) => {
      const leaves = leavesOf(stream, entries, seq, ts);
      seq += leaves.length;
      await records.append(stream, leaves, 'unsigned');
    },
    holdgate: async (...args) => {
      let [out, errors] = ['', ''];
      const code = await run([...args, ...place], {
        out: (text) => (out += text),
        err: (text) => (errors += text),
        env: {},
        stop: new AbortController().signal,
        onHangup: () => {},
      });
      return { code, out, errors };
    },
    close: async () => {
      await server.close();
      await close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
