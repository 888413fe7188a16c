import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { STATUS_CODES } from 'node:http';
import type { Exchange } from './exchange.ts';
import { headProblem } from './head-problem.ts';
import { readWholeBody } from './read-body.ts';

const addressOf = (request: IncomingMessage): string => request.socket.remoteAddress ?? '';

function declaredLength(request: IncomingMessage): number {
  const length = Number(request.headers['content-length'] ?? 0);
  return Number.isFinite(length) ? length : 0;
}

function headOf(request: IncomingMessage) {
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    rawHeaders: request.rawHeaders,
    remoteAddress: addressOf(request),
    protocol: 'h1',
    problem: headProblem(request.rawHeaders),
  } as const;
}

/** A plain HTTP/1.1 request as an Exchange. */
export function http1Exchange(
  request: IncomingMessage,
  response: ServerResponse,
  draining: AbortSignal,
): Exchange {
  const gone = new AbortController();
  // 'close' without 'finish': the client left before it had everything.
  response.on('close', () => {
    if (!response.writableFinished) gone.abort();
  });
  response.on('error', () => gone.abort());
  return {
    ...headOf(request),
    // An Upgrade header without "Connection: upgrade" is no upgrade to Node, but may be one to whoever comes after us.
    upgrade: request.headers.upgrade ?? null,
    readBody: async (bytesMax) => {
      const body = await readWholeBody(request, bytesMax, declaredLength(request));
      // The rest of a body that was refused is not read: the connection cannot be used again.
      if (!body.ok) response.shouldKeepAlive = false;
      return body;
    },
    respond: (status, headers) => {
      if (draining.aborted) response.shouldKeepAlive = false;
      response.writeHead(status, headers.flat());
    },
    write: (chunk) => response.write(chunk),
    onDrain: (resume) => response.once('drain', resume),
    end: (chunk) => {
      response.end(chunk);
      if (!request.complete) request.resume();
    },
    abort: () => request.socket.destroy(),
    responded: () => response.headersSent,
    gone: gone.signal,
    draining,
  };
}

/**
 * An HTTP/1.1 upgrade request as an Exchange. Node hands over the bare socket; whatever is answered is a complete
 * plain response after which the connection closes, so that no byte can be taken for the other protocol's.
 */
export function upgradeExchange(
  request: IncomingMessage,
  socket: Duplex,
  draining: AbortSignal,
): Exchange {
  const gone = new AbortController();
  let responded = false;
  socket.on('error', () => gone.abort());
  socket.on('close', () => gone.abort());
  return {
    ...headOf(request),
    upgrade: request.headers.upgrade ?? '',
    readBody: () => readWholeBody(request, 0, declaredLength(request)),
    respond: (status, headers) => {
      responded = true;
      const lines = headers.map(([name, value]) => `${name}: ${value.replace(/[\r\n]/g, ' ')}`);
      socket.write(
        [
          `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
          ...lines,
          'connection: close',
          '',
          '',
        ].join('\r\n'),
      );
    },
    write: (chunk) => socket.write(chunk),
    onDrain: (resume) => socket.once('drain', resume),
    end: (chunk) => {
      if (chunk === undefined) socket.end();
      else socket.end(chunk);
    },
    abort: () => socket.destroy(),
    responded: () => responded,
    gone: gone.signal,
    draining,
  };
}
