import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Exchange } from './exchange.ts';
import { headOf, declaredLength } from './http1-exchange.ts';
import { readWholeBody } from './read-body.ts';

/** What a client may send behind its request before it has our answer: more is an attack on memory. */
const earlyBytesMax = 64 * 1024;

type Headers = readonly (readonly [string, string])[];

function writeHead(socket: Duplex, status: number, headers: Headers): void {
  const lines = headers.map(([name, value]) => `${name}: ${value.replace(/[\r\n]/g, ' ')}`);
  socket.write([`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, ...lines, '', ''].join('\r\n'));
}

/**
 * An HTTP/1.1 upgrade request as an Exchange. Node hands over the bare socket; unless `switchProtocols` is called,
 * whatever is answered is a complete plain response after which the connection closes, so that no byte can be taken for the
 * other protocol's.
 */
export function upgradeExchange(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  draining: AbortSignal,
): Exchange {
  const gone = new AbortController();
  const early = [head];
  let earlyBytes = head.length;
  let responded = false;
  // Only a socket that is read notices that its client left: a held call would wait for nobody.
  const onEarly = (chunk: Buffer): void => {
    earlyBytes += chunk.length;
    if (earlyBytes > earlyBytesMax) socket.destroy();
    else early.push(chunk);
  };
  const onEnd = (): void => gone.abort();
  socket.on('error', () => gone.abort());
  socket.on('close', () => gone.abort());
  socket.on('data', onEarly).on('end', onEnd);
  return {
    ...headOf(request),
    upgrade: request.headers.upgrade ?? '',
    readBody: () => readWholeBody(request, 0, declaredLength(request)),
    respond: (status, headers) => {
      responded = true;
      writeHead(socket, status, [...headers, ['connection', 'close']]);
    },
    switchProtocols: (headers) => {
      responded = true;
      socket.pause();
      socket.off('data', onEarly).off('end', onEnd);
      writeHead(socket, 101, headers);
      return { socket, head: Buffer.concat(early) };
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
