import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  controlFrame,
  dataHead,
  resetStatus,
} from '../../../src/forward/streams/spdy/spdy-frames.ts';
import { SpdyStreams } from '../../../src/forward/streams/spdy/spdy-streams.ts';
import { createSpdyLeg } from '../../../src/forward/streams/spdy/spdy-leg.ts';
import { duplexPair } from './duplex-pair.ts';
import { handTimers, logLeg, settled, type LegEvent } from './leg-log.ts';
import { dataFrame, meet, rawPeer, type RawPeer } from './raw-peer.ts';

const fin = 1;
const stdin = { streamtype: 'stdin' };
const reset = (id: number, status: number): unknown => ({ type: 'rst-stream', id, status });
const accepted = (id: number): unknown => ({ type: 'syn-reply', id, headers: {} });

describe('PING', () => {
  test("with the peer's parity is answered at once, with ours it is an answer", async () => {
    const { peer, log } = meet('server');
    peer.send(controlFrame.ping(1), controlFrame.ping(2), controlFrame.ping(0x7fff_ffff));
    await settled();
    expect(peer.frames).toEqual([
      { type: 'ping', id: 1 },
      { type: 'ping', id: 0x7fff_ffff },
    ]);
    expect(log.events).toEqual([]);
  });

  test('is sent every interval, with ids of our parity', async () => {
    const client = meet('client', {}, { pingIntervalMs: 10_000 });
    const server = meet('server');
    client.timers.pass(20_000);
    server.timers.pass(60_000);
    await settled();
    expect(client.peer.frames).toEqual([1, 3].map((id) => ({ type: 'ping', id })));
    expect(server.peer.frames).toEqual([2, 4].map((id) => ({ type: 'ping', id })));
  });

  test('a cluster from which no byte came for 60 s is gone, a client is not', async () => {
    const client = meet('client');
    const server = meet('server');
    for (const { timers } of [client, server]) timers.pass(600_000);
    await settled();
    expect(client.log.events).toEqual([
      { kind: 'ended', end: { kind: 'gone', detail: 'no byte came for 60 s' } },
    ]);
    expect(client.isClosed()).toBe(true);
    expect(server.log.events).toEqual([]);
  });

  test('silence does not count while we do not read', async () => {
    const { leg, log, timers } = meet('client');
    leg.pause();
    timers.pass(600_000);
    leg.resume();
    timers.pass(59_000);
    await settled();
    expect(log.events).toEqual([]);
  });

  test('silence behind data counts from the PING on that was answered: its reader may be stuck in the data', async () => {
    const { leg, peer, log, timers } = meet('client');
    const id = leg.open({ type: 'stdin', port: null, requestId: '' });
    peer.send(peer.reply(id));
    await settled();
    timers.pass(30_000);
    leg.data(id, Buffer.from('nobody reads this'));
    // The answer to the PING before the data says nothing of the data.
    peer.send(controlFrame.ping(1));
    await settled();
    timers.pass(600_000);
    await settled();
    expect(log.of('ended')).toEqual([]);
    peer.send(controlFrame.ping(3));
    await settled();
    timers.pass(60_000);
    expect(log.of('ended')).toHaveLength(1);
  });
});

describe('header blocks, which take time to read', () => {
  test('are read 1024 a second, and none is lost', async () => {
    const { peer, log, timers } = meet('server');
    const opened = (): number => log.of('opened').length;
    for (let at = 0; at < 1100; at += 1) {
      const id = 2 * at + 1;
      peer.send(peer.syn(id, stdin), controlFrame.rstStream(id, resetStatus.cancel));
    }
    await settled();
    expect(opened()).toBe(1024);
    timers.pass(1000);
    await settled();
    expect(opened()).toBe(1100);
    expect(log.of('ended')).toEqual([]);
  });

  test('that wait leave no timer behind when the session ends', async () => {
    const { leg, peer, timers, isClosed } = meet('server');
    for (let at = 0; at < 1100; at += 1) peer.send(peer.syn(2 * at + 1, { streamtype: 'none' }));
    await settled();
    leg.destroy();
    await settled();
    expect(isClosed()).toBe(true);
    expect(timers.running()).toBe(0);
  });
});

describe('a session that we end', () => {
  test('is gone after a minute where its peer reads nothing more: backpressure must not keep the socket', async () => {
    const [socket, wire] = duplexPair(1024);
    const timers = handTimers();
    const leg = createSpdyLeg(socket, { role: 'server', timers });
    const peer = rawPeer(wire);
    logLeg(leg, { opened: (id) => leg.accept(id) });
    peer.send(peer.syn(1, { streamtype: 'stdout' }));
    await settled();
    wire.pause();
    leg.data(1, Buffer.alloc(256 * 1024));
    leg.close(1000);
    timers.pass(59_000);
    await settled();
    expect(socket.destroyed).toBe(false);
    timers.pass(1000);
    await settled();
    expect(socket.destroyed).toBe(true);
    expect(timers.running()).toBe(0);
  });
});

describe('the end of the peer', () => {
  const ends = [
    { what: 'before any stream', send: () => [], end: 'clean' },
    { what: 'with a stream open', send: (peer: RawPeer) => [peer.syn(1, stdin)], end: 'gone' },
    {
      what: 'with a stream open, behind GOAWAY',
      send: (peer: RawPeer) => [peer.syn(1, stdin), controlFrame.goaway(0, 0)],
      end: 'clean',
    },
    {
      what: 'when its streams were reset',
      send: (peer: RawPeer) => [peer.syn(1, stdin), controlFrame.rstStream(1, 5)],
      end: 'clean',
    },
    { what: 'inside a frame', send: () => [dataHead(1, 10, false).subarray(0, 5)], end: 'gone' },
  ];
  test.each(ends)('$what is $end', async ({ send, end }) => {
    const { peer, log, hangUp, isClosed } = meet('server');
    peer.send(...send(peer));
    hangUp();
    await settled();
    expect(log.of('ended')).toMatchObject([{ end: { kind: end } }]);
    expect(isClosed()).toBe(true);
  });

  const losses = [
    { what: 'before any stream', send: () => [], end: 'gone' },
    { what: 'with a stream open', send: (peer: RawPeer) => [peer.syn(1, stdin)], end: 'gone' },
    { what: 'behind GOAWAY', send: () => [controlFrame.goaway(0, 0)], end: 'clean' },
  ];
  test.each(losses)('by a lost connection, $what, is $end', async ({ send, end }) => {
    const { peer, log, breakOff } = meet('server');
    peer.send(...send(peer));
    await settled();
    breakOff();
    await settled();
    expect(log.of('ended')).toMatchObject([{ end: { kind: end } }]);
  });

  test('behind its GOAWAY no stream is opened by either side, open ones go on', async () => {
    const { leg, peer, log } = meet('server');
    peer.send(peer.syn(1, stdin), controlFrame.goaway(0, 0), peer.syn(3, stdin), dataFrame(1, 'x'));
    await settled();
    const id = leg.open({ type: 'stdin', port: null, requestId: '' });
    leg.data(1, Buffer.from('y'));
    await settled();
    expect(peer.frames).toEqual([
      accepted(1),
      reset(3, resetStatus.refusedStream),
      { type: 'data', id: 1, text: 'y', fin: false },
    ]);
    expect(log.events).toMatchObject([
      { kind: 'opened', id: 1 },
      { kind: 'data', id: 1, text: 'x' },
      { kind: 'reset', id },
    ]);
  });

  test('that never comes after our close is waited for, and then forced', async () => {
    const { leg, peer, log, timers, isClosed } = meet('server');
    peer.send(peer.syn(5, stdin));
    await settled();
    leg.close(1000);
    peer.send(dataFrame(5, 'too late'));
    await settled();
    expect(peer.frames.at(-1)).toEqual({ type: 'goaway', lastId: 5, status: 0 });
    expect([log.of('ended').length, isClosed()]).toEqual([0, false]);
    timers.pass(30_000);
    await settled();
    expect(log.events.slice(1)).toEqual([{ kind: 'ended', end: { kind: 'clean', code: 1000 } }]);
    expect(timers.running()).toBe(0);
  });
});

describe('many streams', () => {
  test('2000 one behind the other leave no state: none is refused', async () => {
    const { leg, peer, log, timers } = meet('server', {
      opened: (id) => {
        leg.accept(id);
        if (id % 4 === 1) leg.finish(id);
      },
    });
    const ids = Array.from({ length: 2000 }, (_, n) => 2 * n + 1);
    for (const id of ids) {
      const end = id % 8 === 3 ? controlFrame.rstStream(id, 5) : dataFrame(id, '', true);
      peer.send(peer.syn(id, stdin), end);
      if (id % 80 === 7) {
        timers.pass(1000);
        await settled();
        leg.reset(id);
      }
    }
    await settled();
    expect(log.of('opened')).toHaveLength(2000);
    expect(log.of('finished').length + log.of('reset').length).toBe(2000);
  });

  test('100,000 in the table leave nothing, whichever half ended first', () => {
    const streams = new SpdyStreams('server');
    const bytes = Buffer.alloc(20);
    let taken = 0;
    for (let n = 0; n < 100_000; n++) {
      const id = 2 * n + 1;
      if (streams.takePeerId(id)) taken += 1;
      streams.add(id, false);
      const stream = streams.get(id);
      if (stream === undefined) throw new Error('not added');
      streams.hold(stream, bytes);
      if (n % 3 === 0) {
        streams.forget(id);
        continue;
      }
      streams.release(stream);
      stream.accepted = true;
      for (const half of n % 2 === 0
        ? (['finished', 'peerFinished'] as const)
        : (['peerFinished', 'finished'] as const)) {
        stream[half] = true;
        streams.settle(id, stream);
      }
    }
    expect(taken).toBe(100_000);
    expect([streams.size, streams.isHolding]).toEqual([0, false]);
  });
});

describe('any bytes', () => {
  /** What a peer may do, in an order that makes some sense; header blocks are made in that order, too. */
  const step = fc.record({
    id: fc.integer({ min: 1, max: 12 }),
    action: fc.constantFrom(
      'syn',
      'syn-fin',
      'bad-syn',
      'data',
      'fin',
      'rst',
      'ping',
      'settings',
      'reply',
    ),
    text: fc.string({ maxLength: 30, unit: fc.constantFrom('a', 'b', '\0', '\xff') }),
  });
  type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
  const settings = Buffer.from('80030004010000040000000080030009000000080000000100000001', 'hex');
  const wireOf = (peer: RawPeer, steps: readonly Step[]): Buffer => {
    let next = 1;
    const parts = steps.map(({ id, action, text }) => {
      if (action === 'syn' || action === 'syn-fin' || action === 'bad-syn') {
        next += 2;
        const headers =
          action === 'bad-syn' ? { streamtype: text } : { ...stdin, requestid: String(id) };
        return peer.syn(next - 2, headers, action === 'syn-fin' ? fin : 0);
      }
      if (action === 'data' || action === 'fin') return dataFrame(id, text, action === 'fin');
      if (action === 'rst') return controlFrame.rstStream(id, 5);
      if (action === 'reply') return peer.reply(id);
      return action === 'ping' ? controlFrame.ping(id) : settings;
    });
    return Buffer.concat(parts);
  };
  const listen = async (
    chunks: (peer: RawPeer) => readonly Buffer[],
  ): Promise<readonly unknown[]> => {
    const { peer, log, leg } = meet('server');
    for (const chunk of chunks(peer)) {
      peer.send(chunk);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await settled();
    const events: readonly LegEvent[] = [...log.events];
    leg.destroy();
    await settled();
    return [events, [...peer.frames]];
  };

  test('the same bytes cut in any way are the same events and the same answers', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { maxLength: 25 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        async (steps, places) => {
          const whole = await listen((peer) => [wireOf(peer, steps)]);
          const cut = await listen((peer) => {
            const wire = wireOf(peer, steps);
            const cuts = [...new Set(places.map((place) => place % (wire.length + 1)))].sort(
              (a, b) => a - b,
            );
            return [0, ...cuts].map((from, n) => wire.subarray(from, cuts[n] ?? wire.length));
          });
          expect(cut).toEqual(whole);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('that are random never throw, and end the session at most once', async () => {
    const control = fc
      .tuple(fc.integer({ min: 0, max: 11 }), fc.uint8Array({ maxLength: 40 }))
      .map(([type, payload]) =>
        Buffer.concat([Buffer.from([0x80, 3, 0, type, 0, 0, 0, payload.length]), payload]),
      );
    const random = fc.array(
      fc.oneof(
        control,
        fc.uint8Array({ maxLength: 60 }).map((one) => Buffer.from(one)),
      ),
      { maxLength: 6 },
    );
    await fc.assert(
      fc.asyncProperty(
        random,
        fc.constantFrom('client' as const, 'server' as const),
        async (parts, role) => {
          const { peer, log, leg } = meet(role);
          peer.send(...parts);
          await settled();
          leg.destroy();
          await settled();
          expect(log.of('ended')).toHaveLength(1);
          expect(log.events.at(-1)?.kind).toBe('ended');
        },
      ),
      { numRuns: 100 },
    );
  });

  test('that were read behind the answer 101 come first', async () => {
    const other = meet('client');
    const head = Buffer.concat([other.peer.syn(1, stdin), dataFrame(1, 'first ').subarray(0, 9)]);
    const { peer, log } = meet('server', {}, { head });
    peer.send(dataFrame(1, 'first ').subarray(9), dataFrame(1, 'second'));
    await settled();
    expect(log.events).toMatchObject([{ kind: 'opened' }, { kind: 'data', text: 'first second' }]);
  });
});
