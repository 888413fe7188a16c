import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Duplex } from 'node:stream';
import type { FrameStream, Leg, LegEvents } from '../../../src/forward/streams/frames.ts';
import { sessionPermits } from '../../../src/forward/streams/permits.ts';
import { relay, type Relay } from '../../../src/forward/streams/relay.ts';
import type { Tap } from '../../../src/forward/streams/tap.ts';
import {
  createChannelLeg,
  remoteCommandChannels,
  type ChannelProtocol,
} from '../../../src/forward/streams/websocket/channel-leg.ts';
import { duplexPair } from './duplex-pair.ts';
import { handTimers } from './leg-log.ts';
import { rawWebSocketPeer, type RawWebSocketPeer } from './raw-web-socket.ts';

type World = {
  readonly session: Relay;
  readonly client: RawWebSocketPeer;
  readonly cluster: RawWebSocketPeer;
  readonly clientWire: Duplex;
  readonly clusterWire: Duplex;
};

/** A session of exec between two raw peers. */
function join(taps: readonly Tap[] = [], protocol: ChannelProtocol = 'v5.channel.k8s.io'): World {
  const [clientSocket, clientWire] = duplexPair();
  const [clusterSocket, clusterWire] = duplexPair();
  const options = { protocol, channels: remoteCommandChannels, head: Buffer.alloc(0) };
  const keepAlive = handTimers();
  const client = rawWebSocketPeer(clientWire, true);
  const cluster = rawWebSocketPeer(clusterWire, false);
  const session = relay({
    client: createChannelLeg(clientSocket, { ...options, keepAlive, role: 'server' }),
    cluster: createChannelLeg(clusterSocket, { ...options, keepAlive, role: 'client' }),
    streams: remoteCommandChannels,
    permits: sessionPermits('pods/exec', { stdin: true, tty: true, ports: [] }),
    taps,
  });
  return { session, client, cluster, clientWire, clusterWire };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
async function turns(count = 20): Promise<void> {
  for (let at = 0; at < count; at += 1) await turn();
}
const gate = (): { readonly opens: Promise<void>; readonly open: () => void } => {
  let open = (): void => {};
  const opens = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opens, open };
};
const closeText = (code: number): string => String.fromCharCode(code >> 8, code & 255);
const close = (code: number) => ({ opcode: 8, payload: closeText(code) });
const isClose = ({ opcode }: { readonly opcode: number }): boolean => opcode === 8;
const textsOf = (peer: RawWebSocketPeer): string[] => peer.frames.map(({ text }) => text);

describe('both directions', () => {
  test('bytes, the end of stdin, a Status and the close code arrive as they were sent', async () => {
    const { session, client, cluster } = join();
    client.send(
      { payload: '\u0000in' },
      { payload: '\u0004{"Width":1}' },
      { payload: '\u00ff\u0000' },
    );
    await cluster.seen(({ text }) => text === '\u00ff\u0000');
    cluster.send(
      { payload: '\u0000' },
      { payload: '\u0001out' },
      { payload: '\u0003{}' },
      close(1000),
    );
    expect((await client.seen(isClose)).text).toBe(closeText(1000));
    client.send(close(1000));
    expect(textsOf(client)).toEqual(['\u0000', '\u0001out', '\u0003{}', closeText(1000)]);
    expect(textsOf(cluster).slice(0, 3)).toEqual(['\u0000in', '\u0004{"Width":1}', '\u00ff\u0000']);
    expect(await session.done).toEqual({ by: 'cluster', end: { kind: 'clean', code: 1000 } });
  });

  test('channels that no stream has do not pass', async () => {
    const { client, cluster } = join();
    client.send({ payload: '\u0009x' }, { payload: '\u00ff\u0009' }, { payload: '\u0000in' });
    expect((await cluster.seen(({ opcode }) => opcode === 2)).text).toBe('\u0000in');
    expect(cluster.frames).toHaveLength(1);
  });

  test('nothing is lost or reordered, whatever the sizes and whoever is slow', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(sizes, sizes, fc.boolean(), async (up, down, slow) => {
        const taps: Tap[] = slow
          ? [async (frame) => (await turn(), frame.bytes)]
          : [(frame) => frame.bytes];
        const { session, client, cluster, clientWire, clusterWire } = join(taps);
        for (const wire of [clientWire, clusterWire]) wire.pause();
        const text = (size: number, at: number): string =>
          String.fromCharCode(65 + (at % 26)).repeat(size);
        client.send(...up.map((size, at) => ({ payload: `\u0000${text(size, at)}` })), {
          payload: '\u00ff\u0000',
        });
        cluster.send(...down.map((size, at) => ({ payload: `\u0001${text(size, at)}` })));
        await turns(2);
        for (const wire of [clientWire, clusterWire]) wire.resume();
        await cluster.seen(({ text: seen }) => seen === '\u00ff\u0000');
        cluster.send(close(1000));
        await client.seen(isClose);
        const bytesOf = (peer: RawWebSocketPeer): string =>
          peer.frames
            .map((frame) =>
              isClose(frame) || frame.text[0] === '\u00ff' ? '' : frame.text.slice(1),
            )
            .join('');
        expect(bytesOf(client) === down.map(text).join('')).toBe(true);
        expect(bytesOf(cluster) === up.map(text).join('')).toBe(true);
        await session.done;
      }),
      { numRuns: 20 },
    );
  });
});

describe('backpressure', () => {
  test('a client that reads nothing stops the cluster; upwards all goes on; then nothing is missing', async () => {
    const { client, cluster, clientWire, clusterWire } = join();
    clientWire.pause();
    const part = `\u0001${'x'.repeat(9999)}`;
    for (let at = 0; at < 300; at += 1) cluster.send({ payload: part });
    await turns(100);
    const held = clusterWire.writableLength;
    expect(held).toBeGreaterThan(2_000_000);
    client.send({ payload: '\u0000still' });
    expect((await cluster.seen(({ opcode }) => opcode === 2)).text).toBe('\u0000still');
    expect(clusterWire.writableLength).toBe(held);
    clientWire.resume();
    cluster.send(close(1000));
    await client.seen(isClose);
    const bytes = client.frames.reduce(
      (sum, { opcode, text }) => sum + (opcode === 2 ? text.length - 1 : 0),
      0,
    );
    expect(bytes).toBe(300 * 9999);
  });
});

describe('taps', () => {
  test('see each frame in order with its direction and stream, and may change or swallow it', async () => {
    const seen: string[] = [];
    const mask: Tap = (frame) => {
      seen.push(`${frame.direction} ${frame.stream.type} ${frame.kind} ${frame.bytes.toString()}`);
      if (frame.bytes.includes('drop')) return Buffer.alloc(0);
      return Buffer.from(frame.bytes.toString().replace('secret', '******'));
    };
    const upper: Tap = async (frame) => Buffer.from(frame.bytes.toString().toUpperCase());
    const { client, cluster } = join([mask, upper]);
    client.send(
      { payload: '\u0000a secret' },
      { payload: '\u0000drop me' },
      { payload: '\u00ff\u0000' },
    );
    await cluster.seen(({ text }) => text === '\u00ff\u0000');
    expect(textsOf(cluster)).toEqual(['\u0000A ******', '\u00ff\u0000']);
    cluster.send({ payload: '\u0001' });
    expect((await client.seen(({ opcode }) => opcode === 2)).text).toBe('\u0001');
    expect(seen).toEqual([
      'up stdin data a secret',
      'up stdin data drop me',
      'up stdin finish ',
      'down stdout data ',
    ]);
  });

  test('one that takes its time holds its direction, and only that', async () => {
    const { opens, open } = gate();
    const { client, cluster, clusterWire } = join([
      (frame) => (frame.direction === 'down' ? opens.then(() => frame.bytes) : frame.bytes),
    ]);
    for (let at = 0; at < 100; at += 1) cluster.send({ payload: `\u0001${'x'.repeat(9999)}` });
    client.send({ payload: '\u0000up' });
    expect((await cluster.seen(({ opcode }) => opcode === 2)).text).toBe('\u0000up');
    await turns(50);
    expect(client.frames).toEqual([]);
    expect(clusterWire.writableLength).toBeGreaterThan(500_000);
    cluster.send({ payload: '\u0003{}' }, close(1000));
    open();
    await client.seen(isClose);
    expect(client.frames.at(-2)?.text).toBe('\u0003{}');
    const bytes = client.frames.reduce(
      (sum, { text }) => sum + (text[0] === '\u0001' ? text.length - 1 : 0),
      0,
    );
    expect(bytes).toBe(100 * 9999);
  });

  const fails: readonly { readonly name: string; readonly tap: Tap }[] = [
    { name: 'rejects', tap: () => Promise.reject(new Error('the disk is full')) },
    {
      name: 'throws',
      tap: () => {
        throw new Error('the disk is full');
      },
    },
    {
      name: 'rejects for a later frame while one waits',
      tap: async (frame) => {
        await turn();
        if (frame.bytes.includes('bad')) throw new Error('the disk is full');
        return frame.bytes;
      },
    },
  ];
  test.each(fails)('one that $name ends both sides, and nothing more passes', async ({ tap }) => {
    const { session, client, cluster, clientWire, clusterWire } = join([tap]);
    const broken = [clientWire, clusterWire].map(
      (wire) => new Promise((resolve) => wire.once('close', resolve)),
    );
    cluster.send(
      { payload: '\u0001good' },
      { payload: '\u0001bad' },
      { payload: '\u0001behind' },
      close(1000),
    );
    const end = await session.done;
    expect(end.by).toBe('gateway');
    expect(end.end).toEqual({ kind: 'gone', detail: 'the disk is full' });
    await Promise.all(broken);
    expect(textsOf(client).filter((text) => /bad|behind/.test(text))).toEqual([]);
    expect(cluster.frames.filter(isClose)).toEqual([]);
  });
});

describe('how a session ends', () => {
  const clean = [
    { by: 'client', code: 1000, sent: 1000 },
    { by: 'cluster', code: 1011, sent: 1011 },
    { by: 'cluster', code: 4001, sent: 4001 },
  ] as const;
  test.each(clean)('$by closes with $code', async ({ by, code, sent }) => {
    const world = join();
    const [own, other] =
      by === 'client' ? [world.client, world.cluster] : [world.cluster, world.client];
    own.send(close(code));
    expect((await other.seen(isClose)).text).toBe(closeText(sent));
    expect((await own.seen(isClose)).text).toBe(closeText(code));
    expect(await world.session.done).toEqual({ by, end: { kind: 'clean', code } });
  });

  test.each(['client', 'cluster'] as const)(
    '%s breaks the protocol: it is told 1002, the other side 1011',
    async (by) => {
      const world = join();
      const [own, other] =
        by === 'client' ? [world.client, world.cluster] : [world.cluster, world.client];
      own.send({ rsv: 4 });
      expect((await own.seen(isClose)).text).toBe(closeText(1002));
      expect((await other.seen(isClose)).text).toBe(closeText(1011));
      expect(await world.session.done).toMatchObject({ by, end: { kind: 'protocol' } });
    },
  );

  test.each(['client', 'cluster'] as const)(
    '%s vanishes: the other side sees a broken connection, no clean end',
    async (by) => {
      const { session, client, cluster, clientWire, clusterWire } = join();
      const [own, other, peer] =
        by === 'client' ? [clientWire, clusterWire, cluster] : [clusterWire, clientWire, client];
      const broken = new Promise((resolve) => other.once('error', resolve));
      own.destroy();
      expect(await broken).toBeInstanceOf(Error);
      expect(await session.done).toMatchObject({ by, end: { kind: 'gone' } });
      expect(peer.frames.filter(isClose)).toEqual([]);
    },
  );

  test('cut says why on the error stream, then closes both sides with the code', async () => {
    const { session, client, cluster } = join();
    session.cut('the token expired', 1008, Buffer.from('{"status":"Failure"}'));
    await client.seen(isClose);
    await cluster.seen(isClose);
    expect(textsOf(client)).toEqual([
      '\u0003{"status":"Failure"}',
      '\u00ff\u0003',
      closeText(1008),
    ]);
    expect(textsOf(cluster)).toEqual([closeText(1008)]);
    const end = { kind: 'gone', detail: 'the token expired' };
    expect(await session.done).toEqual({ by: 'gateway', end });
  });

  test('cut without a status only closes; a second cut, and what comes later, is nothing', async () => {
    const { session, client, cluster } = join([], 'v4.channel.k8s.io');
    session.cut('drain', 1001, null);
    session.cut('again', 1008, Buffer.from('{}'));
    cluster.send({ payload: '\u0001late' });
    client.send({ payload: '\u0000late' });
    await client.seen(isClose);
    await cluster.seen(isClose);
    await turns();
    expect(textsOf(client)).toEqual([closeText(1001)]);
    expect(textsOf(cluster)).toEqual([closeText(1001)]);
    expect(await session.done).toMatchObject({ end: { detail: 'drain' } });
  });

  test('cut while a tap waits: what it held does not pass any more', async () => {
    const { opens, open } = gate();
    const { session, client, cluster } = join([(frame) => opens.then(() => frame.bytes)]);
    cluster.send({ payload: '\u0001held' }, { payload: '\u0001behind' });
    await turns();
    session.cut('the token expired', 1008, Buffer.from('{}'));
    open();
    await client.seen(isClose);
    await turns();
    expect(textsOf(client)).toEqual(['\u0003{}', '\u00ff\u0003', closeText(1008)]);
  });
});

/** A leg that does what the test says and writes down what it is told: for streams that open and close. */
function fakeLeg(): {
  readonly leg: Leg;
  readonly told: string[];
  readonly events: () => LegEvents;
} {
  const told: string[] = [];
  let events: LegEvents | null = null;
  let next = 100;
  const tell = (what: string): void => void told.push(what);
  return {
    told,
    events: () => {
      if (events === null) throw new Error('not started');
      return events;
    },
    leg: {
      start: (given) => {
        events = given;
      },
      open: (stream) => {
        if (stream.port === 0) return -1;
        next += 2;
        tell(`open ${next} ${stream.type} ${stream.port}`);
        return next;
      },
      accept: (id) => tell(`accept ${id}`),
      data: (id, bytes) => (tell(`data ${id} ${bytes.toString()}`), true),
      finish: (id) => tell(`finish ${id}`),
      reset: (id) => tell(`reset ${id}`),
      pause: () => tell('pause'),
      resume: () => tell('resume'),
      close: (code) => tell(`close ${code}`),
      destroy: () => tell('destroy'),
    },
  };
}

describe('streams that a client opens', () => {
  const stream: FrameStream = { type: 'data', port: 80, requestId: '0' };
  const begin = (taps: readonly Tap[] = []) => {
    const client = fakeLeg();
    const cluster = fakeLeg();
    const session = relay({
      client: client.leg,
      cluster: cluster.leg,
      streams: new Map(),
      permits: sessionPermits('pods/portforward', { stdin: false, tty: false, ports: [] }),
      taps,
    });
    return { client, cluster, session };
  };

  test('are opened, accepted, filled, half-closed and forgotten on both sides', () => {
    const { client, cluster } = begin();
    client.events().opened(1, stream);
    cluster.events().accepted(102);
    client.events().data(1, Buffer.from('up'));
    client.events().finished(1);
    cluster.events().data(102, Buffer.from('down'));
    cluster.events().finished(102);
    cluster.events().data(102, Buffer.from('late'));
    client.events().reset(1);
    expect(cluster.told).toEqual(['open 102 data 80', 'data 102 up', 'finish 102']);
    expect(client.told).toEqual(['accept 1', 'data 1 down', 'finish 1']);
  });

  test('what comes while a tap still holds the opening waits for it, in order', async () => {
    const { opens, open } = gate();
    const { client, cluster } = begin([(frame) => opens.then(() => frame.bytes)]);
    client.events().opened(1, stream);
    client.events().data(1, Buffer.from('a'));
    client.events().opened(3, { ...stream, type: 'error' });
    client.events().data(1, Buffer.from('b'));
    client.events().finished(1);
    await turns();
    expect(cluster.told).toEqual([]);
    expect(client.told).toEqual(['pause']);
    open();
    await turns();
    expect(cluster.told).toEqual([
      'open 102 data 80',
      'data 102 a',
      'open 104 error 80',
      'data 102 b',
      'finish 102',
    ]);
    expect(client.told).toEqual(['pause', 'resume']);
  });

  test('one that is reset while its opening waits is opened and reset', async () => {
    const { client, cluster } = begin([async (frame) => (await turn(), frame.bytes)]);
    client.events().opened(1, stream);
    client.events().reset(1);
    client.events().data(1, Buffer.from('late'));
    await turns();
    expect(cluster.told).toEqual(['open 102 data 80', 'reset 102']);
  });

  test.each(['client', 'cluster'] as const)('a reset by %s passes, and ends the stream', (by) => {
    const { client, cluster } = begin();
    client.events().opened(1, stream);
    if (by === 'client') client.events().reset(1);
    else cluster.events().reset(102);
    client.events().data(1, Buffer.from('late'));
    cluster.events().data(102, Buffer.from('late'));
    expect(cluster.told).toEqual(['open 102 data 80', ...(by === 'client' ? ['reset 102'] : [])]);
    expect(client.told).toEqual(by === 'client' ? [] : ['reset 1']);
  });

  test('one that the cluster leg cannot open is reset', () => {
    const { client, cluster } = begin();
    client.events().opened(1, { ...stream, port: 0 });
    client.events().data(1, Buffer.from('late'));
    expect(client.told).toEqual(['reset 1']);
    expect(cluster.told).toEqual([]);
  });

  test('the cluster opens none: it would be a way to the client that no tap knows', () => {
    const { client, cluster } = begin();
    cluster.events().opened(2, stream);
    cluster.events().data(2, Buffer.from('x'));
    expect(cluster.told).toEqual(['reset 2']);
    expect(client.told).toEqual([]);
  });

  test('one that is opened after a cut goes nowhere', async () => {
    const { opens, open } = gate();
    const { client, cluster, session } = begin([(frame) => opens.then(() => frame.bytes)]);
    client.events().opened(1, stream);
    session.cut('drain', 1001, null);
    open();
    await turns();
    client.events().opened(3, stream);
    await turns();
    expect(cluster.told).toEqual(['close 1001']);
    expect(await session.done).toMatchObject({ by: 'gateway' });
  });
});
