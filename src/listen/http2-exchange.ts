import {
  constants,
  type Http2Session,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { StopSwitch } from '../base/stop-signal.ts';
import { headerValue } from '../kube/header-value.ts';
import type { Exchange } from './exchange.ts';
import { headProblem } from './head-problem.ts';
import { readWholeBody } from './read-body.ts';

/** What HTTP/2 forbids in an answer (RFC 9113 §8.2.2): Node would throw. */
const CONNECTION_HEADERS = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade']);

/** Headers of a stream event, as Node hands them over: a flat raw list with the pseudo headers among them. */
function splitPseudo(rawHeaders: readonly string[]) {
  const fields: string[] = [];
  let method = '';
  let path = '';
  let protocol: string | null = null;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    const value = rawHeaders[at + 1] ?? '';
    if (!name.startsWith(':')) fields.push(name, value);
    else if (name === ':method') method = value;
    else if (name === ':path') path = value;
    else if (name === ':protocol') protocol = value;
  }
  return { method, path, protocol, fields };
}

/** What `respond` takes. Repeated names become lists: Node's core API joins by name. */
function headerObject(status: number, headers: readonly (readonly [string, string])[]) {
  const object: OutgoingHttpHeaders = { ':status': status };
  for (const [name, value] of headers) {
    if (CONNECTION_HEADERS.has(name)) continue;
    const before = object[name];
    if (before === undefined) object[name] = value;
    else object[name] = [before, value].flat().map(String);
  }
  return object;
}

/** Node shows a session's socket through a proxy that costs a microsecond; the address of a connection does not change. */
const addresses = new WeakMap<Http2Session, string>();

function addressOf(session: Http2Session | undefined): string {
  if (session === undefined) return '';
  const known = addresses.get(session);
  if (known !== undefined) return known;
  const address = session.socket.remoteAddress ?? '';
  addresses.set(session, address);
  return address;
}

/** A core HTTP/2 stream as an Exchange: Node's compatibility layer would cost a third more. */
export function http2Exchange(
  stream: ServerHttp2Stream,
  rawHeaders: readonly string[],
  draining: AbortSignal,
): Exchange {
  const { method, path, protocol, fields } = splitPseudo(rawHeaders);
  const gone = new StopSwitch();
  let ended = false;
  stream.on('error', () => gone.abort());
  stream.on('aborted', () => gone.abort());
  stream.on('close', () => {
    if (!ended || stream.rstCode !== constants.NGHTTP2_NO_ERROR) gone.abort();
  });
  return {
    method,
    target: path,
    rawHeaders: fields,
    remoteAddress: addressOf(stream.session),
    protocol: 'h2',
    upgrade: protocol,
    problem: headProblem(fields),
    readBody: (bytesMax) => {
      const declared = Number(headerValue(fields, 'content-length'));
      return readWholeBody(stream, bytesMax, Number.isFinite(declared) ? declared : 0);
    },
    respond: (status, headers) => {
      if (!stream.destroyed) stream.respond(headerObject(status, headers));
    },
    write: (chunk) => (stream.destroyed ? false : stream.write(chunk)),
    onDrain: (resume) => stream.once('drain', resume),
    switchProtocols: null,
    end: (chunk) => {
      ended = true;
      if (stream.destroyed) return;
      if (chunk === undefined) stream.end();
      else stream.end(chunk);
      // What is left of a body is not wanted. Without one, this would only have the stream destroyed before its last write
      // called back, and Node would make an error of that, with a stack, for nobody.
      if (!stream.endAfterHeaders) stream.resume();
    },
    // Not close(): it ends the stream first, and the client would take a part for the whole.
    abort: () => stream.destroy(new Error('the answer was broken off')),
    responded: () => stream.headersSent,
    gone,
    draining,
  };
}
