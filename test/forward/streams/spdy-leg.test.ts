import { describe, expect, test } from 'vitest';
import type { FrameStream, Leg, LegEvents } from '../../../src/forward/streams/frames.ts';
import { createSpdyLeg } from '../../../src/forward/streams/spdy/spdy-leg.ts';
import { duplexPair } from './duplex-pair.ts';
import { handTimers, logLeg, settled, type HandTimers, type LegLog } from './leg-log.ts';

const stdin: FrameStream = { type: 'stdin', port: null, requestId: '' };
const forwarded = (n: number, type: 'data' | 'error'): FrameStream => ({
  type,
  port: 8080,
  requestId: String(n),
});

type Side = { readonly leg: Leg; readonly log: LegLog };
type Both = { readonly client: Side; readonly server: Side; readonly timers: HandTimers };

/** A client and a server leg, connected; the server accepts what it is not told to treat otherwise. */
function connect(onServer: Partial<LegEvents> = {}, onClient: Partial<LegEvents> = {}): Both {
  const [a, b] = duplexPair();
  const timers = handTimers();
  const client = createSpdyLeg(a, { role: 'client', timers });
  const server = createSpdyLeg(b, { role: 'server', timers });
  return {
    timers,
    client: { leg: client, log: logLeg(client, onClient) },
    server: {
      leg: server,
      log: logLeg(server, { opened: (id) => server.accept(id), ...onServer }),
    },
  };
}

describe('a stream between two legs', () => {
  test('is opened with its headers, accepted, carries bytes both ways, and ends half by half', async () => {
    const { client, server } = connect();
    const id = client.leg.open(forwarded(7, 'data'));
    await client.log.seen((event) => event.kind === 'accepted');
    client.leg.data(id, Buffer.from('to the pod'));
    client.leg.finish(id);
    await server.log.seen((event) => event.kind === 'finished');
    server.leg.data(id, Buffer.from('from the pod'));
    server.leg.finish(id);
    await client.log.seen((event) => event.kind === 'finished');
    expect(server.log.events).toEqual([
      { kind: 'opened', id, stream: forwarded(7, 'data') },
      { kind: 'data', id, text: 'to the pod' },
      { kind: 'finished', id },
    ]);
    expect(client.log.events).toEqual([
      { kind: 'accepted', id },
      { kind: 'data', id, text: 'from the pod' },
      { kind: 'finished', id },
    ]);
  });

  test('client ids are odd, server ids even, and both only grow', async () => {
    const { client, server } = connect({}, { opened: (id) => client.leg.accept(id) });
    expect([1, 2, 3].map(() => client.leg.open(stdin))).toEqual([1, 3, 5]);
    expect([1, 2, 3].map(() => server.leg.open(stdin))).toEqual([2, 4, 6]);
    await settled();
    expect(client.log.of('accepted')).toHaveLength(3);
    expect(server.log.of('accepted')).toHaveLength(3);
  });

  test('data and FIN that were sent before the stream is accepted wait for it, in order', async () => {
    const { client, server } = connect({ opened: () => {} });
    const id = client.leg.open(stdin);
    expect(client.leg.data(id, Buffer.from('one '))).toBe(false);
    expect(client.leg.data(id, Buffer.from('two'))).toBe(false);
    client.leg.finish(id);
    await server.log.seen((event) => event.kind === 'opened');
    await settled();
    expect(server.log.of('data')).toEqual([]);
    server.leg.accept(id);
    await server.log.seen((event) => event.kind === 'finished');
    expect(server.log.of('data')).toEqual([{ kind: 'data', id, text: 'one two' }]);
    await client.log.seen((event) => event.kind === 'drained');
  });

  test('what waits for a peer that never accepts is bounded: the stream is reset', async () => {
    const { client, server } = connect({ opened: () => {} });
    const id = client.leg.open(stdin);
    for (let n = 0; n <= 16; n++) client.leg.data(id, Buffer.alloc(64 * 1024));
    await client.log.seen((event) => event.kind === 'reset');
    await server.log.seen((event) => event.kind === 'reset');
    expect(server.log.of('data')).toEqual([]);
  });

  test('a reset of one side is told to the other, and nothing comes after it', async () => {
    const { client, server } = connect({ data: (id) => server.leg.reset(id) });
    const id = client.leg.open(stdin);
    client.leg.data(id, Buffer.from('x'));
    await client.log.seen((event) => event.kind === 'reset');
    client.leg.data(id, Buffer.from('late'));
    client.leg.finish(id);
    await settled();
    expect(server.log.events.map(({ kind }) => kind)).toEqual(['opened', 'data']);
    expect(client.log.of('ended')).toEqual([]);
  });

  test('50 parallel connections of a port-forward, twice over, all get their own bytes', async () => {
    const echo = { data: (id: number, bytes: Buffer): void => void server.leg.data(id, bytes) };
    const { client, server } = connect(echo);
    for (let round = 0; round < 2; round++) {
      const ids = Array.from({ length: 50 }, (_, n) => [
        client.leg.open(forwarded(n, 'error')),
        client.leg.open(forwarded(n, 'data')),
      ]).flat();
      for (const id of ids) client.leg.data(id, Buffer.from(`stream ${id}`));
      await client.log.seen((event) => event.kind === 'data' && event.id === ids.at(-1));
      for (const id of ids) {
        expect(client.log.events).toContainEqual({ kind: 'data', id, text: `stream ${id}` });
      }
    }
    expect(server.log.of('opened')).toHaveLength(200);
  });

  test('streams beyond 512 are refused, and there is room again when one ends', async () => {
    const { client, server } = connect();
    const ids = Array.from({ length: 513 }, () => client.leg.open(stdin));
    await client.log.seen((event) => event.kind === 'reset');
    expect(client.log.of('reset')).toEqual([{ kind: 'reset', id: ids[512] }]);
    await client.log.seen((event) => event.kind === 'accepted' && event.id === ids[511]);
    client.leg.finish(ids[0] ?? 0);
    server.leg.finish(ids[0] ?? 0);
    await client.log.seen((event) => event.kind === 'finished');
    const next = client.leg.open(stdin);
    await client.log.seen((event) => event.kind === 'accepted' && event.id === next);
  });
});

describe('backpressure', () => {
  test('a paused leg stops its peer, and resuming it brings every byte', async () => {
    const { client, server } = connect();
    const id = client.leg.open(stdin);
    await client.log.seen((event) => event.kind === 'accepted');
    server.leg.pause();
    let sent = 0;
    const piece = Buffer.alloc(32 * 1024, 'x');
    do sent += piece.length;
    while (client.leg.data(id, piece) && sent < 10_000_000);
    await settled();
    expect(sent).toBeLessThan(1_000_000);
    expect(server.log.of('data')).toEqual([]);
    expect(client.log.of('drained')).toEqual([]);
    server.leg.resume();
    await client.log.seen((event) => event.kind === 'drained');
    client.leg.finish(id);
    await server.log.seen((event) => event.kind === 'finished');
    expect(server.log.of('data')).toEqual([{ kind: 'data', id, text: 'x'.repeat(sent) }]);
  });

  test('pausing inside an event holds back the frames behind it that have already arrived', async () => {
    const { client, server } = connect({ data: () => server.leg.pause() });
    const id = client.leg.open(stdin);
    await client.log.seen((event) => event.kind === 'accepted');
    client.leg.data(id, Buffer.from('first'));
    client.leg.finish(id);
    await server.log.seen((event) => event.kind === 'data');
    await settled();
    expect(server.log.of('finished')).toEqual([]);
    server.leg.resume();
    await server.log.seen((event) => event.kind === 'finished');
  });
});

describe('the end', () => {
  test('close delivers everything that was sent, then both sides end clean', async () => {
    const { client, server } = connect();
    const id = client.leg.open(stdin);
    await client.log.seen((event) => event.kind === 'accepted');
    client.leg.data(id, Buffer.alloc(300_000, 'y'));
    client.leg.close(1000);
    await server.log.seen((event) => event.kind === 'ended');
    await client.log.seen((event) => event.kind === 'ended');
    const clean = { kind: 'ended', end: { kind: 'clean', code: 1000 } };
    expect(server.log.of('data')).toEqual([{ kind: 'data', id, text: 'y'.repeat(300_000) }]);
    expect([server.log.of('ended'), client.log.of('ended')]).toEqual([[clean], [clean]]);
  });

  test('destroy ends both sides as gone, once', async () => {
    const { client, server } = connect();
    client.leg.open(stdin);
    await client.log.seen((event) => event.kind === 'accepted');
    client.leg.destroy();
    client.leg.destroy();
    await settled();
    expect(client.log.of('ended')).toMatchObject([{ end: { kind: 'gone' } }]);
    expect(server.log.of('ended')).toMatchObject([{ end: { kind: 'gone' } }]);
  });

  test('every method is harmless after it, and no timer is left', async () => {
    const { client, server, timers } = connect();
    const id = client.leg.open(stdin);
    await client.log.seen((event) => event.kind === 'accepted');
    client.leg.close(1000);
    await client.log.seen((event) => event.kind === 'ended');
    await server.log.seen((event) => event.kind === 'ended');
    const before = client.log.events.length;
    const { leg } = client;
    leg.data(id, Buffer.from('x'));
    leg.data(leg.open(stdin), Buffer.from('x'));
    for (const call of [leg.accept, leg.finish, leg.reset, leg.close]) call(id);
    for (const call of [leg.pause, leg.resume, leg.destroy]) call();
    await settled();
    expect(client.log.events).toHaveLength(before);
    expect(timers.running()).toBe(0);
  });

  test('a leg whose peer closed the session ends clean, also with a stream open, and takes no more', async () => {
    const { client, server } = connect();
    const id = client.leg.open(stdin);
    await client.log.seen((event) => event.kind === 'accepted');
    server.leg.close(1000);
    await client.log.seen((event) => event.kind === 'ended');
    expect(client.log.of('ended')).toMatchObject([{ end: { kind: 'clean', code: 1000 } }]);
    expect(client.leg.data(id, Buffer.from('x'))).toBe(true);
  });
});
