import { constants, type ServerHttp2Stream } from 'node:http2';
import { headerValue } from '../kube/header-value.ts';
import type { Exchange } from './exchange.ts';
import { headProblem } from './head-problem.ts';
import { readWholeBody } from './read-body.ts';

/** What HTTP/2 forbids in an answer (RFC 9113 §8.2.2): Node would throw. */
const CONNECTION_HEADERS = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade']);

/** Headers of a stream event, as Node hands them over: a flat raw list with the pseudo headers among them. */
function splitPseudo(rawHeaders: readonly string[]) {
  const pseudo: Record<string, string> = {};
  const fields: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    const value = rawHeaders[at + 1] ?? '';
    if (name.startsWith(':')) pseudo[name] = value;
    else fields.push(name, value);
  }
  return { pseudo, fields };
}

/** Repeated names become lists: Node's core API joins by name. */
function headerObject(headers: readonly (readonly [string, string])[]) {
  const object: Record<string, string | string[]> = {};
  for (const [name, value] of headers) {
    if (CONNECTION_HEADERS.has(name)) continue;
    const before = object[name];
    if (before === undefined) object[name] = value;
    else object[name] = Array.isArray(before) ? [...before, value] : [before, value];
  }
  return object;
}

/** A core HTTP/2 stream as an Exchange: Node's compatibility layer would cost a third more. */
export function http2Exchange(
  stream: ServerHttp2Stream,
  rawHeaders: readonly string[],
  draining: AbortSignal,
): Exchange {
  const { pseudo, fields } = splitPseudo(rawHeaders);
  const gone = new AbortController();
  let ended = false;
  stream.on('error', () => gone.abort());
  stream.on('aborted', () => gone.abort());
  stream.on('close', () => {
    if (!ended || stream.rstCode !== constants.NGHTTP2_NO_ERROR) gone.abort();
  });
  const declared = Number(headerValue(fields, 'content-length'));
  return {
    method: pseudo[':method'] ?? '',
    target: pseudo[':path'] ?? '',
    rawHeaders: fields,
    remoteAddress: stream.session?.socket.remoteAddress ?? '',
    protocol: 'h2',
    upgrade: pseudo[':protocol'] ?? null,
    problem: headProblem(fields),
    readBody: (bytesMax) =>
      readWholeBody(stream, bytesMax, Number.isFinite(declared) ? declared : 0),
    respond: (status, headers) => {
      if (!stream.destroyed) stream.respond({ ':status': status, ...headerObject(headers) });
    },
    write: (chunk) => (stream.destroyed ? false : stream.write(chunk)),
    onDrain: (resume) => stream.once('drain', resume),
    switchProtocols: null,
    end: (chunk) => {
      ended = true;
      if (stream.destroyed) return;
      if (chunk === undefined) stream.end();
      else stream.end(chunk);
      stream.resume();
    },
    // Not close(): it ends the stream first, and the client would take a part for the whole.
    abort: () => stream.destroy(new Error('the answer was broken off')),
    responded: () => stream.headersSent,
    gone: gone.signal,
    draining,
  };
}
