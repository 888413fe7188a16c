import type { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FrameStream, Leg, LegEvents } from '../../../src/forward/streams/frames.ts';
import {
  createChannelLeg,
  portForwardChannels,
  remoteCommandChannels,
  type ChannelProtocol,
} from '../../../src/forward/streams/websocket/channel-leg.ts';
import { duplexPair } from './duplex-pair.ts';
import { handTimers, logLeg, type HandTimers, type LegEvent, type LegLog } from './leg-log.ts';
import {
  cutAt,
  rawFrame,
  rawWebSocketPeer,
  type RawFrame,
  type RawWebSocketPeer,
} from './raw-web-socket.ts';

type World = {
  readonly leg: Leg;
  readonly log: LegLog;
  readonly peer: RawWebSocketPeer;
  /** Our end and the peer's. */
  readonly socket: Duplex;
  readonly wire: Duplex;
  readonly timers: HandTimers;
};

type Options = {
  readonly role?: 'client' | 'server';
  readonly protocol?: ChannelProtocol;
  readonly channels?: ReadonlyMap<number, FrameStream>;
  readonly head?: Buffer;
  readonly on?: Partial<LegEvents>;
};

function join(options: Options = {}): World {
  const { role = 'client', protocol = 'v5.channel.k8s.io', head = Buffer.alloc(0) } = options;
  const { channels = remoteCommandChannels } = options;
  const [socket, wire] = duplexPair();
  const peer = rawWebSocketPeer(wire, role === 'server');
  const timers = handTimers();
  const leg = createChannelLeg(socket, { role, protocol, channels, head, keepAlive: timers });
  return { leg, log: logLeg(leg, options.on), peer, socket, wire, timers };
}

const isEnd = (event: LegEvent): boolean => event.kind === 'ended';
const isClose = (frame: { readonly opcode: number }): boolean => frame.opcode === 8;
const closeText = (code: number): string => String.fromCharCode(code >> 8, code & 255);
const data = (id: number, text: string): LegEvent => ({ kind: 'data', id, text });
const clean = (code: number): LegEvent => ({ kind: 'ended', end: { kind: 'clean', code } });
const bye: RawFrame = { opcode: 8, payload: closeText(1000) };

describe('what a peer sends is told by channel', () => {
  const cases: readonly {
    readonly name: string;
    readonly protocol?: ChannelProtocol;
    readonly channels?: ReadonlyMap<number, FrameStream>;
    readonly frames: readonly RawFrame[];
    readonly events: readonly LegEvent[];
  }[] = [
    {
      name: 'bytes of each channel',
      frames: [{ payload: '\u0001out' }, { payload: '\u0002err' }, { payload: '\u0000in' }],
      events: [data(1, 'out'), data(2, 'err'), data(0, 'in')],
    },
    {
      name: 'the first, empty message: clients take it as the sign that the session stands',
      frames: [{ payload: '\u0000' }, { payload: '\u0001a' }],
      events: [data(0, ''), data(1, 'a')],
    },
    {
      name: 'an empty message in fragments',
      frames: [{ payload: '\u0001', fin: false }, { opcode: 0, fin: false }, { opcode: 0 }],
      events: [data(1, '')],
    },
    {
      name: 'continuation frames, which have no channel byte',
      frames: [
        { payload: '\u0001a', fin: false },
        { opcode: 0, payload: '\u0002b', fin: false },
        { opcode: 9 },
        { opcode: 0, payload: '\u0000' },
      ],
      events: [data(1, 'a\u0002b\u0000')],
    },
    {
      name: 'a channel byte that comes only in the second fragment',
      frames: [{ fin: false }, { opcode: 0, payload: '\u0001a' }],
      events: [data(1, 'a')],
    },
    { name: 'a message without a channel, as nothing', frames: [{}], events: [] },
    {
      name: 'unknown channels, as nothing',
      frames: [{ payload: '\u0005x' }, { payload: '\u00fex' }, { payload: '\u0001a' }],
      events: [data(1, 'a')],
    },
    {
      name: 'text like binary',
      frames: [{ opcode: 1, payload: '\u0001a' }],
      events: [data(1, 'a')],
    },
    {
      name: 'v5: ff 00, the end of stdin',
      frames: [{ payload: '\u0000a' }, { payload: '\u00ff\u0000' }],
      events: [data(0, 'a'), { kind: 'finished', id: 0 }],
    },
    {
      name: 'v5: ff 00 in two fragments',
      frames: [
        { payload: '\u00ff', fin: false },
        { opcode: 0, payload: '\u0000' },
      ],
      events: [{ kind: 'finished', id: 0 }],
    },
    {
      name: 'v5: the end of an unknown channel, or of none, as nothing',
      frames: [{ payload: '\u00ff\u0009' }, { payload: '\u00ff' }, { payload: '\u00ff\u00ff' }],
      events: [],
    },
    {
      name: 'v4: ff is an unknown channel',
      protocol: 'v4.channel.k8s.io',
      frames: [{ payload: '\u00ff\u0000' }, { payload: '\u0000a' }],
      events: [data(0, 'a')],
    },
    {
      name: 'legacy port-forward: two channels a port, each beginning with its port',
      protocol: 'v4.channel.k8s.io',
      channels: portForwardChannels([80, 443]),
      frames: [
        { payload: '\u0000\u0050\u0000' },
        { payload: '\u0003\u00bb\u0001' },
        { payload: '\u0002hello' },
        { payload: '\u0004x' },
      ],
      events: [data(0, '\u0050\u0000'), data(3, '\u00bb\u0001'), data(2, 'hello')],
    },
  ];
  test.each(cases)('$name', async ({ frames, events, ...options }) => {
    const { log, peer } = join(options);
    peer.send(...frames, bye);
    await log.seen(isEnd);
    expect(log.events).toEqual([...events, clean(1000)]);
  });

  test('also what came with the 101', () => {
    const head = Buffer.concat([rawFrame({ payload: '\u0001a' }), rawFrame(bye)]);
    expect(join({ head }).log.events).toEqual([data(1, 'a'), clean(1000)]);
  });
});

describe('documents come whole', () => {
  test('a Status and a terminal size in fragments of any chunking are one event each', async () => {
    const frames = [
      { payload: '\u0004{"Wid', fin: false },
      { opcode: 0, payload: 'th":1', fin: false },
      { opcode: 0, payload: '}' },
      { payload: '\u0003{"status"', fin: false },
      { opcode: 0, payload: ':"Success"}' },
      bye,
    ];
    const bytes = Buffer.concat(frames.map((frame) => rawFrame(frame)));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { maxLength: 12 }), async (places) => {
        const calls: string[] = [];
        const { log, wire } = join({
          on: { data: (id, part) => calls.push(`${id} ${part.toString()}`) },
        });
        for (const chunk of cutAt(bytes, places)) wire.write(chunk);
        await log.seen(isEnd);
        expect(calls).toEqual(['4 {"Width":1}', '3 {"status":"Success"}']);
      }),
      { numRuns: 30 },
    );
  });

  const sizes = [
    { bytes: 65_536, code: 1000, kind: 'clean', passed: [65_536, 6] },
    { bytes: 65_537, code: 1009, kind: 'protocol', passed: [] },
  ];
  test.each(sizes)('of $bytes bytes end with $code', async ({ bytes, code, kind, passed }) => {
    const { leg, log, peer } = join({ role: 'server' });
    const half = 'x'.repeat(40_000);
    peer.send(
      { payload: `\u0003${half}`, fin: false },
      { opcode: 0, payload: 'x'.repeat(bytes - half.length) },
      { payload: '\u0000behind' },
      bye,
    );
    expect(await log.seen(isEnd)).toMatchObject({ end: { kind } });
    leg.close(1000);
    expect((await peer.seen(isClose)).text).toBe(closeText(code));
    const lengths = log.of('data').map((event) => ('text' in event ? event.text.length : 0));
    expect(lengths).toEqual(passed);
  });

  test('a document of one byte a chunk does not keep its chunks', async () => {
    const kept: number[] = [];
    const { log, peer } = join({
      on: { data: (id, part) => void (id === 3 && kept.push(part.buffer.byteLength)) },
    });
    const filler: RawFrame = { opcode: 10, payload: 'p'.repeat(125) };
    for (let at = 0; at < 50; at += 1) {
      const fragment = { opcode: at === 0 ? 2 : 0, payload: at === 0 ? '\u0003' : 'a', fin: false };
      peer.send(fragment, ...Array.from({ length: 100 }, () => filler));
    }
    peer.send({ opcode: 0, payload: 'z' }, bye);
    await log.seen(isEnd);
    expect(log.of('data')).toEqual([data(3, `${'a'.repeat(49)}z`)]);
    expect(kept).toHaveLength(1);
    expect(kept[0]).toBeLessThan(2000);
  });
});

describe('what we send', () => {
  const roles = ['client', 'server'] as const;
  test.each(roles)('as %s is masked as the role wants, with the channel in front', async (role) => {
    const { leg, peer } = join({ role });
    leg.data(1, Buffer.from('out'));
    leg.data(2, Buffer.alloc(0));
    leg.finish(0);
    leg.reset(0);
    leg.accept(0);
    leg.data(9, Buffer.from('no such channel'));
    leg.close(1008);
    await peer.seen(isClose);
    const masked = role === 'client';
    expect(peer.frames).toEqual([
      { opcode: 2, masked, text: '\u0001out' },
      { opcode: 2, masked, text: '\u0002' },
      { opcode: 2, masked, text: '\u00ff\u0000' },
      { opcode: 8, masked, text: closeText(1008) },
    ]);
  });

  test('v4 cannot half-close, and says nothing', async () => {
    const { leg, peer } = join({ protocol: 'v4.channel.k8s.io' });
    leg.finish(0);
    leg.close(1000);
    await peer.seen(isClose);
    expect(peer.frames.map(({ opcode }) => opcode)).toEqual([8]);
  });

  test('nothing goes out behind a close frame, and a second close is none', async () => {
    const { leg, peer, wire } = join();
    leg.close(1001);
    expect(leg.data(1, Buffer.from('late'))).toBe(true);
    leg.finish(0);
    leg.close(1002);
    peer.send({ opcode: 9 }, { opcode: 8, payload: closeText(1001) });
    await new Promise((resolve) => wire.once('end', resolve));
    expect(peer.frames).toEqual([{ opcode: 8, masked: true, text: closeText(1001) }]);
  });

  test('streams are found by their type', () => {
    const { leg } = join();
    expect(leg.open({ type: 'error', port: null, requestId: '' })).toBe(3);
    expect(leg.open({ type: 'data', port: 80, requestId: '' })).toBe(-1);
  });
});

describe('how a leg ends', () => {
  const codes = [
    { name: 'the code of the peer', payload: closeText(1011), code: 1011 },
    { name: 'a code with a reason', payload: `${closeText(4000)}why`, code: 4000 },
    { name: '1005 where the peer gives none', payload: '', code: 1005 },
  ];
  test.each(codes)('cleanly, with $name', async ({ payload, code }) => {
    const { log, peer } = join();
    peer.send({ opcode: 8, payload }, { payload: '\u0001behind' });
    expect(await log.seen(isEnd)).toEqual(clean(code));
    expect(log.events).toHaveLength(1);
  });

  const wrong = [
    { name: 'reserved bits', frame: { rsv: 4 } },
    { name: 'a wrong mask', frame: { mask: true } },
  ];
  test.each(wrong)('a peer that breaks the protocol ($name) is told 1002', async ({ frame }) => {
    const { log, peer } = join();
    peer.send({ payload: '\u0001a' }, frame, { payload: '\u0001b' });
    expect(await log.seen(isEnd)).toMatchObject({ end: { kind: 'protocol' } });
    expect((await peer.seen(isClose)).text).toBe(closeText(1002));
    expect(log.of('data')).toEqual([data(1, 'a')]);
  });

  const vanished: readonly {
    readonly name: string;
    readonly leave: (world: World) => unknown;
  }[] = [
    { name: 'ends its half without a close frame', leave: ({ wire }) => wire.end() },
    { name: 'breaks the connection', leave: ({ wire }) => wire.destroy() },
    { name: 'makes our socket fail', leave: ({ socket }) => socket.destroy(new Error('reset')) },
    { name: 'is cut by us', leave: ({ leg }) => leg.destroy() },
  ];
  test.each(vanished)('a peer that $name is gone, and our socket too', async ({ leave }) => {
    const world = join({ role: 'server' });
    const closed = new Promise((resolve) => world.socket.once('close', resolve));
    leave(world);
    expect(await world.log.seen(isEnd)).toMatchObject({ end: { kind: 'gone' } });
    world.leg.destroy();
    await closed;
    expect(world.log.of('ended')).toHaveLength(1);
    expect(world.timers.running()).toBe(0);
  });

  const before: readonly {
    readonly name: string;
    readonly leave: (wire: Duplex, own: Duplex) => unknown;
  }[] = [
    { name: 'ended', leave: (wire) => wire.end() },
    { name: 'was broken', leave: (_wire, own) => own.destroy() },
  ];
  test.each(before)('a connection that $name before the leg began is gone', async ({ leave }) => {
    const [socket, wire] = duplexPair();
    wire.on('error', () => {});
    const over = new Promise((resolve) => socket.once('end', resolve).once('close', resolve));
    leave(wire, socket);
    socket.resume();
    await over;
    socket.pause();
    const leg = createChannelLeg(socket, {
      role: 'server',
      protocol: 'v5.channel.k8s.io',
      channels: remoteCommandChannels,
      head: Buffer.alloc(0),
    });
    expect(logLeg(leg).of('ended')).toMatchObject([{ end: { kind: 'gone' } }]);
    leg.destroy();
  });
});

const intervalMs = 15_000;

describe('a connection stays alive, and a dead peer is found', () => {
  test('pings are answered with their payload', async () => {
    const { peer } = join({ role: 'server' });
    peer.send({ opcode: 9, payload: 'are you there' });
    const pong = await peer.seen(({ opcode }) => opcode === 10);
    expect(pong).toEqual({ opcode: 10, masked: false, text: 'are you there' });
  });

  test('a peer that pings and reads nothing costs no memory; the last ping is answered', async () => {
    const { peer, socket, wire } = join({ role: 'server' });
    wire.pause();
    for (let at = 0; at < 3000; at += 1) {
      peer.send(...Array.from({ length: 10 }, () => ({ opcode: 9, payload: 'x'.repeat(125) })));
      // Each turn gives the leg the time to read what was sent.
      if (at % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    peer.send({ opcode: 9, payload: 'last' });
    while (wire.writableLength > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(socket.writableLength).toBeLessThan(256 * 1024);
    wire.resume();
    expect((await peer.seen(({ text }) => text === 'last')).opcode).toBe(10);
    expect(peer.frames.length).toBeLessThan(3000);
  });

  test('the peer is asked every interval', async () => {
    const { peer, timers } = join();
    timers.pass(intervalMs);
    expect((await peer.seen(({ opcode }) => opcode === 9)).text).toBe('');
  });

  test('a silent server is gone after five intervals; one that answers is not', async () => {
    const { log, peer, socket, timers } = join();
    timers.pass(4 * intervalMs);
    expect(log.events).toEqual([]);
    peer.send({ opcode: 10 }, { payload: '\u0001a' });
    await log.seen((event) => event.kind === 'data');
    timers.pass(4 * intervalMs);
    expect(log.of('ended')).toEqual([]);
    timers.pass(intervalMs);
    expect(await log.seen(isEnd)).toMatchObject({ end: { kind: 'gone' } });
    expect(socket.destroyed).toBe(true);
  });

  const patient: readonly {
    readonly name: string;
    readonly options: Options;
    readonly before: (leg: Leg) => void;
  }[] = [
    { name: 'a client that is silent', options: { role: 'server' }, before: () => {} },
    { name: 'a server that we do not read', options: {}, before: (leg) => leg.pause() },
  ];
  test.each(patient)('$name is not given up', ({ options, before }) => {
    const { leg, log, timers } = join(options);
    before(leg);
    timers.pass(20 * intervalMs);
    expect(log.events).toEqual([]);
    leg.destroy();
  });

  test.each(['client', 'server'] as const)(
    'as %s, a peer that does not answer our close frame is cut within two intervals',
    async (role) => {
      const { leg, peer, socket, timers } = join({ role });
      leg.close(1000);
      await peer.seen(isClose);
      timers.pass(intervalMs);
      expect(socket.destroyed).toBe(false);
      timers.pass(intervalMs);
      expect(socket.destroyed).toBe(true);
      await new Promise((resolve) => socket.once('close', resolve));
      expect(timers.running()).toBe(0);
    },
  );
});
