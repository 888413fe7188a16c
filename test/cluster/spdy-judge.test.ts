import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Leg, LegEvents } from '../../src/forward/streams/frames.ts';
import { SpdyFrameReader } from '../../src/forward/streams/spdy/spdy-frame-reader.ts';
import { createSpdyLeg } from '../../src/forward/streams/spdy/spdy-leg.ts';
import { logLeg, type LegLog } from '../forward/streams/leg-log.ts';

const hasGo = spawnSync('go', ['version']).status === 0;
if (!hasGo) process.stderr.write('\nspdy-judge NOT RUN: it needs Go on the PATH\n\n');

const directory = mkdtempSync(join(tmpdir(), 'holdgate-spdy-judge-'));
const program = join(directory, 'spdy-judge');
const started: ChildProcess[] = [];
const servers: Server[] = [];

beforeAll(() => {
  if (!hasGo) return;
  const cwd = new URL('.', import.meta.url);
  execFileSync('go', ['build', '-o', program, './spdy-judge'], { cwd, stdio: 'inherit' });
});
afterEach(() => {
  for (const one of started.splice(0)) one.kill('SIGKILL');
  for (const one of servers.splice(0)) one.close();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

type Line = Record<string, unknown>;
type Judge = {
  readonly lines: Line[];
  /** The first line that has this key. */
  readonly said: (key: string) => Promise<Line>;
  readonly exited: Promise<number | null>;
};

function judge(...args: readonly string[]): Judge {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  started.push(child);
  const lines: Line[] = [];
  let waiting: { key: string; resolve: (line: Line) => void }[] = [];
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as Line;
    lines.push(line);
    for (const one of waiting) if (one.key in line) one.resolve(line);
    waiting = waiting.filter(({ key }) => !(key in line));
  });
  return {
    lines,
    said: (key) => {
      const line = lines.find((one) => key in one);
      return line === undefined
        ? new Promise((resolve) => waiting.push({ key, resolve }))
        : Promise.resolve(line);
    },
    exited: once(child, 'close').then(([code]) => code as number | null),
  };
}

/** Echoes with backpressure, and does with the other streams what their port says. */
function serveStreams(leg: Leg): Partial<LegEvents> {
  const ports = new Map<number, number | null>();
  return {
    opened: (id, { type, port }) => {
      if (port === 4) return leg.reset(id);
      ports.set(id, port);
      leg.accept(id);
      if (type === 'error') leg.finish(id);
    },
    data: (id, bytes) => {
      if (ports.get(id) === 2) return leg.reset(id);
      if (!leg.data(id, bytes)) leg.pause();
    },
    finished: (id) => leg.finish(id),
    drained: () => leg.resume(),
  };
}

/** A server leg for the next connection. */
async function listen(): Promise<{ address: string; log: Promise<LegLog> }> {
  const server = createServer({ allowHalfOpen: true });
  servers.push(server);
  const log = once(server, 'connection').then(([socket]) => {
    const leg = createSpdyLeg(socket as Socket, { role: 'server' });
    return logLeg(leg, serveStreams(leg));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, log };
}

const clean = { kind: 'ended', end: { kind: 'clean', code: 1000 } };
const ended = (log: LegLog): Promise<unknown> => log.seen(({ kind }) => kind === 'ended');

describe.runIf(hasGo)("Kubernetes' own SPDY client, against a server leg", () => {
  test('forwards 50 connections at once, twice, and is refused and reset as asked', async () => {
    const { address, log } = await listen();
    const { exited, lines } = judge('dial', address);
    expect(await exited).toBe(0);
    const forwarded = lines.filter((line) => 'forwarded' in line);
    expect(forwarded).toEqual(Array.from({ length: 100 }, () => ({ forwarded: 'ok' })));
    expect(lines.slice(100)).toEqual([
      { 'unknown type': 'Stream reset' },
      { refused: 'Stream reset' },
      { reset: 'EOF' },
      { closed: true },
    ]);
    const leg = await log;
    await ended(leg);
    expect(leg.of('opened')).toHaveLength(204);
    // The last two are what the client reset itself: one by hand, one when it closed.
    expect(leg.of('reset').map((event) => 'id' in event && event.id)).toEqual([407, 409]);
    expect(leg.events.at(-1)).toEqual(clean);
  });

  test('has its pings answered', async () => {
    const { address, log } = await listen();
    const { exited, lines } = judge('ping', address);
    expect(await exited).toBe(0);
    expect(lines).toEqual([{ pinged: 3 }]);
    await ended(await log);
    expect((await log).events).toEqual([clean]);
  });
});

describe.runIf(hasGo)("Kubernetes' own SPDY server, against a client leg", () => {
  type Client = {
    readonly leg: Leg;
    readonly log: LegLog;
    readonly server: Judge;
    readonly socket: Socket;
  };

  async function dial(
    on: (leg: Leg) => Partial<LegEvents> = () => ({}),
    pingIntervalMs = 30_000,
  ): Promise<Client> {
    const server = judge('serve');
    const { address } = await server.said('address');
    const [host, port] = String(address).split(':');
    const socket = connect(Number(port), host);
    const leg = createSpdyLeg(socket, { role: 'client', pingIntervalMs });
    return { leg, log: logLeg(leg, on(leg)), server, socket };
  }

  test('opens 100 streams at once, each with its own headers and its own bytes', async () => {
    const { leg, log, server } = await dial();
    const ids = Array.from({ length: 100 }, (_, n) =>
      leg.open({ type: 'data', port: 1, requestId: `r${n}` }),
    );
    for (const id of ids) {
      leg.data(id, Buffer.from(`stream ${id}`));
      leg.finish(id);
    }
    for (const id of ids) await log.seen((event) => event.kind === 'finished' && event.id === id);
    for (const id of ids) {
      expect(log.events).toContainEqual({ kind: 'data', id, text: `stream ${id}` });
    }
    leg.close(1000);
    await ended(log);
    // What it says comes by another way than what it sends: its last line comes behind all others.
    await server.said('closed');
    const headers = server.lines.flatMap((line) => ('echoed' in line ? [line['headers']] : []));
    expect(headers).toHaveLength(100);
    for (let n = 0; n < 100; n++) {
      expect(headers).toContainEqual({ Streamtype: ['data'], Port: ['1'], Requestid: [`r${n}`] });
    }
    expect(log.events.at(-1)).toEqual(clean);
  });

  test('echoes 20 MB with backpressure, while it pings', async () => {
    let more = (): void => {};
    const { leg, log } = await dial(() => ({ drained: () => more() }), 20);
    const id = leg.open({ type: 'data', port: 1, requestId: '' });
    await log.seen(({ kind }) => kind === 'accepted');
    const piece = Buffer.alloc(200_000, '0123456789');
    let left = 100;
    more = () => {
      while (left > 0) {
        left -= 1;
        if (!leg.data(id, piece)) break;
      }
      if (left === 0) leg.finish(id);
    };
    more();
    await log.seen(({ kind }) => kind === 'finished');
    const echo = log.events.map((event) => (event.kind === 'data' ? event.text : '')).join('');
    expect(echo === '0123456789'.repeat(2_000_000)).toBe(true);
    expect(log.of('drained').length).toBeGreaterThan(0);
    leg.close(1000);
    await ended(log);
    expect(log.events.at(-1)).toEqual(clean);
  });

  test('resets, refuses, half-closes first, and is reset, one stream beside the other', async () => {
    const { leg, log, server } = await dial();
    const [reset, halfClosed, refused, cancelled] = [2, 3, 4, 6].map((port) =>
      leg.open({ type: 'data', port, requestId: '' }),
    );
    if (cancelled === undefined || halfClosed === undefined) throw new Error('unreachable');
    leg.data(reset ?? 0, Buffer.from('x'));
    await log.seen((event) => event.kind === 'finished' && event.id === halfClosed);
    leg.data(halfClosed, Buffer.from('still taken'));
    leg.finish(halfClosed);
    expect(await server.said('read')).toEqual({ read: 11, error: '' });
    await log.seen((event) => event.kind === 'accepted' && event.id === cancelled);
    leg.reset(cancelled);
    expect(await server.said('ended')).toEqual({ ended: '6', error: 'EOF' });
    await log.seen((event) => event.kind === 'reset' && event.id === reset);
    const resets = log.of('reset').map((event) => 'id' in event && event.id);
    expect(resets).toHaveLength(2);
    expect(new Set(resets)).toEqual(new Set([reset, refused]));
    expect(log.of('ended')).toEqual([]);
  });

  test('answers our pings', async () => {
    const { leg, log, socket } = await dial(() => ({}), 20);
    const answered: number[] = [];
    const reader = new SpdyFrameReader();
    await new Promise<void>((resolve) => {
      socket.on('data', (chunk) => {
        reader.push(chunk);
        for (let frame = reader.next(); frame !== null; frame = reader.next()) {
          if (frame.type === 'ping' && frame.id % 2 === 1) answered.push(frame.id);
        }
        if (answered.length >= 3) resolve();
      });
    });
    expect(answered.slice(0, 3)).toEqual([1, 3, 5]);
    leg.close(1000);
    await ended(log);
  });

  test('ends the session itself, which is clean', async () => {
    const { leg, log } = await dial();
    leg.open({ type: 'data', port: 5, requestId: '' });
    await ended(log);
    expect(log.events.at(-1)).toEqual(clean);
  });
});
