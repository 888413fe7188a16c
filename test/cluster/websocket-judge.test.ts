import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Duplex } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  acceptHeaders,
  agreedProtocol,
  readOffer,
  upgradeHeaders,
  type StreamOffer,
} from '../../src/forward/streams/offer.ts';
import type { RelayEnd } from '../../src/forward/streams/relay.ts';
import { openSession } from '../../src/forward/streams/session.ts';
import type { Tap } from '../../src/forward/streams/tap.ts';

const hasGo = spawnSync('go', ['version']).status === 0;
if (!hasGo) process.stderr.write('\nwebsocket-judge NOT RUN: it needs Go on the PATH\n\n');
const seed = Number(process.env['HOLDGATE_TEST_SEED'] ?? Date.now() % 1_000_000);

const directory = mkdtempSync(join(tmpdir(), 'holdgate-websocket-judge-'));
const program = join(directory, 'websocket-judge');
const started: ChildProcess[] = [];
const servers: Server[] = [];

beforeAll(() => {
  if (!hasGo) return;
  const cwd = new URL('.', import.meta.url);
  execFileSync('go', ['build', '-o', program, './websocket-judge'], { cwd, stdio: 'inherit' });
});
afterEach(() => {
  for (const one of started.splice(0)) one.kill('SIGKILL');
  for (const one of servers.splice(0)) one.close();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

type Line = Readonly<Record<string, unknown>>;
/** Starts the judge; each call of `next` gives its next line. */
function judge(...args: readonly string[]): { readonly next: () => Promise<Line> } {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  const lines: AsyncIterator<string, unknown> = createInterface({ input: child.stdout })[
    Symbol.asyncIterator
  ]();
  return {
    next: async () => {
      const line = await lines.next();
      if (line.done === true) throw new Error('the judge ended');
      return JSON.parse(line.value) as Line;
    },
  };
}

type Switched = { readonly socket: Duplex; readonly head: Buffer; readonly protocol: string };

/** Asks the judge's server for the upgrade as the gateway does, but without TLS. */
function connect(url: string, offer: StreamOffer): Promise<Switched> {
  const { headers, key } = upgradeHeaders(offer);
  return new Promise((resolve, reject) => {
    const sent = request(url, { headers: Object.fromEntries(headers) });
    sent.on('error', reject);
    sent.on('response', ({ statusCode }) => reject(new Error(`it answered ${statusCode}`)));
    sent.on('upgrade', ({ headers: answered }, socket, head) => {
      const pairs = Object.entries(answered).map(([name, value]) => [name, String(value)] as const);
      const agreed = agreedProtocol(offer, key, pairs);
      if (agreed.ok) resolve({ socket, head, protocol: agreed.value });
      else reject(new Error(agreed.error));
    });
    sent.end();
  });
}

/** A gateway of one session: what it ended with. */
async function between(
  url: string,
  taps: readonly Tap[],
): Promise<{ readonly address: string; readonly ended: Promise<RelayEnd> }> {
  const server = createServer();
  servers.push(server);
  const resource = 'pods/exec';
  const ended = once(server, 'upgrade').then(async ([incoming, socket, head]) => {
    const client = { socket: socket as Duplex, head: head as Buffer };
    const { method = '', rawHeaders } = incoming as IncomingMessage;
    const read = readOffer(resource, { method, upgrade: 'websocket', rawHeaders });
    if (!read.ok) throw new Error(read.error.message);
    const offer = read.value;
    const cluster = await connect(url, offer);
    const { protocol } = cluster;
    const asked = { stdin: true, tty: true, ports: [] };
    const lines = acceptHeaders(offer, protocol).map((pair) => pair.join(': '));
    client.socket.write(['HTTP/1.1 101 Switching Protocols', ...lines, '', ''].join('\r\n'));
    return openSession({ offer, protocol, resource, asked, client, cluster, taps }).done;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, ended };
}

const status = '{"metadata":{},"status":"Success"}';
const slow: Tap = async ({ bytes }) => {
  await new Promise((resolve) => setImmediate(resolve));
  return bytes;
};

const libraries = ['gorilla', 'xnet'] as const;
const serverKinds = ['kube', 'gorilla'] as const;
const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const;
const cases = libraries.flatMap((library) =>
  serverKinds.flatMap((server) => protocols.map((protocol) => ({ library, server, protocol }))),
);

describe.runIf(hasGo)("Kubernetes' own WebSockets on both sides of a session", () => {
  test.each(cases)(
    `$library to $server over $protocol: each byte comes back (seed ${seed})`,
    async ({ library, server, protocol }) => {
      const served = judge('serve');
      const { address } = await served.next();
      const { address: own, ended } = await between(
        `http://${String(address)}/${server}`,
        library === 'gorilla' ? [slow] : [],
      );
      const dialled = judge('dial', library, `ws://${own}/`, protocol, String(seed));
      const code = server === 'gorilla' ? 4001 : 1000;
      const said = await dialled.next();
      const { bytes } = said;
      // x/net does not tell its user the code.
      const closed = library === 'gorilla' ? code : 0;
      expect(said).toEqual({ client: library, bytes, same: true, status, closed });
      const atServer = server === 'gorilla' ? { ponged: true, closed: code } : {};
      expect(await served.next()).toEqual({ server, bytes, ...atServer });
      expect(await ended).toEqual({ by: 'cluster', end: { kind: 'clean', code } });
    },
  );
});
