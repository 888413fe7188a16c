import { Pool, type Dispatcher } from 'undici';
import { flatHeaders } from '../../base/flat-headers.ts';
import { answerHeaders } from '../headers.ts';
import type { UpstreamAnswer } from '../upstream.ts';
import { AnswerBody } from './answer-body.ts';
import type { Endpoint, Outgoing, SendEnd } from './transport.ts';
import { brokenOff, unreachable } from './transport.ts';

/** Sockets to one cluster for short requests. */
const connectionsMax = 128;
/** The API server gives requests 60 s and watches for longer ones; a little more than it takes. Milliseconds. */
const headersTimeoutMs = 70_000;
const bodyTimeoutMs = 70_000;
const connectTimeoutMs = 10_000;
/** Below the API server's 90 s idle timeout, so that it is we who close. Milliseconds. */
const keepAliveTimeoutMs = 30_000;

/** Short requests ride a pool of HTTP/1.1 connections: the cheapest client there is on Node. */
export type Http1Pool = {
  readonly send: (request: Outgoing) => Promise<SendEnd>;
  readonly close: () => Promise<void>;
};

export function createHttp1Pool(endpoint: Endpoint): Http1Pool {
  const { origin, tls } = endpoint;
  const pool = new Pool(origin, {
    connections: connectionsMax,
    pipelining: 1,
    keepAliveTimeout: keepAliveTimeoutMs,
    keepAliveMaxTimeout: keepAliveTimeoutMs,
    allowH2: false,
    // Exactly Node's own options: certificates are always verified.
    connect: { ...tls, rejectUnauthorized: true, timeout: connectTimeoutMs, keepAlive: true },
  });
  return {
    send: (request) => dispatch(pool, request),
    close: () => pool.destroy(),
  };
}

function dispatch(pool: Pool, request: Outgoing): Promise<SendEnd> {
  return new Promise((resolve) => {
    let started = false;
    let body: AnswerBody | null = null;
    let control: Dispatcher.DispatchController | null = null;
    const onAbort = (): void => {
      control?.abort(new Error('aborted'));
    };
    request.signal.addEventListener('abort', onAbort, { once: true });
    const done = (): void => request.signal.removeEventListener('abort', onAbort);
    const fail = (cause: Error): void => {
      done();
      const refused = started ? brokenOff(cause) : unreachable(cause);
      if (body === null) resolve({ kind: 'failed', refusal: refused, sent: started });
      else body.fail(refused);
    };
    pool.dispatch(
      {
        method: request.method,
        path: request.target,
        headers: flatHeaders(request.headers),
        body: request.body,
        headersTimeout: request.longRunning ? 0 : headersTimeoutMs,
        bodyTimeout: request.longRunning ? 0 : bodyTimeoutMs,
      },
      {
        onRequestStart: (controller) => {
          started = true;
          control = controller;
          if (request.signal.aborted) onAbort();
        },
        onResponseStart: (controller, status, headers) => {
          if (status < 200) return;
          const made = new AnswerBody({
            pause: () => controller.pause(),
            resume: () => controller.resume(),
            abort: () => controller.abort(new Error('aborted')),
          });
          body = made;
          resolve({ kind: 'answer', answer: toAnswer(status, headers, made) });
        },
        onResponseData: (_controller, chunk) => body?.data(chunk),
        onResponseEnd: () => {
          done();
          body?.finish();
        },
        onResponseError: (_controller, cause) => fail(cause),
      },
    );
  });
}

/** An answer out of its head and body. */
export function toAnswer(
  status: number,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  body: AnswerBody,
): UpstreamAnswer {
  return {
    status,
    headers: answerHeaders(headers),
    pipe: (sink) => body.pipe(sink),
    read: (bytesMax) => body.read(bytesMax),
    abort: () => body.abort(),
  };
}
