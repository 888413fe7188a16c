import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { errorText } from '../../base/log.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Secret } from '../../base/secret.ts';
import { bundleBytesMax } from './archive.ts';

/** Asks for a bundle, with the entity tag of the one that is known (empty: none). Never rejects. */
export type FetchBundle = (
  etag: string,
) => Promise<Result<'unchanged' | { readonly bytes: Buffer; readonly etag: string }, string>>;

/** Who to ask, and as whom; read for each request, so that a token that was replaced is taken. */
export type BundleServer = {
  readonly url: string;
  /** PEM text that replaces the system's CAs; null takes those. */
  readonly certificateAuthority: string | null;
  readonly token: Secret | null;
};

/** A bundle is at most 16 MiB: a server that takes longer than this is not there. Milliseconds. */
const fetchMsMax = 10_000;

const etagCharsMax = 1024;

/**
 * The real `FetchBundle`, over https only: no redirect is followed (an open redirect would let another server hand out the
 * policy, and hand it our token), the certificate is verified, the whole exchange has one deadline, and a body that is too
 * large breaks it off.
 */
export function bundleFetcher(
  server: () => Result<BundleServer, string>,
  timeoutMs = fetchMsMax,
): FetchBundle {
  return async (etag) => {
    const known = server();
    if (!known.ok) return known;
    const { url } = known.value;
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const answer = await get(known.value, etag, signal);
      return await readAnswer(answer, url, etag);
    } catch (cause) {
      const why = signal.aborted ? `no complete answer within ${timeoutMs} ms` : errorText(cause);
      return err(`GET ${url}: ${why}`);
    }
  };
}

function get(
  { url, certificateAuthority, token }: BundleServer,
  etag: string,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const headers = {
    accept: 'application/gzip, application/octet-stream, */*;q=0.1',
    ...(etag === '' ? {} : { 'if-none-match': etag }),
    ...(token === null ? {} : { authorization: `Bearer ${token.reveal()}` }),
  };
  const ca = certificateAuthority === null ? {} : { ca: certificateAuthority };
  return new Promise((resolve, reject) => {
    const options = { signal, agent: false, headers, rejectUnauthorized: true, ...ca };
    request(url, options, resolve).on('error', reject).end();
  });
}

async function readAnswer(
  answer: IncomingMessage,
  url: string,
  sent: string,
): ReturnType<FetchBundle> {
  const status = answer.statusCode ?? 0;
  if (status === 304 && sent !== '') {
    answer.destroy();
    return ok('unchanged');
  }
  if (status !== 200) {
    answer.destroy();
    const redirect = status >= 300 && status < 400 ? ' (redirects are not followed)' : '';
    return err(`GET ${url}: expected status 200, got ${status}${redirect}`);
  }
  const chunks: Buffer[] = [];
  let length = 0;
  const parts: AsyncIterable<Buffer> = answer;
  for await (const part of parts) {
    length += part.length;
    if (length > bundleBytesMax) {
      answer.destroy();
      return err(`GET ${url}: the answer is larger than ${bundleBytesMax} bytes`);
    }
    chunks.push(part);
  }
  const { etag = '' } = answer.headers;
  return ok({ bytes: Buffer.concat(chunks), etag: etag.length > etagCharsMax ? '' : etag });
}
