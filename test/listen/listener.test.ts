import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Exchange, Listener } from '../../src/listen/index.ts';
import { testListeners, type TestListeners } from '../support/test-listener.ts';

let listeners: TestListeners;
let ca: Buffer;
let listener: Listener;
let session: ClientHttp2Session;
/** What serves the next exchanges: set by each test. */
let serve: (exchange: Exchange) => Promise<void> | void;

const answer = (exchange: Exchange, text = 'ok'): void => {
  exchange.respond(200, [['content-type', 'text/plain']]);
  exchange.end(Buffer.from(text));
};

beforeAll(async () => {
  listeners = await testListeners();
  ({ ca } = listeners);
});
afterAll(() => listeners.remove());

beforeEach(async () => {
  serve = (exchange) => answer(exchange);
  listener = await listeners.open(async (exchange) => serve(exchange));
  session = connectHttp2(`https://127.0.0.1:${listener.port}`, {
    ca,
    maxSendHeaderBlockLength: 200_000,
  });
  session.on('error', () => {});
});
afterEach(async () => {
  session.destroy();
  await listener.drain(200);
});

type Got = { readonly status: number; readonly text: string; readonly broken: boolean };
type Ask = {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string | string[]>;
  readonly body?: string;
  readonly onHead?: () => void;
};

function byHttp1({ method = 'GET', path = '/api', headers = {}, body, onHead }: Ask): Promise<Got> {
  return new Promise((resolve) => {
    const sent = httpsRequest(
      { host: '127.0.0.1', port: listener.port, ca, agent: false, method, path, headers },
      (response) => {
        onHead?.();
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('close', () =>
          resolve({ status: response.statusCode ?? 0, text, broken: !response.complete }),
        );
        response.on('error', () => {});
      },
    );
    sent.on('error', () => resolve({ status: 0, text: '', broken: true }));
    sent.end(body);
  });
}

function byHttp2({ method = 'GET', path = '/api', headers = {}, body, onHead }: Ask): Promise<Got> {
  return new Promise((resolve) => {
    const stream = session.request({ ':method': method, ':path': path, ...headers });
    let status = 0;
    let text = '';
    stream.on('response', (received) => {
      status = received[':status'] ?? 0;
      onHead?.();
    });
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
    stream.on('error', () => {});
    stream.on('close', () => resolve({ status, text, broken: stream.rstCode !== 0 }));
    stream.end(body);
  });
}

const protocols = [
  { name: 'HTTP/1.1', ask: byHttp1, protocol: 'h1' },
  { name: 'HTTP/2', ask: byHttp2, protocol: 'h2' },
] as const;

describe.each(protocols)('over $name', ({ ask, protocol }) => {
  test('a request arrives with its target and headers as they stood on the wire', async () => {
    let seen: Exchange | null = null;
    serve = (exchange) => {
      seen = exchange;
      answer(exchange);
    };
    const got = await ask({
      path: '/api//v1/%2e%2e/x?a=1&a=2',
      headers: { 'x-one': 'Ä'.normalize() === 'Ä' ? 'one' : 'one' },
    });
    expect(got).toMatchObject({ status: 200, text: 'ok', broken: false });
    expect(seen).toMatchObject({
      method: 'GET',
      target: '/api//v1/%2e%2e/x?a=1&a=2',
      protocol,
      upgrade: null,
      problem: null,
    });
    expect((seen as Exchange | null)?.rawHeaders).toContain('x-one');
  });

  test('a body is read whole, and one over the cap is refused', async () => {
    serve = async (exchange) => {
      const body = await exchange.readBody(10);
      answer(exchange, body.ok ? body.value.toString() : body.error.code);
    };
    const small = await ask({ method: 'POST', body: '0123456789' });
    const large = await ask({ method: 'POST', body: '0123456789x' });
    expect([small.text, large.text]).toEqual(['0123456789', 'HOLDGATE_LISTEN_BODY_TOO_LARGE']);
  });

  test('too many header bytes are told as a problem, not served', async () => {
    serve = (exchange) => answer(exchange, exchange.problem?.code ?? 'none');
    const got = await ask({ headers: { 'x-large': 'a'.repeat(70_000) } });
    expect(got.text).toBe('HOLDGATE_LISTEN_HEADERS_TOO_LARGE');
  });

  test('the head of an answer is there before its body begins', async () => {
    let exchange: Exchange | undefined;
    serve = (served) => {
      exchange = served;
      served.respond(200, [['content-type', 'application/json']]);
    };
    // A watch with nothing to tell: the body begins only when the client has the head.
    const got = await ask({ onHead: () => exchange?.end(Buffer.from('the body')) });
    expect(got).toEqual({ status: 200, text: 'the body', broken: false });
  });

  test('an answer that is aborted is an error to the client, not an end', async () => {
    serve = (exchange) => {
      exchange.respond(200, []);
      exchange.write(Buffer.from('half'));
      setImmediate(() => exchange.abort());
    };
    expect((await ask({})).broken).toBe(true);
  });

  test('the metadata document is served without anybody being asked', async () => {
    serve = () => {
      throw new Error('not for the handler');
    };
    const got = await ask({ path: '/.well-known/oauth-protected-resource' });
    expect(JSON.parse(got.text)).toMatchObject({
      resource: 'https://gateway.test',
      authorization_servers: ['https://issuer.test'],
    });
  });
});

describe('a client that leaves is noticed once', () => {
  test('HTTP/2 stream reset', async () => {
    const gone = new Promise<boolean>((resolve) => {
      serve = (exchange) => {
        exchange.respond(200, []);
        exchange.write(Buffer.from('x'));
        exchange.gone.addEventListener('abort', () => resolve(true));
      };
    });
    const stream = session.request({ ':path': '/api' });
    stream.on('error', () => {});
    stream.on('data', () => stream.close(8));
    expect(await gone).toBe(true);
  });

  test('HTTP/1.1, its side ended and nothing more of the answer read', async () => {
    let full: () => void = () => {};
    const isFull = new Promise<void>((resolve) => (full = resolve));
    const gone = new Promise<boolean>((resolve) => {
      serve = (exchange) => {
        exchange.gone.addEventListener('abort', () => resolve(true));
        exchange.respond(200, [['content-type', 'text/plain']]);
        while (exchange.write(Buffer.alloc(16 * 1024 * 1024)));
        full();
      };
    });
    // Node's own option (tls.connect), which its types leave out.
    const options = { host: '127.0.0.1', port: listener.port, ca, allowHalfOpen: true };
    const socket = connectTls(options);
    socket.on('error', () => {});
    socket.pause();
    socket.write('GET /api HTTP/1.1\r\nhost: a\r\n\r\n');
    await isFull;
    socket.end();
    expect(await gone).toBe(true);
    socket.destroy();
  });

  test('HTTP/1.1 socket closed', async () => {
    const gone = new Promise<boolean>((resolve) => {
      serve = (exchange) => {
        exchange.respond(200, []);
        exchange.write(Buffer.from('x'));
        exchange.gone.addEventListener('abort', () => resolve(true));
      };
    });
    const sent = httpsRequest(
      { host: '127.0.0.1', port: listener.port, ca, agent: false },
      (response) => {
        response.on('error', () => {});
        response.on('data', () => sent.destroy());
      },
    );
    sent.on('error', () => {});
    sent.end();
    expect(await gone).toBe(true);
  });
});

/** Sends raw bytes over TLS with HTTP/1.1, and reads until the server closes. */
function raw(lines: readonly string[], body = ''): Promise<string> {
  return new Promise((resolve) => {
    const socket: TLSSocket = connectTls({
      host: '127.0.0.1',
      port: listener.port,
      ca,
      ALPNProtocols: ['http/1.1'],
    });
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('close', () => resolve(text));
    socket.on('error', () => {});
    socket.on('secureConnect', () => socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`));
  });
}

describe('hostile HTTP/1.1', () => {
  test('a repeated Authorization is a problem, though Node would keep the first', async () => {
    serve = (exchange) => answer(exchange, exchange.problem?.code ?? 'none');
    const text = await raw([
      'GET /api HTTP/1.1',
      'Host: x',
      'Authorization: Bearer a',
      'Authorization: Bearer b',
      'Connection: close',
    ]);
    expect(text).toContain('HOLDGATE_LISTEN_HEADER_REPEATED');
  });

  test('Content-Length beside Transfer-Encoding is refused by the parser', async () => {
    serve = () => {
      throw new Error('smuggled');
    };
    const text = await raw(
      ['POST /api HTTP/1.1', 'Host: x', 'Content-Length: 4', 'Transfer-Encoding: chunked'],
      '0\r\n\r\n',
    );
    expect(text).toMatch(/^HTTP\/1\.1 400/);
  });

  test('an absolute-form target is handed over as it stands', async () => {
    serve = (exchange) => answer(exchange, exchange.target);
    const text = await raw(['GET http://evil/api HTTP/1.1', 'Host: x', 'Connection: close']);
    expect(text).toContain('http://evil/api');
  });

  test('an upgrade is answered in plain HTTP, and the connection closes', async () => {
    serve = (exchange) => {
      exchange.respond(403, [['content-type', 'text/plain']]);
      exchange.end(Buffer.from(`no ${exchange.upgrade ?? ''}`));
    };
    const text = await raw([
      'GET /api/v1/pods/x/exec HTTP/1.1',
      'Host: x',
      'Connection: Upgrade',
      'Upgrade: websocket',
    ]);
    expect(text).toMatch(/^HTTP\/1\.1 403/);
    expect(text).toContain('connection: close');
    expect(text).toContain('no websocket');
  });
});

describe('a drain', () => {
  test('lets a running answer end, tells it to, and closes the port', async () => {
    serve = (exchange) => {
      exchange.respond(200, []);
      exchange.write(Buffer.from('a'));
      exchange.draining.addEventListener('abort', () => exchange.end(Buffer.from('z')));
    };
    const running = byHttp2({});
    await new Promise((resolve) => session.once('stream', resolve).once('remoteSettings', resolve));
    await listener.drain(5000);
    expect(await running).toMatchObject({ text: 'az', broken: false });
    expect((await byHttp1({})).broken).toBe(true);
  });

  test('cuts what does not end in time', async () => {
    const started = new Promise<void>((resolve) => {
      serve = (exchange) => {
        exchange.respond(200, []);
        exchange.write(Buffer.from('a'));
        resolve();
      };
    });
    const running = byHttp1({});
    await started;
    await listener.drain(50);
    expect((await running).broken).toBe(true);
  });
});
