import { createHash, createHmac } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Secret } from '../../base/secret.ts';
import type { ExportFormat } from '../export/formats.ts';
import { failureOf, postTo, type HttpServer } from './http-post.ts';
import { delivered, mayPass, type Sink, type SinkEntry } from './sink.ts';

export type WebhookOptions = {
  readonly name: string;
  readonly format: Pick<ExportFormat, 'rows' | 'line'>;
  /** A JSON document a line, or one JSON array. */
  readonly body: 'ndjson' | 'array';
  /** Read for each delivery; `secret` as `signingKeys` takes it. */
  readonly server: () => Result<Omit<HttpServer, 'token'> & { readonly secret: Secret }, string>;
  readonly clock: Clock;
};

/** Bytes of a key: what Standard Webhooks asks for. */
const keyBytesMin = 24;
const keyBytesMax = 64;

/**
 * POST to a receiver of Standard Webhooks (github.com/standard-webhooks/standard-webhooks, spec 1.0.0): `webhook-id` names the
 * delivery and is the same for each try of it, `webhook-timestamp` is the time of the try, `webhook-signature` signs both and
 * the body, so that nobody can replay or change it.
 */
export function webhookSink(options: WebhookOptions): Sink {
  const { name, format, body, server, clock } = options;
  return {
    name,
    rows: format.rows,
    write: (row) => format.line(row).replace(/\n$/, ''),
    deliver: async (batch, signal) => {
      const known = server();
      if (!known.ok) return err(mayPass(known.error));
      const keys = signingKeys(known.value.secret);
      if (!keys.ok) return err(mayPass(keys.error));
      const content = bodyOf(batch, body);
      const id = deliveryId(name, batch);
      const timestamp = String(Math.floor(clock.nowMs() / 1000));
      const headers = {
        'content-type': body === 'array' ? 'application/json' : 'application/x-ndjson',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': keys.value
          .map((key) => webhookSignature(key, id, timestamp, content))
          .join(' '),
      };
      const answer = await postTo({ ...known.value, token: null }, headers, content, signal);
      if (!answer.ok) return answer;
      const failure = failureOf(known.value.url, answer.value);
      return failure === null ? ok(delivered) : err(failure);
    },
  };
}

function bodyOf(batch: readonly SinkEntry[], form: WebhookOptions['body']): Buffer {
  const texts = batch.map(({ text }) => text);
  return Buffer.from(form === 'array' ? `[${texts.join(',')}]` : `${texts.join('\n')}\n`);
}

/** Names a delivery by what is in it: also after a restart the same entries have the same id. */
function deliveryId(sink: string, batch: readonly SinkEntry[]): string {
  const hash = createHash('sha256').update(sink);
  for (const { stream, seq } of batch) hash.update(`\n${stream} ${seq}`);
  return `msg_${hash.digest('hex').slice(0, 32)}`;
}

/**
 * The keys of a secret: `whsec_` and base64, or several with white space between them while one replaces another; each signs.
 * The error says nothing of the secret.
 */
export function signingKeys(secret: Secret): Result<readonly Buffer[], string> {
  const keys: Buffer[] = [];
  for (const text of secret.reveal().trim().split(/\s+/)) {
    const base64 = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text)?.[1];
    const key = Buffer.from(base64 ?? '', 'base64');
    if (key.length < keyBytesMin || key.length > keyBytesMax) {
      return err(
        `the webhook's secret is not whsec_ and ${keyBytesMin} to ${keyBytesMax} bytes in base64`,
      );
    }
    keys.push(key);
  }
  return ok(keys);
}

/** `v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64. */
export function webhookSignature(
  key: Buffer,
  id: string,
  timestamp: string,
  body: Uint8Array,
): string {
  const signed = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body);
  return `v1,${signed.digest('base64')}`;
}
