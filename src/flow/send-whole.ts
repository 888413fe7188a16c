import type { Call } from './call.ts';

type Headers = readonly (readonly [string, string])[];

/** An answer of the cluster that was read to its end. */
export type WholeAnswer = {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
};

const TOO_MANY_REQUESTS = 429;
const SERVICE_UNAVAILABLE = 503;

/** The headers with our own Audit-ID in place of the cluster's: it names the call in our records. */
export const withAuditId = (headers: Headers, requestId: string): Headers => [
  ...headers.filter(([name]) => name !== 'audit-id'),
  ['audit-id', requestId],
];

/**
 * Sends an answer that was read whole, and ends the exchange; the length is that of `body`. client-go repeats a call on 429 and
 * on Retry-After: under an approval neither leaves, for an approved call never runs twice (design §4.6).
 */
export function sendWhole(
  { exchange, requestId }: Call,
  answer: WholeAnswer,
  approved: boolean,
): void {
  const { status, headers, body } = answer;
  const dropped = new Set(['content-length', ...(approved ? ['retry-after'] : [])]);
  const kept = headers.filter(([name]) => !dropped.has(name));
  const length = ['content-length', String(body.length)] as const;
  exchange.respond(
    approved && status === TOO_MANY_REQUESTS ? SERVICE_UNAVAILABLE : status,
    withAuditId([...kept, length], requestId),
  );
  exchange.end(exchange.method === 'HEAD' ? undefined : body);
}
