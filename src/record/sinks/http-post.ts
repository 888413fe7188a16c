import { request as plainRequest, type IncomingMessage } from 'node:http';
import { request as tlsRequest } from 'node:https';
import { errorText } from '../../base/log.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Secret } from '../../base/secret.ts';
import { mayPass, type DeliveryFailure } from './sink.ts';

/** Where a delivery goes, read for each one so that a file that was replaced is taken. */
export type HttpServer = {
  /** https, or http on this machine: the configuration sees to it. */
  readonly url: string;
  /** PEM text that replaces the system's CAs; null takes those. */
  readonly certificateAuthority: string | null;
  /** Sent as a bearer token; null sends none. */
  readonly token: Secret | null;
};

export type HttpAnswer = {
  readonly status: number;
  /** Milliseconds; null where it was not sent or is not readable. */
  readonly retryAfterMs: number | null;
  /** At most `answerBytesMax`, cut. */
  readonly body: string;
};

/** What is read of an answer. */
const answerBytesMax = 64 * 1024;

/**
 * One POST. Redirects are not followed: they could lead the record, and the token, elsewhere. Every error is one that another
 * try may mend.
 */
export async function postTo(
  server: HttpServer,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
  signal: AbortSignal,
): Promise<Result<HttpAnswer, DeliveryFailure>> {
  try {
    return ok(await post(server, headers, body, signal));
  } catch (cause) {
    const why = signal.aborted ? 'no answer in time' : errorText(cause);
    return err(mayPass(`POST ${shownUrl(server.url)}: ${why}`));
  }
}

/** The URL without its query, which may hold a key. */
export function shownUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** A path under a base URL, whether or not that ends in a slash; its query stays. */
export function underUrl(base: string, path: string): string {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}${path}`;
  return url.href;
}

function post(
  { url, certificateAuthority, token }: HttpServer,
  given: Readonly<Record<string, string>>,
  body: Buffer,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const headers = {
    ...given,
    'content-length': String(body.length),
    ...(token === null ? {} : { authorization: `Bearer ${token.reveal()}` }),
  };
  const ca = certificateAuthority === null ? {} : { ca: certificateAuthority };
  const request = new URL(url).protocol === 'http:' ? plainRequest : tlsRequest;
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', signal, agent: false, headers, rejectUnauthorized: true };
    request(url, { ...options, ...ca }, (answer) => {
      readAnswer(answer).then(resolve, reject);
    })
      .on('error', reject)
      .end(body);
  });
}

async function readAnswer(answer: IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let length = 0;
  const parts: AsyncIterable<Buffer> = answer;
  for await (const part of parts) {
    chunks.push(part);
    length += part.length;
    // Leaving the loop closes the connection.
    if (length >= answerBytesMax) break;
  }
  return {
    status: answer.statusCode ?? 0,
    retryAfterMs: patienceMs(answer.headers['retry-after'], Date.parse(answer.headers.date ?? '')),
    body: Buffer.concat(chunks).subarray(0, answerBytesMax).toString('utf8'),
  };
}

/**
 * `Retry-After` (RFC 9110 §10.2.3): seconds, or a date, which is counted from the answer's own `Date` so that two clocks that
 * differ do no harm. Null for anything else.
 */
function patienceMs(text: string | undefined, answeredMs: number): number | null {
  if (text === undefined) return null;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const waitMs = Date.parse(text) - answeredMs;
  return Number.isNaN(waitMs) ? null : Math.max(0, waitMs);
}

/**
 * Statuses that speak of the endpoint or of the credential, not of what was sent: skipping entries for an expired token would
 * lose the record, so the sink waits until somebody mends it.
 */
const endpointStatuses: ReadonlySet<number> = new Set([401, 403, 404, 405, 407, 410]);

/** 4xx that ask for another try: RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4. */
const againStatuses: ReadonlySet<number> = new Set([408, 425, 429]);

/** What an answer says of the delivery; null where it arrived. `isRefusal` says which statuses refuse the content. */
export function failureOf(
  url: string,
  { status, retryAfterMs }: HttpAnswer,
  isRefusal: (status: number) => boolean = (one) => one >= 400 && one < 500,
): DeliveryFailure | null {
  if (status >= 200 && status < 300) return null;
  const redirect = status >= 300 && status < 400 ? ' (redirects are not followed)' : '';
  const retry =
    redirect !== '' ||
    endpointStatuses.has(status) ||
    againStatuses.has(status) ||
    !isRefusal(status);
  return { retry, detail: `POST ${shownUrl(url)}: status ${status}${redirect}`, retryAfterMs };
}
