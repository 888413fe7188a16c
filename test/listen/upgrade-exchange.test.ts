import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Exchange, Listener } from '../../src/listen/index.ts';
import { testListeners, type TestListeners } from '../support/test-listener.ts';

let listeners: TestListeners;
let listener: Listener;
let clients: TLSSocket[] = [];
/** The exchanges in the order they came. */
let came: (exchange: Exchange) => void;

beforeAll(async () => {
  listeners = await testListeners();
});
afterAll(() => listeners.remove());
beforeEach(async () => {
  listener = await listeners.open(async (exchange) => came(exchange));
});
afterEach(async () => {
  vi.useRealTimers();
  for (const client of clients.splice(0)) client.destroy();
  await listener.drain(100);
});

type Client = {
  readonly socket: TLSSocket;
  readonly exchange: Exchange;
  /** What was received so far. */
  readonly text: () => string;
  /** Resolves when what was received ends so. */
  readonly got: (end: string) => Promise<void>;
};

const upgradeLines = ['host: gateway.test', 'connection: Upgrade', 'upgrade: websocket'];

/** Sends a request for an upgrade, and bytes behind it in the same write; resolves when its exchange is there. */
async function ask(
  more: readonly string[] = [],
  behind = '',
  first = 'GET /api HTTP/1.1',
): Promise<Client> {
  const { ca } = listeners;
  // A client that stays: it closes when the test says so.
  const staying = { host: '127.0.0.1', port: listener.port, ca, allowHalfOpen: true };
  const socket = connect(staying);
  clients.push(socket);
  let text = '';
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  const exchange = new Promise<Exchange>((resolve) => {
    came = resolve;
  });
  await once(socket, 'secureConnect');
  socket.write([first, ...upgradeLines, ...more, '', behind].join('\r\n'), 'latin1');
  return {
    socket,
    exchange: await exchange,
    text: () => text,
    got: async (end) => {
      while (!text.endsWith(end)) await once(socket, 'data');
    },
  };
}

const gone = async ({ gone: signal }: Exchange): Promise<void> => {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', resolve);
  });
};
const switching = (exchange: Exchange) => {
  if (exchange.switchProtocols === null) throw new Error('no upgrade');
  return exchange.switchProtocols([
    ['connection', 'Upgrade'],
    ['upgrade', 'websocket'],
    ['x-split', 'a\r\nb: c'],
  ]);
};
/** Turns of the event loop until the gateway has read what the client wrote. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

describe('a 101', () => {
  test('is exactly its head, no value can add a line, and the bytes behind it are the other protocol', async () => {
    const { exchange, socket, text, got } = await ask();
    expect(exchange.upgrade).toBe('websocket');
    const switched = switching(exchange);
    expect(exchange.responded()).toBe(true);
    switched.socket.write('behind');
    await got('behind');
    expect(text()).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nx-split: a  b: c\r\n\r\nbehind',
    );
    expect(exchange.gone.aborted).toBe(false);
    const heard = once(switched.socket.resume(), 'data');
    socket.write('up');
    expect(String((await heard)[0])).toBe('up');
  });

  test('is never the answer to HTTP/1.0, where an Upgrade means nothing', async () => {
    const { exchange, got } = await ask([], '', 'GET /api HTTP/1.0');
    expect(exchange.upgrade).toBe('websocket');
    expect(exchange.switchProtocols).toBe(null);
    exchange.respond(400, [['content-length', '2']]);
    exchange.end(Buffer.from('no'));
    await got('\r\n\r\nno');
  });

  test('comes with what the client sent before it, in order, and nothing twice', async () => {
    const { exchange, socket } = await ask([], 'with the request ');
    socket.write('later ');
    socket.write('and last');
    const all = 'with the request later and last';
    const switched = switching(exchange);
    const parts = [switched.head];
    let read = switched.head.length;
    // What had not been read before the 101 comes from the socket.
    switched.socket.on('data', (chunk: Buffer) => {
      parts.push(chunk);
      read += chunk.length;
    });
    switched.socket.resume();
    await until(() => read >= all.length);
    expect(Buffer.concat(parts).toString()).toBe(all);
    expect(switched.head.toString()).toMatch(/^with the request /);
  });

  test('to a POST without a body, as kubectl asks for SPDY', async () => {
    const { exchange } = await ask(['content-length: 0'], '', 'POST /api/v1/exec HTTP/1.1');
    expect(await exchange.readBody(100)).toEqual({ ok: true, value: Buffer.alloc(0) });
    expect(exchange.method).toBe('POST');
    expect(switching(exchange).head.length).toBe(0);
  });
});

describe('what a client sends before it has an answer', () => {
  test('is kept up to 64 KiB', async () => {
    const { exchange, socket } = await ask([], 'a'.repeat(1000));
    await new Promise((resolve) => socket.write('b'.repeat(64_536), resolve));
    // A write that is done is not one that was read: both ends live in this event loop.
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    const switched = switching(exchange);
    let read = switched.head.length;
    switched.socket.on('data', (chunk: Buffer) => (read += chunk.length)).resume();
    await until(() => read >= 65_536);
    expect(switched.socket.destroyed).toBe(false);
    expect(read).toBe(65_536);
  });

  test('is an attack on memory beyond that: the connection is cut, and the call is over', async () => {
    const { exchange, socket, text } = await ask([], 'a'.repeat(1000));
    const closed = once(socket, 'close');
    socket.write('b'.repeat(64_537));
    await gone(exchange);
    socket.end();
    await closed;
    expect(text()).toBe('');
  });

  const bodies: readonly {
    readonly name: string;
    readonly line: string;
    readonly behind: string;
  }[] = [
    { name: 'with a length', line: 'content-length: 5', behind: 'hello' },
    { name: 'in chunks', line: 'transfer-encoding: chunked', behind: '0\r\n\r\n' },
  ];
  test.each(bodies)('is no body: one $name is refused', async ({ line, behind }) => {
    const { exchange } = await ask([line], behind, 'POST /api HTTP/1.1');
    const read = await exchange.readBody(1_000_000);
    expect(read).toMatchObject({ ok: false, error: { code: 'HOLDGATE_LISTEN_BODY_TOO_LARGE' } });
  });
});

describe('a client that leaves before its answer', () => {
  const ways: readonly { readonly name: string; readonly leave: (socket: TLSSocket) => unknown }[] =
    [
      { name: 'ends its half', leave: (socket) => socket.end() },
      { name: 'breaks the connection', leave: (socket) => socket.destroy() },
    ];
  test.each(ways)('and $name is gone', async ({ leave }) => {
    const { exchange, socket } = await ask([], 'early');
    expect(exchange.gone.aborted).toBe(false);
    leave(socket);
    await gone(exchange);
    expect(exchange.responded()).toBe(false);
  });
});

describe('a refusal', () => {
  const refuse = (exchange: Exchange, body: string): void => {
    exchange.respond(403, [['content-length', String(body.length)]]);
    exchange.end(Buffer.from(body));
  };
  const whole = (body: string): string =>
    `HTTP/1.1 403 Forbidden\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`;

  test('is a complete answer, behind which the connection ends', async () => {
    const { exchange, socket, text } = await ask();
    refuse(exchange, 'no');
    await once(socket, 'end');
    expect(text()).toBe(whole('no'));
  });

  test('reaches also a client that sends much and closes late', async () => {
    const { exchange, socket, text } = await ask([], 'x'.repeat(1000));
    refuse(exchange, 'no');
    socket.write('y'.repeat(500_000));
    await once(socket, 'end');
    expect(text()).toBe(whole('no'));
  });

  test('closes the connection within a second, though the client does not', async () => {
    const { exchange, socket, text } = await ask();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    refuse(exchange, 'no');
    await once(socket, 'end');
    vi.advanceTimersByTime(999);
    expect(exchange.gone.aborted).toBe(false);
    // The second may begin some turns later than the client has its answer.
    for (let turn = 0; turn < 20 && !exchange.gone.aborted; turn += 1) {
      vi.advanceTimersByTime(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(exchange.gone.aborted).toBe(true);
    expect(text()).toBe(whole('no'));
  });

  test('that the client does not read at all is given up after half a minute', async () => {
    const { exchange, socket } = await ask();
    socket.pause();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    refuse(exchange, 'x'.repeat(20_000_000));
    vi.advanceTimersByTime(29_000);
    await new Promise((resolve) => setImmediate(resolve));
    expect(exchange.gone.aborted).toBe(false);
    vi.advanceTimersByTime(1000);
    await gone(exchange);
  });

  test('no second request is read behind it', async () => {
    const next = 'GET /second HTTP/1.1\r\nhost: gateway.test\r\n\r\n';
    const { exchange, socket, text } = await ask([], next);
    let second = false;
    came = () => (second = true);
    refuse(exchange, 'no');
    socket.write(next);
    await once(socket, 'end');
    expect(second).toBe(false);
    expect(text()).toBe(whole('no'));
  });
});
