import { setMaxListeners } from 'node:events';
import { createServer as createHttp1, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  createServer as createHttp2,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Duplex } from 'node:stream';
import { createServer as createTls, type TLSSocket } from 'node:tls';
import { getRequestListener } from '@hono/node-server';
import { askHttp2Peer } from '../base/ask-http2-peer.ts';
import { parserHeaderBytesMax } from '../base/limits.ts';
import { errorText, type Log } from '../base/log.ts';
import type { Certificates } from './certificates.ts';
import type { Handler } from './exchange.ts';
import { http1Exchange } from './http1-exchange.ts';
import { http2Exchange } from './http2-exchange.ts';
import { isMetadataTarget, metadataApp, type MetadataFacts } from './metadata.ts';
import { upgradeExchange } from './upgrade-exchange.ts';

/** The data port, listening. */
export type Listener = {
  readonly port: number;
  /** Stops accepting, lets what is under way end for up to `withinMs`, then closes whatever is left. */
  readonly drain: (withinMs: number) => Promise<void>;
};

export type ListenerOptions = {
  readonly address: string;
  readonly port: number;
  readonly certificates: Certificates;
  readonly handler: Handler;
  readonly metadata: MetadataFacts;
  readonly log: Log;
};

/** A client has this long for its TLS handshake, and as long for its request's head. Milliseconds. */
const handshakeTimeoutMs = 20_000;
const headersTimeoutMs = 30_000;
/** For receiving a request only; an answer may take as long as it likes. Milliseconds. */
const requestTimeoutMs = 120_000;
const keepAliveTimeoutMs = 120_000;
/** kube-apiserver allows 100 streams a connection since CVE-2023-44487; informers of large controllers want more. */
const streamsPerConnectionMax = 250;
/** HTTP/2 connections are asked this often whether their client is still there, which has so long to answer. Milliseconds. */
const pingIntervalMs = 10_000;
const pingAnswerMs = 15_000;
const keepAliveDelayMs = 30_000;
/** What a client that has ended its side may still take to read. Milliseconds. */
const endedClientMs = 2000;
const connectionsMax = 10_000;

type Servers = { readonly sockets: Set<TLSSocket>; readonly sessions: Set<ServerHttp2Session> };

function http1Server(options: ListenerOptions, draining: AbortSignal) {
  const own = getRequestListener(metadataApp(options.metadata).fetch);
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    if (isMetadataTarget(request.method ?? '', request.url ?? '')) {
      void own(request, response);
      return;
    }
    void options.handler(http1Exchange(request, response, draining));
  };
  const server = createHttp1({
    maxHeaderSize: parserHeaderBytesMax,
    insecureHTTPParser: false,
    requireHostHeader: true,
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: 5000,
    // The 40 ms of Nagle's algorithm would stand before each event of a watch.
    noDelay: true,
  });
  server.maxHeadersCount = 1000;
  server.on('request', serve);
  server.on('checkContinue', (request, response) => {
    response.writeContinue();
    serve(request, response);
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    void options.handler(upgradeExchange(request, socket, head, draining));
  });
  server.on('clientError', (cause: NodeJS.ErrnoException, socket: Duplex) => {
    options.log.warn('a request could not be parsed', {
      code: cause.code ?? '',
      cause: cause.message,
    });
    const status =
      cause.code === 'HPE_HEADER_OVERFLOW'
        ? '431 Request Header Fields Too Large'
        : '400 Bad Request';
    if (socket.writable)
      socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    else socket.destroy();
  });
  return server;
}

/**
 * A client that has ended its side takes what is on its way for a moment, and no longer: a write to one that has gone
 * meanwhile may never end, and would hold the socket, its request, and a connection to the cluster.
 */
function endWithClient(socket: TLSSocket): void {
  socket.on('end', () => {
    const cut = setTimeout(() => socket.destroy(), endedClientMs);
    socket.on('close', () => clearTimeout(cut));
  });
}

function http2Server(options: ListenerOptions, draining: AbortSignal, servers: Servers) {
  const own = metadataApp(options.metadata);
  const server = createHttp2({
    settings: {
      maxConcurrentStreams: streamsPerConnectionMax,
      maxHeaderListSize: parserHeaderBytesMax,
    },
    maxHeaderListPairs: 1000,
    maxSessionInvalidFrames: 100,
    maxSessionRejectedStreams: 100,
    unknownProtocolTimeout: handshakeTimeoutMs,
  });
  server.on('session', (session) => {
    servers.sessions.add(session);
    session.on('close', () => servers.sessions.delete(session));
    session.on('error', (cause) =>
      options.log.debug('an HTTP/2 connection broke', { cause: errorText(cause) }),
    );
  });
  server.on('sessionError', () => {});
  server.on(
    'stream',
    (
      stream: ServerHttp2Stream,
      headers: IncomingHttpHeaders,
      _flags: number,
      rawHeaders: string[],
    ) => {
      const method = headers[':method'] ?? '';
      const path = headers[':path'] ?? '';
      if (isMetadataTarget(method, path)) {
        stream.on('error', () => {});
        void Promise.resolve(own.request(path)).then(async (answer) => {
          const body = await answer.text();
          if (stream.destroyed) return;
          stream.respond({ ':status': answer.status, 'content-type': 'application/json' });
          stream.end(body);
        });
        return;
      }
      void options.handler(http2Exchange(stream, rawHeaders, draining));
    },
  );
  return server;
}

/**
 * Opens the data port: TLS always, HTTP/2 by ALPN and HTTP/1.1 on one port, no client certificate asked for. Every
 * request becomes an Exchange for `handler`, but for the port's own metadata documents.
 */
export async function createListener(options: ListenerOptions): Promise<Listener> {
  const draining = new AbortController();
  // One listener a held call: more than ten are no leak.
  setMaxListeners(0, draining.signal);
  const servers: Servers = { sockets: new Set(), sessions: new Set() };
  const http1 = http1Server(options, draining.signal);
  const http2 = http2Server(options, draining.signal, servers);
  const tls = createTls({
    ALPNProtocols: ['h2', 'http/1.1'],
    ...options.certificates.current(),
    handshakeTimeout: handshakeTimeoutMs,
    minVersion: 'TLSv1.2',
    requestCert: false,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveDelayMs,
  });
  tls.maxConnections = connectionsMax;
  // It never listens itself, yet this event starts the clock that cuts slow requests (node lib/_http_server.js).
  http1.emit('listening');
  options.certificates.onChange((pair) => tls.setSecureContext({ ...pair, minVersion: 'TLSv1.2' }));
  tls.on('secureConnection', (socket) => {
    servers.sockets.add(socket);
    socket.on('close', () => servers.sockets.delete(socket));
    socket.on('error', () => {});
    endWithClient(socket);
    if (socket.alpnProtocol !== 'h2') {
      http1.emit('connection', socket);
      return;
    }
    const begun = (session: ServerHttp2Session): void =>
      askHttp2Peer(session, socket, { intervalMs: pingIntervalMs, answerMs: pingAnswerMs });
    http2.once('session', begun).emit('connection', socket);
    http2.off('session', begun);
  });
  tls.on('tlsClientError', (cause) =>
    options.log.debug('a TLS handshake failed', { cause: errorText(cause) }),
  );
  await new Promise<void>((resolve, reject) => {
    tls.once('error', reject);
    tls.listen({ host: options.address, port: options.port }, resolve);
  });
  const address = tls.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    drain: async (withinMs) => {
      const closed = new Promise<void>((resolve) => tls.close(() => resolve()));
      draining.abort();
      for (const session of servers.sessions) session.close();
      http1.closeIdleConnections();
      const cut = setTimeout(() => {
        for (const session of servers.sessions) session.destroy();
        for (const socket of servers.sockets) socket.destroy();
      }, withinMs);
      const idle = setInterval(() => http1.closeIdleConnections(), 100);
      await closed;
      clearTimeout(cut);
      clearInterval(idle);
    },
  };
}
