import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { GatheredBytes } from '../base/gathered-bytes.ts';
import { StopSwitch } from '../base/stop-signal.ts';
import type { Exchange } from './exchange.ts';
import { headOf, declaredLength } from './http1-exchange.ts';
import { readWholeBody } from './read-body.ts';

/** What a client may send behind its request before it has our answer: more is an attack on memory. */
const earlyBytesMax = 64 * 1024;
/** A client that has its whole answer closes; one that does not would hold the connection for ever. Milliseconds. */
const lingerMs = 1000;
/** A client that does not even read its answer. Milliseconds. */
const unreadMs = 30_000;

type Headers = readonly (readonly [string, string])[];

function writeHead(socket: Duplex, status: number, headers: Headers): void {
  const lines = headers.map(([name, value]) => `${name}: ${value.replace(/[\r\n]/g, ' ')}`);
  socket.write([`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, ...lines, '', ''].join('\r\n'));
}

/** Destroys a socket that was ended, whatever its client does. */
function dropSoon(socket: Duplex): void {
  const drop = (): void => void socket.destroy();
  let timer = setTimeout(drop, unreadMs);
  socket.once('finish', () => {
    clearTimeout(timer);
    timer = setTimeout(drop, lingerMs);
  });
  socket.once('close', () => clearTimeout(timer));
}

/** No body is part of an upgrade: one in chunks has a length nobody told, and its bytes are the other protocol's. */
const bodyLength = (request: IncomingMessage): number =>
  request.headers['transfer-encoding'] === undefined ? declaredLength(request) : 1;

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
  const gone = new StopSwitch();
  const early = new GatheredBytes(earlyBytesMax);
  let responded = false;
  // Only a socket that is read notices that its client left: a held call would wait for nobody.
  const onEarly = (chunk: Buffer): void => {
    // Behind a refusal nothing is kept; it is read, so that the answer is not lost in a reset.
    if (!responded && !early.add(chunk)) socket.destroy();
  };
  const onEnd = (): void => gone.abort();
  socket.on('error', () => gone.abort());
  socket.on('close', () => gone.abort());
  // RFC 9110 §7.8: an Upgrade in HTTP/1.0 means nothing; whatever stands between would read no 101 in the answer.
  const switchProtocols = (headers: Headers): { socket: Duplex; head: Buffer } => {
    responded = true;
    socket.pause();
    socket.off('data', onEarly).off('end', onEnd);
    writeHead(socket, 101, headers);
    return { socket, head: early.take() };
  };
  onEarly(head);
  socket.on('data', onEarly).on('end', onEnd);
  return {
    ...headOf(request),
    upgrade: request.headers.upgrade ?? '',
    readBody: () => readWholeBody(request, 0, bodyLength(request)),
    respond: (status, headers) => {
      responded = true;
      writeHead(socket, status, [...headers, ['connection', 'close']]);
    },
    switchProtocols: request.httpVersion === '1.1' ? switchProtocols : null,
    write: (chunk) => socket.write(chunk),
    onDrain: (resume) => socket.once('drain', resume),
    end: (chunk) => {
      if (chunk === undefined) socket.end();
      else socket.end(chunk);
      dropSoon(socket);
    },
    abort: () => socket.destroy(),
    responded: () => responded,
    gone,
    draining,
  };
}
