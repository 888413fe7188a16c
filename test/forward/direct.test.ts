import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { ok } from '../../src/base/result.ts';
import { Secret } from '../../src/base/secret.ts';
import { tokenCredential, tokenFileCredential } from '../../src/forward/credentials/token.ts';
import { createDirectUpstream } from '../../src/forward/transport/direct.ts';
import type { Upstream, UpstreamRequest } from '../../src/forward/index.ts';
import { startFakeUpstream, type FakeUpstream } from '../support/fake-upstream.ts';

const TOKEN = 'planted-secret-token';
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

type Serve = Parameters<typeof startFakeUpstream>[0];

async function open(
  serve: Serve,
  protocols: 'both' | 'h1' = 'both',
): Promise<{ upstream: Upstream; fake: FakeUpstream }> {
  const fake = await startFakeUpstream(serve, protocols);
  const upstream = createDirectUpstream({
    server: fake.server,
    tls: { ca: fake.ca },
    credential: tokenCredential('the test', () => ok(new Secret(TOKEN))),
    log: silentLog,
  });
  closing.push(
    () => fake.close(),
    () => upstream.close(),
  );
  return { upstream, fake };
}

const request = (more: Partial<UpstreamRequest> = {}): UpstreamRequest => ({
  method: 'GET',
  target: '/api/v1/pods?limit=1',
  headers: [['accept', 'application/json']],
  body: null,
  auditId: 'audit-1',
  longRunning: false,
  signal: new AbortController().signal,
  ...more,
});

const post = request({ method: 'POST', body: Buffer.from('{}') });
const codeOf = (end: Awaited<ReturnType<Upstream['send']>>): string =>
  end.ok ? `answer ${end.value.status}` : end.error.code;

test('one Authorization leaves, ours, with our Audit-ID and Host, whatever was handed in', async () => {
  const { upstream, fake } = await open((_request, response) => response.end('{}'));
  const headers = [
    ['Authorization', 'Bearer mine'],
    ['audit-id', 'mine'],
    ['host', 'evil'],
    ['accept', 'x'],
  ] as const;
  const end = await upstream.send(request({ headers }));
  expect(codeOf(end)).toBe('answer 200');
  expect(fake.seen[0]).toMatchObject({
    url: '/api/v1/pods?limit=1',
    headers: {
      authorization: `Bearer ${TOKEN}`,
      'audit-id': 'audit-1',
      host: new URL(fake.server).host,
      accept: 'x',
      'accept-encoding': 'identity',
    },
  });
});

describe('answers that must not be passed on', () => {
  test('a redirect', async () => {
    const { upstream } = await open((_request, response) =>
      response.writeHead(302, { location: 'https://evil/' }).end(),
    );
    expect(codeOf(await upstream.send(request()))).toBe('HOLDGATE_FORWARD_REDIRECT');
  });

  test('a 401 to our own credential, after one more try', async () => {
    const { upstream, fake } = await open((_request, response) => response.writeHead(401).end());
    const end = await upstream.send(post);
    expect(codeOf(end)).toBe('HOLDGATE_FORWARD_CREDENTIAL');
    expect(JSON.stringify(end)).not.toContain(TOKEN);
    expect(fake.seen).toHaveLength(2);
  });

  test('a token file that was renewed is read again after a 401', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'holdgate-token-')), 'token');
    writeFileSync(file, 'old');
    const fake = await startFakeUpstream((incoming, response) => {
      writeFileSync(file, 'new');
      response.writeHead(incoming.headers.authorization === 'Bearer new' ? 200 : 401).end('{}');
    });
    const upstream = createDirectUpstream({
      server: fake.server,
      tls: { ca: fake.ca },
      credential: tokenFileCredential(file, systemClock),
      log: silentLog,
    });
    closing.push(
      () => fake.close(),
      () => upstream.close(),
    );
    expect(codeOf(await upstream.send(request()))).toBe('answer 200');
  });
});

describe('nothing sent is told apart from maybe executed', () => {
  test('a closed port', async () => {
    const { upstream, fake } = await open((_request, response) => response.end());
    await fake.close();
    closing.length = 0;
    expect(codeOf(await upstream.send(post))).toBe('HOLDGATE_FORWARD_UNREACHABLE');
    await upstream.close();
  });

  test('a certificate of another CA', async () => {
    const { fake } = await open((_request, response) => response.end());
    const other = await startFakeUpstream((_request, response) => response.end());
    const upstream = createDirectUpstream({
      server: fake.server,
      tls: { ca: other.ca },
      credential: tokenCredential('x', () => ok(new Secret(TOKEN))),
      log: silentLog,
    });
    closing.push(
      () => other.close(),
      () => upstream.close(),
    );
    const end = await upstream.send(post);
    expect(codeOf(end)).toBe('HOLDGATE_FORWARD_UNREACHABLE');
    expect(end.ok ? '' : end.error.message).toContain('certificate');
    expect(fake.seen).toEqual([]);
  });

  test.each([
    { method: 'POST', times: 1 },
    { method: 'DELETE', times: 1 },
    { method: 'GET', times: 2 },
  ])(
    'a connection reset after a $method arrived: sent $times time(s)',
    async ({ method, times }) => {
      const { upstream, fake } = await open((incoming) => incoming.socket.destroy());
      const end = await upstream.send(
        request({ method, body: method === 'POST' ? Buffer.from('{}') : null }),
      );
      expect(codeOf(end)).toBe('HOLDGATE_FORWARD_BROKEN');
      expect(fake.seen).toHaveLength(times);
    },
  );
});

describe('bodies', () => {
  test('a large answer arrives whole through a slow taker', async () => {
    const size = 8 * 1024 * 1024;
    const { upstream } = await open((_request, response) => response.end(Buffer.alloc(size, 'a')));
    const end = await upstream.send(request());
    let bytes = 0;
    const piped = end.ok
      ? await end.value.pipe({
          write: (chunk) => {
            bytes += chunk.length;
            return false;
          },
          onDrain: (resume) => setImmediate(resume),
        })
      : null;
    expect(piped).toEqual({ ok: true, value: size });
    expect(bytes).toBe(size);
  });

  test('an answer that is larger than what may be read whole is refused', async () => {
    const { upstream } = await open((_request, response) => response.end(Buffer.alloc(100_000)));
    const end = await upstream.send(request());
    const read = end.ok ? await end.value.read(1000) : end;
    expect(read.ok ? 'ok' : read.error.code).toBe('HOLDGATE_MASK_ANSWER_UNREADABLE');
  });

  test('an answer that breaks off is not an end', async () => {
    const { upstream } = await open((incoming, response) => {
      response.write('half');
      setImmediate(() => incoming.socket.destroy());
    });
    const end = await upstream.send(post);
    const read = end.ok ? await end.value.read(1000) : end;
    expect(read.ok ? 'ok' : read.error.code).toBe('HOLDGATE_FORWARD_BROKEN');
  });
});

describe('long-running requests', () => {
  test.each([
    { protocols: 'both', version: '2.0' },
    { protocols: 'h1', version: '1.1' },
  ] as const)(
    'ride HTTP/$version where the server speaks $protocols',
    async ({ protocols, version }) => {
      const { upstream, fake } = await open(
        (_request, response) => response.end('{"type":"ADDED"}\n'),
        protocols,
      );
      const end = await upstream.send(request({ longRunning: true }));
      const read = end.ok ? await end.value.read(1000) : end;
      expect(read.ok ? read.value.toString() : read.error.code).toBe('{"type":"ADDED"}\n');
      expect(fake.seen[0]?.version).toBe(version);
    },
  );

  test('end upstream when the client leaves', async () => {
    let closed: () => void = () => {};
    const ended = new Promise<void>((resolve) => {
      closed = resolve;
    });
    const { upstream } = await open((incoming, response) => {
      response.write('{}\n');
      incoming.on('close', () => closed());
    });
    const abort = new AbortController();
    const end = await upstream.send(request({ longRunning: true, signal: abort.signal }));
    const piped = end.ok ? end.value.pipe({ write: () => true, onDrain: () => {} }) : null;
    abort.abort();
    await ended;
    expect((await piped)?.ok).toBe(false);
  });
});
