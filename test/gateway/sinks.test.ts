import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { configSchema } from '../../src/config/index.ts';
import { openSinks, sinkParts } from '../../src/gateway/sinks.ts';
import type { Closing } from '../../src/gateway/parts.ts';
import { createRecordStore } from '../../src/store/index.ts';
import { startHttpReceiver, type HttpReceiver } from '../support/http-receiver.ts';
import { someDecision, someOutcome } from '../support/record-entries.ts';
import { leavesOf, someStream } from '../support/record-store-suite.ts';
import { framesOf, startSyslogReceiver, type SyslogReceiver } from '../support/syslog-receiver.ts';
import { openEmbeddedTestStore, type TestStore } from '../support/test-store.ts';

let opened: TestStore;
let https: HttpReceiver;
let syslog: SyslogReceiver;
let directory: string;
const stream = someStream();
const leaves = leavesOf(stream, [someDecision({ verdict: 'deny' }), someOutcome()]);
beforeAll(async () => {
  opened = await openEmbeddedTestStore();
  https = await startHttpReceiver({ tls: true });
  syslog = await startSyslogReceiver({ tls: true });
  directory = mkdtempSync(join(tmpdir(), 'holdgate-sinks-'));
  writeFileSync(join(directory, 'https.pem'), https.ca ?? '');
  writeFileSync(join(directory, 'syslog.pem'), syslog.ca);
  const records = createRecordStore(opened.store);
  await records.openStream(stream);
  await records.append(stream, leaves, 'unsigned');
}, 120_000);
afterAll(async () => {
  await Promise.all([https.close(), syslog.close(), opened.close()]);
  rmSync(directory, { recursive: true });
});
const closing: Closing[] = [];
afterEach(async () => {
  for (const part of closing.splice(0)) await part.close();
});

const open = (sinks: unknown, env: Readonly<Record<string, string>> = {}) => {
  const config = configSchema.parse({ record: { sinks } });
  const recorder = { append: () => Promise.resolve() };
  return openSinks(config, { store: opened.store, recorder }, { env, log: silentLog }, closing);
};

test('each configured sink gets the record in its own form, with its CA and its secret', async () => {
  const certificateAuthority = join(directory, 'https.pem');
  const env = {
    HOOK: `whsec_${Buffer.alloc(32, 1).toString('base64')}`,
    TOKEN: 'tea',
  };
  const sinks = open(
    [
      {
        kind: 'webhook',
        name: 'hook',
        url: `${https.url}/hook`,
        certificateAuthority,
        secret: { env: 'HOOK' },
      },
      {
        kind: 'otlp',
        name: 'collector',
        url: `${https.url}/otlp`,
        certificateAuthority,
        token: { env: 'TOKEN' },
      },
      { kind: 'opa', name: 'decisions', url: `${https.url}/opa`, certificateAuthority },
      {
        kind: 'syslog',
        name: 'siem',
        url: `tls://127.0.0.1:${syslog.port}`,
        certificateAuthority: join(directory, 'syslog.pem'),
      },
    ],
    env,
  );
  const texts = leaves.map(({ text }) => text);
  await expect
    .poll(() => sinks.map((sink) => sink.status().counts.delivered), { timeout: 15_000 })
    .toEqual([2, 2, 1, 2]);
  const bodyAt = (path: string): Buffer =>
    https.received.find((post) => post.path === path)?.body ?? Buffer.alloc(0);
  expect(bodyAt('/hook').toString()).toBe(texts.map((text) => `${text}\n`).join(''));
  expect(bodyAt('/otlp/v1/logs').toString()).toContain(JSON.stringify(texts[1]));
  expect(JSON.parse(gunzipSync(bodyAt('/opa/logs')).toString())).toHaveLength(1);
  const frames = framesOf(syslog.connections[0] ?? Buffer.alloc(0)).map(String);
  expect(frames.map((frame) => frame.split('\ufeff')[1])).toEqual(texts);
  const [, otlp] = ['/hook', '/otlp/v1/logs'].map((path) =>
    https.received.find((post) => post.path === path),
  );
  expect(otlp?.headers.authorization).toBe('Bearer tea');
  expect(sinkParts(sinks).map(({ part, ready, problem }) => [part, ready, problem])).toEqual([
    ['sink hook', true, ''],
    ['sink collector', true, ''],
    ['sink decisions', true, ''],
    ['sink siem', true, ''],
  ]);
});

test('a sink that cannot be reached is a problem, and the gateway stays ready', async () => {
  const sinks = open([{ kind: 'opa', name: 'gone', url: 'http://127.0.0.1:1' }]);
  await expect.poll(() => sinks[0]?.status().counts.failed, { timeout: 15_000 }).toBe(1);
  const [part] = sinkParts(sinks);
  expect(part).toMatchObject({ part: 'sink gone', ready: true });
  expect(part?.problem).toMatch(/^POST http:\/\/127\.0\.0\.1:1\/logs: .*ECONNREFUSED/);
});

test('a secret that is not there is a problem that does not stop a start', async () => {
  const sinks = open([
    { kind: 'webhook', name: 'unsigned', url: `${https.url}/x`, secret: { env: 'MISSING' } },
  ]);
  await expect.poll(() => sinks[0]?.status().counts.failed, { timeout: 15_000 }).toBe(1);
  expect(sinks[0]?.status().problem).toMatch(/MISSING is not set/);
  expect(https.received.filter(({ path }) => path === '/x')).toEqual([]);
});
