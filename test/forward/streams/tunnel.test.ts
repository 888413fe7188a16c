import type { Duplex } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createTunnel } from '../../../src/forward/streams/websocket/tunnel.ts';
import { duplexPair } from './duplex-pair.ts';
import { handTimers, type HandTimers } from './leg-log.ts';
import { cutAt, rawFrame, rawWebSocketPeer, type RawWebSocketPeer } from './raw-web-socket.ts';

type Role = 'client' | 'server';
type World = {
  readonly tunnel: Duplex;
  readonly peer: RawWebSocketPeer;
  readonly socket: Duplex;
  readonly wire: Duplex;
  readonly timers: HandTimers;
};

function join(role: Role = 'server', head: Buffer = Buffer.alloc(0)): World {
  const [socket, wire] = duplexPair();
  const timers = handTimers();
  const tunnel = createTunnel(socket, { role, head, keepAlive: timers });
  return { tunnel, socket, wire, timers, peer: rawWebSocketPeer(wire, role === 'server') };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const event = (stream: Duplex, name: string): Promise<unknown> =>
  new Promise((resolve) => stream.once(name, resolve));
const bye = { opcode: 8, payload: '\u0003\u00e8' } as const;

/** Reads a stream to its end. */
async function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

test('the borders of messages mean nothing, at any fragmentation and chunking', async () => {
  const fragments = fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 5 });
  const messages = fc.array(fragments, { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(messages, fc.array(fc.nat(), { maxLength: 10 }), async (list, places) => {
      const frames = list.flatMap((parts) =>
        parts.map((part, at) => ({
          opcode: at === 0 ? 2 : 0,
          fin: at === parts.length - 1,
          payload: Buffer.from(part).toString('latin1'),
        })),
      );
      const bytes = [...frames, bye].map((frame) => rawFrame({ ...frame, mask: true }));
      const { tunnel, wire } = join();
      for (const chunk of cutAt(Buffer.concat(bytes), places)) wire.write(chunk);
      const read = await readAll(tunnel);
      expect(read.equals(Buffer.concat(list.flat()))).toBe(true);
    }),
    { numRuns: 50 },
  );
});

test('bytes that came with the 101 are its first', async () => {
  const { tunnel, peer } = join('client', rawFrame({ payload: 'first ' }));
  peer.send({ payload: 'then' }, bye);
  expect((await readAll(tunnel)).toString()).toBe('first then');
});

test('what is written goes out as binary messages, no larger than what was written at once', async () => {
  const { tunnel, peer } = join('client');
  tunnel.write(Buffer.from('a'));
  tunnel.write(Buffer.alloc(70_000, 'b'));
  tunnel.end();
  await peer.seen(({ opcode }) => opcode === 8);
  expect(peer.frames.map(({ opcode, masked, text }) => [opcode, masked, text.length])).toEqual([
    [2, true, 1],
    [2, true, 70_000],
    [8, true, 2],
  ]);
});

describe('backpressure', () => {
  test('a reader that stops stops the peer, and nothing is lost', async () => {
    const { tunnel, peer, wire } = join('client');
    const text = 'x'.repeat(10_000);
    for (let at = 0; at < 200; at += 1) peer.send({ payload: text });
    peer.send(bye);
    for (let at = 0; at < 50; at += 1) await turn();
    expect(wire.writableLength).toBeGreaterThan(1_000_000);
    expect(tunnel.readableLength).toBeLessThan(200_000);
    expect((await readAll(tunnel)).length).toBe(2_000_000);
  });

  test('a peer that reads nothing holds the writer', async () => {
    const { tunnel, peer, socket, wire } = join();
    wire.pause();
    let done = 0;
    for (let at = 0; at < 200; at += 1) tunnel.write(Buffer.alloc(10_000), () => (done += 1));
    for (let at = 0; at < 50; at += 1) await turn();
    expect(done).toBeLessThan(40);
    expect(socket.writableLength).toBeLessThan(300_000);
    wire.resume();
    tunnel.end();
    await peer.seen(({ opcode }) => opcode === 8);
    expect(done).toBe(200);
  });
});

describe('the end', () => {
  test("a peer's close ends the tunnel on both sides", async () => {
    const { tunnel, peer, socket } = join();
    tunnel.resume();
    const ended = event(tunnel, 'end');
    peer.send(bye);
    await ended;
    await peer.seen(({ opcode }) => opcode === 8);
    expect(socket.writableEnded).toBe(true);
  });

  test('a peer that closes, and reads nothing, holds no write and no memory for ever', async () => {
    const { tunnel, peer, socket, wire, timers } = join();
    tunnel.on('error', () => {});
    wire.pause();
    tunnel.resume();
    peer.send(bye);
    tunnel.write(Buffer.alloc(500_000));
    tunnel.write(Buffer.alloc(10));
    tunnel.end();
    for (let at = 0; at < 20; at += 1) await turn();
    for (let at = 0; at < 4; at += 1) timers.pass(15_000);
    expect(socket.destroyed).toBe(true);
  });

  test('a tunnel that its user destroys closes the WebSocket', async () => {
    const { tunnel, peer } = join();
    tunnel.destroy();
    expect((await peer.seen(({ opcode }) => opcode === 8)).text).toBe('\u0003\u00e8');
  });

  test('a tunnel that its user destroys with a cause breaks the connection', async () => {
    const { tunnel, socket, wire } = join();
    tunnel.on('error', () => {});
    wire.on('error', () => {});
    tunnel.destroy(new Error('broken'));
    await event(socket, 'close');
    expect(socket.readableAborted).toBe(true);
  });

  const wrong: readonly { readonly name: string; readonly leave: (world: World) => unknown }[] = [
    { name: 'ends without a close frame', leave: ({ wire }) => wire.end() },
    { name: 'vanishes', leave: ({ wire }) => wire.destroy() },
    { name: 'breaks the protocol', leave: ({ peer }) => peer.send({ rsv: 1 }) },
  ];
  test.each(wrong)('a peer that $name is an error of the tunnel, no end', async ({ leave }) => {
    const world = join();
    let ends = 0;
    world.tunnel.resume().on('end', () => (ends += 1));
    const failed = event(world.tunnel, 'error');
    leave(world);
    expect(await failed).toBeInstanceOf(Error);
    expect(ends).toBe(0);
  });
});
