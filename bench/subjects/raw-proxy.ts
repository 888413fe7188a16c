import { readFileSync } from 'node:fs';
import { createServer as createHttp1, type IncomingHttpHeaders } from 'node:http';
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { createServer as createTls } from 'node:tls';
import { Pool } from 'undici';

/**
 * The second baseline: a proxy on Node that decides and records nothing. Core HTTP/2 streams or HTTP/1.1 in, undici's
 * HTTP/1.1 pool out, TLS on both sides. What the gateway costs above this is its own.
 */
type Spec = {
  readonly port: number;
  readonly certificate: string;
  readonly key: string;
  readonly ca: string;
  readonly upstream: string;
};

const spec = JSON.parse(await text(process.stdin)) as Spec;
const upstream = new Pool(spec.upstream, {
  connections: 128,
  pipelining: 1,
  connect: { ca: readFileSync(spec.ca) },
});
const HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'host']);

type Sink = {
  readonly head: (status: number, headers: Record<string, string | string[]>) => void;
  readonly write: (chunk: Buffer) => boolean;
  readonly onDrain: (resume: () => void) => void;
  readonly end: () => void;
  readonly abort: () => void;
};

function forward(
  method: string,
  path: string,
  headers: IncomingHttpHeaders,
  body: Readable | null,
  sink: Sink,
): void {
  const sent: string[] = [];
  for (const name in headers) {
    const value = headers[name];
    if (typeof value === 'string' && !name.startsWith(':') && !HOP.has(name))
      sent.push(name, value);
  }
  upstream.dispatch(
    { method, path, headers: sent, body },
    {
      onRequestStart: () => {},
      onResponseStart: (_controller, status, answered) => {
        const kept: Record<string, string | string[]> = {};
        for (const name in answered) {
          const value = answered[name];
          if (value !== undefined && !HOP.has(name)) kept[name] = value;
        }
        sink.head(status, kept);
      },
      onResponseData: (controller, chunk) => {
        if (sink.write(chunk)) return;
        controller.pause();
        sink.onDrain(() => controller.resume());
      },
      onResponseEnd: () => sink.end(),
      onResponseError: () => sink.abort(),
    },
  );
}

const http2 = createHttp2();
http2.on('stream', (stream: ServerHttp2Stream, headers) => {
  const method = headers[':method'] ?? 'GET';
  stream.on('error', () => {});
  forward(method, headers[':path'] ?? '/', headers, method === 'GET' ? null : stream, {
    head: (status, answered) => {
      if (!stream.destroyed) stream.respond({ ...answered, ':status': status });
    },
    write: (chunk) => (stream.destroyed ? true : stream.write(chunk)),
    onDrain: (resume) => stream.once('drain', resume),
    end: () => stream.end(),
    abort: () => stream.destroy(),
  });
});

const http1 = createHttp1({ noDelay: true }, (request, response) => {
  const method = request.method ?? 'GET';
  forward(method, request.url ?? '/', request.headers, method === 'GET' ? null : request, {
    head: (status, answered) => response.writeHead(status, answered),
    write: (chunk) => response.write(chunk),
    onDrain: (resume) => response.once('drain', resume),
    end: () => response.end(),
    abort: () => response.destroy(),
  });
});

const tls = createTls({
  ALPNProtocols: ['h2', 'http/1.1'],
  cert: readFileSync(spec.certificate),
  key: readFileSync(spec.key),
  noDelay: true,
});
tls.on('secureConnection', (socket) => {
  socket.on('error', () => {});
  (socket.alpnProtocol === 'h2' ? http2 : http1).emit('connection', socket);
});
tls.listen(spec.port, '127.0.0.1', () => process.stdout.write('ready\n'));
process.on('SIGTERM', () => process.exit(0));
