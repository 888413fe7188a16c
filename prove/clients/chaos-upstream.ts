import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import { createServer as createTcp, type AddressInfo, type Server, type Socket } from 'node:net';
import { createSecureContext, createServer as createTls, TLSSocket } from 'node:tls';
import { ensureLocalCertificates } from '../../src/listen/local-ca.ts';
import { overTcp } from '../support/over-tcp.ts';
import type { RandomBytes } from '../support/seeded-random.ts';

/** Clusters that break off. Which way is said by the port (before a request), and by the namespace in the path. */
export type ChaosUpstream = {
  readonly caFile: string;
  /** Closes each TCP connection. */
  readonly tcpUrl: string;
  /** Closes each connection after its handshake. */
  readonly tlsUrl: string;
  /** HTTP/1.1 only. */
  readonly http1Url: string;
  /** HTTP/2 for those who offer it. */
  readonly http2Url: string;
  readonly ports: readonly number[];
  /** The Audit-ID of every request whose head came. */
  readonly reached: ReadonlySet<string>;
  /** User agents of the same requests. */
  readonly seen: ReadonlySet<string>;
  readonly close: () => Promise<void>;
};

export type AnswerMode =
  'no-answer' | 'half-head' | 'half-body' | 'half-chunk' | 'reset-body' | 'silent' | 'endless';
export type UpgradeMode =
  | 'switch-close'
  | 'switch-half-frame'
  | 'switch-garbage'
  | 'switch-wrong-key'
  | 'switch-endless'
  | 'switch-half-spdy'
  | 'silent';
export type Http2Mode = 'h2-reset' | 'h2-goaway' | 'h2-destroy' | 'silent' | 'endless';

type Head = {
  readonly mode: string;
  readonly headers: ReadonlyMap<string, string>;
};

type Line = { readonly tls: TLSSocket; readonly raw: Socket };

const headBytesMax = 64 * 1024;
const garbageMs = 300;
const CHUNK = Buffer.alloc(16 * 1024, 0x61);
/** Binary, final, 8000 bytes: stdout on channel 1. */
const FRAME = Buffer.concat([Buffer.of(0x82, 126, 0x1f, 0x40, 1), Buffer.alloc(7999, 0x62)]);

const modeOf = (path: string): string => /\/namespaces\/([a-z0-9-]+)/.exec(path)?.[1] ?? '';

function readHead(text: string): Head {
  const [line = '', ...lines] = text.split('\r\n');
  const headers = new Map<string, string>();
  for (const one of lines) {
    const colon = one.indexOf(':');
    if (colon > 0) headers.set(one.slice(0, colon).toLowerCase(), one.slice(colon + 1).trim());
  }
  return { mode: modeOf(line), headers };
}

/** Writes the same bytes for as long as the peer takes them. */
function pourEndlessly(socket: TLSSocket, bytes: Buffer): void {
  const pour = (): void => {
    while (!socket.destroyed && socket.write(bytes));
  };
  socket.on('drain', pour);
  pour();
}

function switched({ headers }: Head, wrongKey: boolean): string {
  const webSocket = headers.get('upgrade') === 'websocket';
  const key = wrongKey ? 'wrong' : (headers.get('sec-websocket-key') ?? '');
  const accept = createHash('sha1')
    .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  const name = webSocket ? 'sec-websocket-protocol' : 'x-stream-protocol-version';
  const protocol = (headers.get(name) ?? '').split(',', 1)[0] ?? '';
  return [
    'HTTP/1.1 101 Switching Protocols',
    'connection: Upgrade',
    `upgrade: ${headers.get('upgrade') ?? ''}`,
    ...(webSocket ? [`sec-websocket-accept: ${accept}`] : []),
    `${name}: ${protocol}`,
    '',
    '',
  ].join('\r\n');
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';

type Act = (line: Line, head: Head, random: RandomBytes) => void;

/** After the bytes have left: a reset at once could overtake them. */
const thenReset = ({ tls, raw }: Line, bytes: string | Buffer): void => {
  tls.write(bytes, () => raw.resetAndDestroy());
};
const thenClose = ({ tls }: Line, bytes: string | Buffer): void => {
  tls.write(bytes, () => tls.destroy());
};

const ACTS: Readonly<Record<AnswerMode | UpgradeMode, Act>> = {
  'no-answer': ({ tls }) => tls.destroy(),
  'half-head': (line) => thenClose(line, 'HTTP/1.1 200 OK\r\ncontent-ty'),
  'half-body': (line) => thenClose(line, `${OK}content-length: 1000\r\n\r\n{"items":[`),
  'half-chunk': (line) =>
    thenClose(line, `${OK}transfer-encoding: chunked\r\n\r\n5\r\n{"a":\r\nff\r\n{"ite`),
  'reset-body': (line) => thenReset(line, `${OK}content-length: 100000\r\n\r\n{"items":[`),
  silent: () => {},
  endless: ({ tls }) => {
    tls.write(`${OK}transfer-encoding: chunked\r\n\r\n`);
    pourEndlessly(tls, Buffer.concat([Buffer.from('4000\r\n'), CHUNK, Buffer.from('\r\n')]));
  },
  'switch-close': (line, head) => thenClose(line, switched(head, false)),
  'switch-half-frame': (line, head) =>
    thenReset(line, Buffer.concat([Buffer.from(switched(head, false)), FRAME.subarray(0, 900)])),
  // Garbage may look like the head of a long frame: then only the end of the connection tells.
  'switch-garbage': (line, head, random) => {
    line.tls.write(Buffer.concat([Buffer.from(switched(head, false)), random(300)]));
    setTimeout(() => line.tls.destroy(), garbageMs);
  },
  'switch-wrong-key': ({ tls }, head) => tls.write(switched(head, true)),
  'switch-endless': ({ tls }, head) => {
    tls.write(switched(head, false));
    pourEndlessly(tls, FRAME);
  },
  // The head of a SYN_REPLY of 200 bytes, and a part of it.
  'switch-half-spdy': (line, head) =>
    thenClose(
      line,
      Buffer.concat([
        Buffer.from(switched(head, false)),
        Buffer.of(0x80, 3, 0, 2, 0, 0, 0, 200, 0, 0, 0, 1, 0x78),
      ]),
    ),
};

const isAct = (mode: string): mode is keyof typeof ACTS => Object.hasOwn(ACTS, mode);

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** Reads one request, and does to it what its namespace says. */
function serveHttp1(line: Line, onHead: (head: Head) => void, random: RandomBytes): void {
  let text = '';
  const onData = (chunk: Buffer): void => {
    text += chunk.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) {
      if (text.length > headBytesMax) line.tls.destroy();
      return;
    }
    line.tls.off('data', onData);
    // Read on, so that the end of the connection is seen.
    line.tls.resume();
    const head = readHead(text.slice(0, end));
    onHead(head);
    if (isAct(head.mode)) ACTS[head.mode](line, head, random);
    else line.tls.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
  };
  line.tls.on('data', onData);
}

function serveHttp2(stream: ServerHttp2Stream, mode: string): void {
  stream.on('error', () => {});
  if (mode === 'silent') return;
  stream.respond({ ':status': 200, 'content-type': 'application/json' });
  if (mode === 'endless') {
    const pour = (): void => {
      while (!stream.destroyed && stream.write(CHUNK));
    };
    stream.on('drain', pour);
    pour();
    return;
  }
  stream.write('{"type":"ADDED","object":{"meta', () => {
    // Not close(): it ends the stream first, and half an answer would be a whole one.
    if (mode === 'h2-reset') stream.destroy(new Error('reset'));
    else if (mode === 'h2-goaway') stream.session?.goaway(2);
    else stream.session?.destroy();
    if (mode === 'h2-goaway') setTimeout(() => stream.session?.destroy(), 20).unref();
  });
}

/** Starts the four servers on loopback, with certificates of a CA of their own in `directory`. */
export async function createChaosUpstream(
  directory: string,
  random: RandomBytes,
): Promise<ChaosUpstream> {
  const files = await ensureLocalCertificates(directory, ['127.0.0.1'], Date.now(), 'chaos');
  const pair = { cert: readFileSync(files.certificateFile), key: readFileSync(files.keyFile) };
  const raws = new Set<Socket>();
  const reached = new Set<string>();
  const seen = new Set<string>();
  const noteHead = (auditId: string, userAgent: string): void => {
    reached.add(auditId);
    seen.add(userAgent);
  };

  const tcp = createTcp((raw) => {
    raw.on('error', () => {});
    raw.destroy();
  });
  const closing = createTls(pair, (tls) => {
    tls.on('error', () => {});
    tls.destroy();
  });
  const secureContext = createSecureContext(pair);
  const onHead = ({ headers }: Head): void =>
    noteHead(headers.get('audit-id') ?? '', headers.get('user-agent') ?? '');
  const http1 = createTcp((raw) => {
    const tls = new TLSSocket(overTcp(raw), {
      isServer: true,
      secureContext,
      ALPNProtocols: ['http/1.1'],
    });
    tls.on('error', () => {});
    raws.add(raw.on('close', () => raws.delete(raw)));
    serveHttp1({ tls, raw }, onHead, random);
  });
  const http2 = createSecureServer(pair);
  http2.on('session', (session) => session.on('error', () => {}));
  http2.on('sessionError', () => {});
  http2.on('stream', (stream, headers) => {
    noteHead(String(headers['audit-id']), String(headers['user-agent']));
    serveHttp2(stream, modeOf(headers[':path'] ?? ''));
  });
  for (const server of [closing, http2]) {
    server.on('tlsClientError', () => {});
    server.on('connection', (raw: Socket) => raws.add(raw.on('close', () => raws.delete(raw))));
  }
  const servers: readonly Server[] = [tcp, closing, http1, http2];
  const ports = await Promise.all(servers.map(listen));
  const url = (at: number): string => `https://127.0.0.1:${ports[at] ?? 0}`;
  return {
    caFile: files.caFile,
    tcpUrl: url(0),
    tlsUrl: url(1),
    http1Url: url(2),
    http2Url: url(3),
    ports,
    reached,
    seen,
    close: async () => {
      for (const raw of raws) raw.destroy();
      await Promise.all(
        servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
      );
    },
  };
}
