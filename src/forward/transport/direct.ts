import type { Refusal } from '../../base/errors.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Log } from '../../base/log.ts';
import type { Credential } from '../credentials/credential.ts';
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '../upstream.ts';
import { answerProblem, bearerHeader, credentialRefusal, ownHeaders } from './own-head.ts';
import { createHttp1Pool, type Http1Pool } from './http1-pool.ts';
import { createHttp2Sessions, type Http2Sessions } from './http2-sessions.ts';
import { unreachable, type EndpointTls, type Outgoing, type SendEnd } from './transport.ts';
import { upgradeDirectly } from './upgrade-directly.ts';

export type DirectOptions = {
  /** `https://host:port`, with or without a path that is put before every target. */
  readonly server: string;
  readonly tls: Pick<EndpointTls, 'ca' | 'servername'>;
  readonly credential: Credential;
  readonly log: Log;
};

type Transports = {
  readonly version: string;
  readonly http1: Http1Pool;
  readonly http2: Http2Sessions;
};

/** A connection that was closed while nobody used it breaks at its next use. Milliseconds. */
const staleWithinMs = 2000;

/** Reads may be asked again on a fresh connection: asking twice changes nothing. */
const REPEATABLE = new Set(['GET', 'HEAD']);

/** The gateway's own connection to an API server: TLS always verified, identity set last, redirects never followed. */
export function createDirectUpstream(options: DirectOptions): Upstream {
  const { credential } = options;
  const url = new URL(options.server);
  const prefix = url.pathname.replace(/\/$/, '');
  let transports: Transports | null = null;
  let closed = false;

  const current = (): Transports => {
    const { version, tls } = credential.tls();
    if (transports !== null && transports.version === version) return transports;
    const before = transports;
    const endpoint = { origin: url.origin, tls: { ...options.tls, ...tls } };
    transports = {
      version,
      http1: createHttp1Pool(endpoint),
      http2: createHttp2Sessions(endpoint),
    };
    // What rides on the old certificate may end by itself; the pool's own timeouts see to it.
    if (before !== null)
      options.log.info('the client certificate was reloaded', { server: url.origin });
    return transports;
  };

  const transmit = (request: Outgoing): Promise<SendEnd> => {
    const { http1, http2 } = current();
    if (!request.longRunning) return http1.send(request);
    return http2
      .send(request)
      .then((sent) => (sent === 'unsupported' ? http1.send(request) : sent));
  };

  const attempt = async (request: UpstreamRequest): Promise<SendEnd> => {
    const asked = credential.token();
    const token = asked instanceof Promise ? await asked : asked;
    if (!token.ok) return { kind: 'failed', refusal: credentialRefusal(token.error), sent: false };
    // Whoever waited for its credential must not open a connection that nobody closes.
    if (closed) {
      const refused = unreachable(new Error('the upstream was closed'));
      return { kind: 'failed', refusal: refused, sent: false };
    }
    const { method, target, body, longRunning, signal } = request;
    const headers = [...ownHeaders(request, url.host), ...bearerHeader(token.value)];
    return transmit({ method, target: `${prefix}${target}`, body, longRunning, signal, headers });
  };

  return {
    upgrade: (request) => upgradeDirectly({ ...options, url, prefix }, request),
    send: async (request) => {
      const startedMs = performance.now();
      let end = await attempt(request);
      const lost = end.kind === 'failed' && end.sent && !request.signal.aborted;
      const wasStale = performance.now() - startedMs < staleWithinMs;
      // A kept connection that the server closed meanwhile: a read is asked once more. One that was waited for long has had
      // its time: the caller hears of it, and decides itself.
      if (lost && wasStale && REPEATABLE.has(request.method)) end = await attempt(request);
      if (end.kind === 'answer' && end.answer.status === 401) {
        end.answer.abort();
        credential.refused();
        // A 401 was not executed; a renewed credential gets one more try.
        end = await attempt(request);
      }
      return end.kind === 'answer' ? checked(end.answer, options.server) : err(end.refusal);
    },
    close: async () => {
      closed = true;
      transports?.http2.close();
      await transports?.http1.close();
    },
  };
}

/** A refused answer is not read to its end. */
function checked(answer: UpstreamAnswer, server: string): Result<UpstreamAnswer, Refusal> {
  const problem = answerProblem(answer.status, answer.headers, server);
  if (problem === null) return ok(answer);
  answer.abort();
  return err(problem);
}
