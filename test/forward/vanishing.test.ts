import { mkdtempSync, readFileSync } from 'node:fs';
import { createSecureServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { createHttp2Sessions } from '../../src/forward/transport/http2-sessions.ts';
import type { Outgoing } from '../../src/forward/transport/transport.ts';
import { sendUpgrade } from '../../src/forward/transport/upgrade.ts';
import { ensureLocalCertificates } from '../../src/listen/local-ca.ts';
import { startFakeUpstream } from '../support/fake-upstream.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

type Script = {
  readonly session?: (session: ServerHttp2Session) => void;
  readonly stream?: (stream: ServerHttp2Stream) => void;
};

/** An HTTP/2 server that takes one stream a session, so that a place that is not given back is seen as a second session. */
async function open(script: Script) {
  const directory = mkdtempSync(join(tmpdir(), 'holdgate-vanishing-'));
  const files = await ensureLocalCertificates(directory, ['127.0.0.1'], Date.now(), 'upstream');
  const sessions = new Set<ServerHttp2Session>();
  const server = createSecureServer({
    cert: readFileSync(files.certificateFile),
    key: readFileSync(files.keyFile),
    settings: { maxConcurrentStreams: 1 },
  });
  server.on('sessionError', () => {});
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
    script.session?.(session);
  });
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    script.stream?.(stream);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const upstream = createHttp2Sessions({
    origin: `https://127.0.0.1:${port}`,
    tls: { ca: readFileSync(files.caFile, 'utf8') },
  });
  closing.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => sessions.forEach((session) => session.destroy()),
    () => upstream.close(),
  );
  return { upstream, sessions };
}

const watch = (more: Partial<Outgoing> = {}): Outgoing => ({
  method: 'GET',
  target: '/api/v1/pods?watch=1',
  headers: [],
  body: null,
  longRunning: true,
  signal: new AbortController().signal,
  ...more,
});

test('an answer that has ended and that nobody read gives its place back when its client leaves', async () => {
  let closed: () => void = () => {};
  const { upstream, sessions } = await open({
    stream: (stream) => {
      stream.respond({ ':status': 200 });
      stream.on('close', () => closed());
      stream.end('{"type":"BOOKMARK"}\n');
    },
  });
  for (let time = 0; time < 3; time += 1) {
    const ended = new Promise<void>((resolve) => (closed = resolve));
    const client = new AbortController();
    const sent = await upstream.send(watch({ signal: client.signal }));
    expect(sent).toMatchObject({ kind: 'answer' });
    await ended;
    client.abort();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(sessions.size).toBe(1);
});

test('a server that closes each session as soon as it stands is a failure, not an exception', async () => {
  const { upstream } = await open({ session: (session) => session.destroy() });
  const sent = await Promise.all(Array.from({ length: 20 }, () => upstream.send(watch())));
  expect(new Set(sent.map((one) => (one === 'unsupported' ? one : one.kind)))).toEqual(
    new Set(['failed']),
  );
});

test('an upgrade is not waited for when its client left before it was asked for', async () => {
  const fake = await startFakeUpstream(() => {}, 'h1');
  closing.push(() => fake.close());
  const end = await sendUpgrade(
    { origin: fake.server, tls: { ca: fake.ca } },
    { method: 'GET', target: '/', headers: [], signal: AbortSignal.abort() },
  );
  expect(end.ok ? end.value.kind : end.error.code).toBe('HOLDGATE_FORWARD_UNREACHABLE');
});
