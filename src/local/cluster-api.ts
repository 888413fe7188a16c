import { request } from 'node:https';

/** An answer of the API server: the status and the body as text. */
export type ApiAnswer = { readonly status: number; readonly body: string };

/** Calls a local API server as its administrator: for making the demo, never for serving a request. */
export type ClusterApi = {
  /** `body` is sent as JSON with `contentType`. Throws when the server cannot be reached within 10 s. */
  readonly call: (
    method: string,
    path: string,
    body?: unknown,
    contentType?: string,
  ) => Promise<ApiAnswer>;
};

const CALL_TIMEOUT_MS = 10_000;

/** A client of `server` (https, no path) that trusts only `ca` (PEM) and sends `token`. */
export function createClusterApi(options: {
  readonly server: string;
  readonly ca: string;
  readonly token: string;
}): ClusterApi {
  const call: ClusterApi['call'] = (method, path, body, contentType = 'application/json') =>
    new Promise((resolve, reject) => {
      const payload = body === undefined ? null : Buffer.from(JSON.stringify(body));
      const sent = request(
        new URL(path, options.server),
        {
          method,
          ca: options.ca,
          agent: false,
          timeout: CALL_TIMEOUT_MS,
          headers: {
            authorization: `Bearer ${options.token}`,
            accept: 'application/json',
            ...(payload !== null && {
              'content-type': contentType,
              'content-length': payload.length,
            }),
          },
        },
        (answer) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('error', reject);
          answer.on('end', () =>
            resolve({
              status: answer.statusCode ?? 0,
              body: Buffer.concat(chunks).toString('utf8'),
            }),
          );
        },
      );
      sent.on('timeout', () =>
        sent.destroy(new Error(`${options.server}: no answer in ${CALL_TIMEOUT_MS} ms`)),
      );
      sent.on('error', reject);
      sent.end(payload ?? undefined);
    });
  return { call };
}
