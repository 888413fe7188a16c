import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { errorText } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';

/** A JSON document to read: `certificateAuthority` is PEM text that replaces the system's CAs; null takes those. */
export type JsonRequest = {
  readonly url: string;
  readonly certificateAuthority: string | null;
  readonly timeoutMs: number;
  readonly bytesMax: number;
};

export type JsonAnswer = { readonly value: unknown; readonly cacheControl: string };

/** Reads a JSON document over the network, or says in one sentence why it could not. Never rejects. */
export type FetchJson = (request: JsonRequest) => Promise<Result<JsonAnswer, string>>;

/**
 * The real `FetchJson`, over node:https and node:http: no redirect is followed (an open redirect at the issuer would
 * let somebody else hand out its keys), the whole exchange has one deadline, and a body larger than `bytesMax` breaks it off.
 */
export const fetchJson: FetchJson = async (request) => {
  const signal = AbortSignal.timeout(request.timeoutMs);
  try {
    const text = await get(request, signal);
    return text.ok ? parse(request.url, text.value) : text;
  } catch (cause) {
    const why = signal.aborted
      ? `no complete answer within ${request.timeoutMs} ms`
      : errorText(cause);
    return err(`GET ${request.url}: ${why}`);
  }
};

type TextAnswer = { readonly text: string; readonly cacheControl: string };

function get(request: JsonRequest, signal: AbortSignal): Promise<Result<TextAnswer, string>> {
  const { url, certificateAuthority } = request;
  return new Promise((resolve, reject) => {
    const onAnswer = (answer: IncomingMessage) => {
      readAnswer(answer, request).then(resolve, reject);
    };
    const options = { signal, agent: false, headers: { accept: 'application/json' } };
    const sent = url.startsWith('https:')
      ? httpsRequest(
          url,
          certificateAuthority === null ? options : { ...options, ca: certificateAuthority },
          onAnswer,
        )
      : httpRequest(url, options, onAnswer);
    sent.on('error', reject);
    sent.end();
  });
}

async function readAnswer(
  answer: IncomingMessage,
  { url, bytesMax }: JsonRequest,
): Promise<Result<TextAnswer, string>> {
  const status = answer.statusCode ?? 0;
  if (status !== 200) {
    answer.destroy();
    const redirect = status >= 300 && status < 400 ? ' (redirects are not followed)' : '';
    return err(`GET ${url}: expected status 200, got ${status}${redirect}`);
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  const parts: AsyncIterable<Buffer> = answer;
  for await (const part of parts) {
    bytes += part.length;
    if (bytes > bytesMax) {
      answer.destroy();
      return err(`GET ${url}: the answer is larger than ${bytesMax} bytes`);
    }
    chunks.push(part);
  }
  return ok({
    text: Buffer.concat(chunks).toString('utf8'),
    cacheControl: answer.headers['cache-control'] ?? '',
  });
}

function parse(url: string, { text, cacheControl }: TextAnswer): Result<JsonAnswer, string> {
  try {
    return ok({ value: JSON.parse(text) as unknown, cacheControl });
  } catch {
    return err(`GET ${url}: the answer is not JSON`);
  }
}
