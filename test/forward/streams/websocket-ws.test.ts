import { createServer, request, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { Leg } from '../../../src/forward/streams/frames.ts';
import {
  acceptHeaders,
  agreedProtocol,
  readOffer,
  upgradeHeaders,
} from '../../../src/forward/streams/offer.ts';
import {
  createChannelLeg,
  remoteCommandChannels,
} from '../../../src/forward/streams/websocket/channel-leg.ts';
import { logLeg, type LegLog } from './leg-log.ts';

/** The npm package `ws` as the judge of our WebSockets: both handshakes and both directions, over a real socket. */
const protocol = 'v5.channel.k8s.io';
const channels = remoteCommandChannels;
const judge = createServer();
const ours = createServer();
let closing: (() => unknown)[] = [];

const listen = (server: typeof judge): Promise<void> =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
const portOf = (server: typeof judge): number => (server.address() as AddressInfo).port;

beforeEach(() => Promise.all([listen(judge), listen(ours)]));
afterEach(async () => {
  for (const close of closing.splice(0)) close();
  for (const server of [judge, ours]) {
    server.removeAllListeners('upgrade');
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

type Watched = {
  readonly leg: Leg;
  readonly log: LegLog;
  /** Resolves when so many bytes were read. */
  readonly hasRead: (bytes: number) => Promise<void>;
};
type Joined = Watched & { readonly peer: WebSocket };

/** Starts a leg, and counts what it reads. */
function watch(leg: Leg): Watched {
  let bytes = 0;
  let look = (): void => {};
  const data = (_id: number, part: Buffer): void => {
    bytes += part.length;
    look();
  };
  closing.push(() => leg.destroy());
  return {
    leg,
    log: logLeg(leg, { data }),
    hasRead: (wanted) =>
      new Promise((resolve) => {
        look = () => {
          if (bytes >= wanted) resolve();
        };
        look();
      }),
  };
}

/** Our leg as a server, `ws` as the client. */
async function asServer(): Promise<Joined> {
  const accepted = new Promise<Watched>((resolve, reject) => {
    ours.once('upgrade', (incoming: IncomingMessage, socket: Duplex, head: Buffer) => {
      const { method = '', rawHeaders } = incoming;
      const offer = readOffer('pods/exec', { method, upgrade: 'websocket', rawHeaders });
      if (!offer.ok) return reject(new Error(offer.error.message));
      const lines = acceptHeaders(offer.value, protocol).map((pair) => pair.join(': '));
      socket.write(['HTTP/1.1 101 Switching Protocols', ...lines, '', ''].join('\r\n'));
      const leg = createChannelLeg(socket, { role: 'server', head, channels, protocol });
      resolve(watch(leg));
    });
  });
  const peer = new WebSocket(`ws://127.0.0.1:${portOf(ours)}/`, [protocol]);
  closing.push(() => peer.terminate());
  return { ...(await accepted), peer };
}

/** Our leg as a client, `ws` as the server. */
async function asClient(): Promise<Joined> {
  const server = new WebSocketServer({ server: judge, handleProtocols: () => protocol });
  const connected = new Promise<WebSocket>((resolve) => server.once('connection', resolve));
  closing.push(() => server.close());
  const offer = { transport: 'websocket', protocols: [protocol], key: '' } as const;
  const { headers, key } = upgradeHeaders(offer);
  const leg = await new Promise<Leg>((resolve, reject) => {
    const sent = request({ port: portOf(judge), headers: headers.flat() });
    sent.on('error', reject);
    sent.on('upgrade', (answer, socket, head) => {
      const pairs = Object.entries(answer.headers).map(([name, value]) => [name, String(value)]);
      const agreed = agreedProtocol(offer, key, pairs as unknown as readonly [string, string][]);
      if (!agreed.ok) return reject(new Error(agreed.error));
      resolve(createChannelLeg(socket, { role: 'client', head, channels, protocol }));
    });
    sent.end();
  });
  return { ...watch(leg), peer: await connected };
}

const texts = fc.array(
  fc.array(
    fc.oneof(
      fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      fc.constantFrom(...[125, 126, 65_535, 65_536].map((length) => 'z'.repeat(length))),
    ),
    { minLength: 1, maxLength: 4 },
  ),
  { minLength: 1, maxLength: 8 },
);

test.each([
  { name: 'as a server', join: asServer },
  { name: 'as a client', join: asClient },
])(
  '$name we read what ws sends in random fragments, and ws reads what we send',
  async ({ join }) => {
    const { leg, log, peer, hasRead } = await join();
    if (peer.readyState !== WebSocket.OPEN)
      await new Promise((resolve) => peer.once('open', resolve));
    const heard: Buffer[] = [];
    let pongs = 0;
    const read = (): string =>
      log
        .of('data')
        .map((event) => ('text' in event ? event.text : ''))
        .join('');
    peer.on('message', (bytes: Buffer) => heard.push(bytes));
    peer.on('pong', () => (pongs += 1));
    const samples = fc.sample(texts, { numRuns: 15, seed: 4 }).flat();
    for (const fragments of samples) {
      peer.send(Buffer.of(1), { fin: false });
      for (const [at, text] of fragments.entries()) {
        peer.ping(Buffer.from(`p${at}`));
        peer.send(Buffer.from(text, 'latin1'), { fin: at === fragments.length - 1 });
      }
      leg.data(2, Buffer.from(fragments.join(''), 'latin1'));
    }
    const all = samples.flat().join('');
    await hasRead(all.length);
    leg.finish(0);
    leg.close(4321);
    const closed = await new Promise<number>((resolve) => peer.once('close', resolve));
    expect(closed).toBe(4321);
    expect(heard.map((message) => message[0])).toEqual([...samples.map(() => 2), 255]);
    expect(heard.at(-1)).toEqual(Buffer.of(255, 0));
    const ofPeer = Buffer.concat(heard.slice(0, -1).map((message) => message.subarray(1)));
    expect(ofPeer.equals(Buffer.from(all, 'latin1'))).toBe(true);
    expect(read() === all).toBe(true);
    expect(pongs).toBeGreaterThan(0);
    expect(await log.seen((event) => event.kind === 'ended')).toEqual({
      kind: 'ended',
      end: { kind: 'clean', code: 4321 },
    });
  },
);
