import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { ok } from '../../src/base/result.ts';
import { Secret } from '../../src/base/secret.ts';
import type { Credential } from '../../src/forward/credentials/credential.ts';
import { createDirectUpstream } from '../../src/forward/transport/direct.ts';
import type { UpgradeEnd, Upstream } from '../../src/forward/upstream.ts';
import { ensureLocalCertificates } from '../../src/listen/local-ca.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdgate-upgrade-'));
let certificates: { readonly ca: string; readonly cert: Buffer; readonly key: Buffer };
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  const files = await ensureLocalCertificates(directory, ['127.0.0.1'], Date.now(), 'upstream');
  certificates = {
    ca: readFileSync(files.caFile, 'utf8'),
    cert: readFileSync(files.certificateFile),
    key: readFileSync(files.keyFile),
  };
});
afterEach(async () => {
  vi.useRealTimers();
  for (const close of closing.splice(0).toReversed()) await close();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** One connection to the API server of a test: what came, and its socket. */
type Call = {
  readonly head: string;
  readonly key: string;
  readonly socket: TLSSocket;
  readonly closed: Promise<unknown>;
};
type Serve = (call: Call, count: number) => void;

/** A TLS server that answers heads with whatever bytes a test likes. */
async function open(serve: Serve, path = ''): Promise<World> {
  const calls: Call[] = [];
  const server = createServer({ ...certificates, ALPNProtocols: ['h2', 'http/1.1'] }, (socket) => {
    socket.on('error', () => {});
    const closed = new Promise((resolve) => socket.once('close', resolve));
    let head = '';
    socket.on('data', (chunk: Buffer) => {
      if (head.includes('\r\n\r\n')) return;
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      const key = /^sec-websocket-key: (.*)$/im.exec(head)?.[1]?.trim() ?? '';
      const call = { head, key, socket, closed };
      calls.push(call);
      serve(call, calls.length);
    });
    closing.push(() => socket.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  let renewals = 0;
  const credential: Credential = {
    description: 'the test',
    token: () => Promise.resolve(ok(new Secret(`token-${renewals}`))),
    refused: () => (renewals += 1),
    tls: () => ({ version: '', tls: {} }),
  };
  const upstream = createDirectUpstream({
    server: `https://127.0.0.1:${port}${path}`,
    tls: { ca: certificates.ca },
    credential,
    log: silentLog,
  });
  closing.push(
    () => upstream.close(),
    () => new Promise((resolve) => server.close(resolve)),
  );
  return { upstream, calls, host: `127.0.0.1:${port}` };
}
type World = {
  readonly upstream: Upstream;
  readonly calls: readonly Call[];
  readonly host: string;
};

const V4 = 'v4.channel.k8s.io';
type Ask = Partial<Parameters<Upstream['upgrade']>[0]>;
const ask = ({ upstream }: World, more: Ask = {}): ReturnType<Upstream['upgrade']> =>
  upstream.upgrade({
    method: 'GET',
    target: '/api/v1/namespaces/a/pods/b/exec?command=sh',
    headers: [['user-agent', 'test']],
    auditId: 'audit-1',
    signal: new AbortController().signal,
    offer: { transport: 'websocket', protocols: [V4], key: 'dGhlIHNhbXBsZSBub25jZQ==' },
    ...more,
  });

const acceptOf = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

/** The head of a right 101, with lines changed, left out (empty) or added. */
function switching(key: string, more: Readonly<Record<string, string>> = {}): string {
  const headers = {
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-accept': acceptOf(key),
    'sec-websocket-protocol': V4,
    ...more,
  };
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    value === '' ? [] : [`${name}: ${value}`],
  );
  return ['HTTP/1.1 101 Switching Protocols', ...lines, '', ''].join('\r\n');
}

type End = Awaited<ReturnType<Upstream['upgrade']>>;
const codeOf = (end: End): string => (end.ok ? end.value.kind : end.error.code);
function valueOf<K extends UpgradeEnd['kind']>(
  end: End,
  kind: K,
): Extract<UpgradeEnd, { kind: K }> {
  if (!end.ok) throw new Error(`${end.error.code}: ${end.error.message}`);
  if (end.value.kind !== kind) throw new Error(end.value.kind);
  return end.value as Extract<UpgradeEnd, { kind: K }>;
}
async function firstBytes(socket: Duplex): Promise<string> {
  return new Promise((resolve) =>
    socket.once('data', (chunk: Buffer) => resolve(chunk.toString())),
  );
}

describe('an upgrade', () => {
  test('hands over the socket with the bytes behind the 101, which pass in both directions', async () => {
    const world = await open(({ key, socket }) => socket.write(`${switching(key)}behind`));
    const switched = valueOf(await ask(world), 'switched');
    closing.push(() => switched.socket.destroy());
    expect(switched.protocol).toBe(V4);
    expect(switched.head.toString()).toBe('behind');
    const [call] = world.calls;
    if (call === undefined) throw new Error('nothing came');
    const heard = firstBytes(call.socket);
    switched.socket.write('up');
    expect(await heard).toBe('up');
    const down = firstBytes(switched.socket);
    call.socket.write('down');
    expect(await down).toBe('down');
  });

  test('leaves over HTTP/1.1 with one Authorization, ours, one Host, one Audit-ID, a key of its own and no extension', async () => {
    const world = await open(({ key, socket }) => socket.write(switching(key)), '/prefix');
    const headers = [
      ['Authorization', 'Bearer mine'],
      ['authorization', 'Bearer mine too'],
      ['audit-id', 'mine'],
      ['host', 'evil'],
      ['x-a', '1'],
      ['x-a', '2'],
    ] as const;
    const switched = valueOf(await ask(world, { headers }), 'switched');
    switched.socket.destroy();
    const [{ head, key } = { head: '', key: '' }] = world.calls;
    const [first, ...lines] = head.trimEnd().toLowerCase().split('\r\n');
    expect(first).toBe('get /prefix/api/v1/namespaces/a/pods/b/exec?command=sh http/1.1');
    expect(key).not.toBe('dGhlIHNhbXBsZSBub25jZQ==');
    expect(lines.toSorted()).toEqual([
      'accept-encoding: identity',
      'audit-id: audit-1',
      'authorization: bearer token-0',
      'connection: upgrade',
      `host: ${world.host}`,
      `sec-websocket-key: ${key.toLowerCase()}`,
      `sec-websocket-protocol: ${V4}`,
      'sec-websocket-version: 13',
      'upgrade: websocket',
      'x-a: 1',
      'x-a: 2',
    ]);
  });

  test('to SPDY by POST has no body, and a header a version', async () => {
    const world = await open(({ socket }) =>
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${V4}\r\n\r\n`,
      ),
    );
    const protocols = ['v5.channel.k8s.io', V4];
    const end = await ask(world, {
      method: 'POST',
      offer: { transport: 'spdy', protocols, key: '' },
    });
    const switched = valueOf(end, 'switched');
    switched.socket.destroy();
    expect(switched.protocol).toBe(V4);
    const head = world.calls[0]?.head ?? '';
    expect(head).toMatch(/^POST /);
    expect(head).not.toMatch(/transfer-encoding|content-length: [1-9]/i);
    expect(head.match(/^x-stream-protocol-version: .*$/gim)).toHaveLength(2);
  });
});

describe('an answer that is no right upgrade is never one (CVE-2018-1002105), and its connection is gone', () => {
  const wrong: readonly { readonly name: string; readonly answer: (key: string) => string }[] = [
    { name: '101 without any header', answer: () => 'HTTP/1.1 101 Switching Protocols\r\n\r\n' },
    { name: '101 without Connection', answer: (key) => switching(key, { connection: '' }) },
    { name: '101 without Upgrade', answer: (key) => switching(key, { upgrade: '' }) },
    { name: '101 to another protocol', answer: (key) => switching(key, { upgrade: 'h2c' }) },
    { name: '101 to SPDY', answer: (key) => switching(key, { upgrade: 'SPDY/3.1' }) },
    {
      name: '101 for another key',
      answer: (key) => switching(key, { 'sec-websocket-accept': acceptOf('other') }),
    },
    {
      name: '101 with a protocol that was not offered',
      answer: (key) => switching(key, { 'sec-websocket-protocol': 'v5.channel.k8s.io' }),
    },
    {
      name: '101 with an extension',
      answer: (key) => switching(key, { 'sec-websocket-extensions': 'permessage-deflate' }),
    },
    { name: 'no HTTP', answer: () => 'SSH-2.0-OpenSSH_9.6\r\n\r\n' },
    { name: 'HTTP/2', answer: () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' },
    {
      name: 'a head of more than 64 KiB',
      answer: (key) => switching(key, { 'x-a': 'x'.repeat(70_000) }),
    },
    {
      name: 'many headers of more than 64 KiB together',
      answer: (key) =>
        switching(
          key,
          Object.fromEntries(Array.from({ length: 900 }, (_, at) => [`x-${at}`, 'x'.repeat(80)])),
        ),
    },
    {
      name: 'a body of more than 1 MiB',
      answer: () =>
        `HTTP/1.1 403 Forbidden\r\ncontent-length: 1048577\r\n\r\n${'x'.repeat(1_048_577)}`,
    },
    {
      name: 'a malformed chunk',
      answer: () => 'HTTP/1.1 403 Forbidden\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
    },
  ];
  test.each(wrong)('$name', async ({ answer }) => {
    const world = await open(({ key, socket }) => socket.write(answer(key)));
    expect(codeOf(await ask(world))).toBe('HOLDGATE_FORWARD_BROKEN');
    expect(world.calls).toHaveLength(1);
    await world.calls[0]?.closed;
  });

  test('a second 101 is only bytes of the agreed protocol', async () => {
    const world = await open(({ key, socket }) => socket.write(switching(key) + switching(key)));
    const switched = valueOf(await ask(world), 'switched');
    switched.socket.destroy();
    expect(switched.head.toString('latin1', 0, 12)).toBe('HTTP/1.1 101');
  });

  const status = JSON.stringify({
    kind: 'Status',
    status: 'Failure',
    message: 'no'.repeat(50_000),
  });
  const plain: readonly {
    readonly name: string;
    readonly code: number;
    readonly answer: string;
    readonly body: string;
  }[] = [
    {
      name: 'a Status of 403',
      code: 403,
      answer: `HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: ${status.length}\r\n\r\n${status}`,
      body: status,
    },
    {
      name: 'one in chunks',
      code: 400,
      answer:
        'HTTP/1.1 400 Bad Request\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n',
      body: 'abc',
    },
    {
      name: 'a 200',
      code: 200,
      answer: 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi',
      body: 'hi',
    },
    {
      name: 'a 200 that says it is an upgrade',
      code: 200,
      answer:
        'HTTP/1.1 200 OK\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 2\r\n\r\nhi',
      body: 'hi',
    },
    {
      name: 'a 403 with bytes behind it',
      code: 403,
      answer: 'HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nnoHTTP/1.1 200 OK\r\n\r\n',
      body: 'no',
    },
    { name: 'a 304', code: 304, answer: 'HTTP/1.1 304 Not Modified\r\n\r\n', body: '' },
  ];
  test.each(plain)('$name is an answer, whole', async ({ code, answer, body }) => {
    const world = await open(({ socket }) => socket.write(answer));
    const read = valueOf(await ask(world), 'answer');
    expect(read.status).toBe(code);
    expect(read.body.toString()).toBe(body);
    expect(read.headers.map(([name]) => name)).not.toContain('transfer-encoding');
    await world.calls[0]?.closed;
  });
});

describe('a connection that breaks', () => {
  const cuts: readonly { readonly name: string; readonly bytes: string }[] = [
    { name: 'before an answer', bytes: '' },
    { name: 'in the head', bytes: 'HTTP/1.1 101 Switching Proto' },
    { name: 'in the body', bytes: 'HTTP/1.1 403 Forbidden\r\ncontent-length: 10\r\n\r\nhalf' },
  ];
  test.each(cuts)('$name may have been executed', async ({ bytes }) => {
    const world = await open(({ socket }) => socket.end(bytes));
    expect(codeOf(await ask(world))).toBe('HOLDGATE_FORWARD_BROKEN');
  });

  test('before the TLS handshake was done, nothing was executed', async () => {
    const world = await open(() => {});
    await closing.pop()?.();
    expect(codeOf(await ask(world))).toBe('HOLDGATE_FORWARD_UNREACHABLE');
  });

  test('a certificate that is not trusted is never told the credential', async () => {
    const world = await open(() => {});
    const upstream = createDirectUpstream({
      server: `https://${world.host}`,
      tls: {},
      credential: {
        description: 'the test',
        token: () => Promise.resolve(ok(new Secret('token'))),
        refused: () => {},
        tls: () => ({ version: '', tls: {} }),
      },
      log: silentLog,
    });
    closing.push(() => upstream.close());
    expect(codeOf(await ask({ ...world, upstream }))).toBe('HOLDGATE_FORWARD_UNREACHABLE');
    expect(world.calls).toEqual([]);
  });
});

describe('a credential', () => {
  const refused = 'HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n';

  test('that is refused is renewed once, on a new connection with a new key', async () => {
    const world = await open(({ key, socket }, count) =>
      socket.write(count === 1 ? refused : switching(key)),
    );
    const switched = valueOf(await ask(world), 'switched');
    switched.socket.destroy();
    const tokens = world.calls.map(({ head }) => /^authorization: (.*)$/im.exec(head)?.[1]);
    expect(tokens).toEqual(['Bearer token-0', 'Bearer token-1']);
    expect(new Set(world.calls.map(({ key }) => key)).size).toBe(2);
    await world.calls[0]?.closed;
  });

  test('that is refused twice is no good; the client does not see the 401', async () => {
    const world = await open(({ socket }) => socket.write(refused));
    const end = await ask(world);
    expect(codeOf(end)).toBe('HOLDGATE_FORWARD_CREDENTIAL');
    expect(JSON.stringify(end)).not.toContain('token-');
    expect(world.calls).toHaveLength(2);
  });

  test('is not taken elsewhere by a redirect (CVE-2022-3172)', async () => {
    const world = await open(({ socket }) =>
      socket.write('HTTP/1.1 307 x\r\nlocation: https://evil/\r\ncontent-length: 0\r\n\r\n'),
    );
    expect(codeOf(await ask(world))).toBe('HOLDGATE_FORWARD_REDIRECT');
    expect(world.calls).toHaveLength(1);
  });
});

describe('an answer that never comes', () => {
  test('is not waited for when the client leaves: the connection is broken off', async () => {
    const client = new AbortController();
    const world = await open(() => client.abort());
    expect(codeOf(await ask(world, { signal: client.signal }))).toBe('HOLDGATE_FORWARD_BROKEN');
    await world.calls[0]?.closed;
  });

  test('a client that left before is not asked for', async () => {
    const world = await open(({ key, socket }) => socket.write(switching(key)));
    expect(codeOf(await ask(world, { signal: AbortSignal.abort() }))).toBe(
      'HOLDGATE_FORWARD_UNREACHABLE',
    );
    expect(world.calls).toEqual([]);
  });

  const silent: readonly { readonly name: string; readonly bytes: string }[] = [
    { name: 'an empty line', bytes: '\r\n' },
    { name: 'half a head', bytes: 'HTTP/1.1 101 Sw' },
    { name: 'interim answers only', bytes: 'HTTP/1.1 103 Early Hints\r\n\r\n' },
    { name: 'half a body', bytes: 'HTTP/1.1 403 Forbidden\r\ncontent-length: 10\r\n\r\nhalf' },
  ];
  test.each(silent)('after a minute of $name it has failed', async ({ bytes }) => {
    let served = (): void => {};
    const asked = new Promise<void>((resolve) => {
      served = resolve;
    });
    const world = await open(({ socket }) => void socket.write(bytes, served));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const result = ask(world);
    await asked;
    vi.advanceTimersByTime(60_000);
    expect(codeOf(await result)).toBe('HOLDGATE_FORWARD_BROKEN');
  });
});
