import { refusal, type Refusal } from '../../base/errors.ts';
import type { Secret } from '../../base/secret.ts';
import type { UpstreamAnswer, UpstreamRequest } from '../upstream.ts';

/** Headers that only we set. */
const OURS = new Set(['authorization', 'audit-id', 'host', 'accept-encoding', 'content-length']);

/**
 * The headers that leave: what `flow` let through, then ours. Nothing that came in can be one of ours, so exactly one
 * Authorization leaves (it is added after these).
 */
export function ownHeaders(
  request: Pick<UpstreamRequest, 'headers' | 'body' | 'auditId'>,
  host: string,
): readonly (readonly [string, string])[] {
  const kept = request.headers.filter(([name]) => !OURS.has(name.toLowerCase()));
  const length =
    request.body === null ? [] : ([['content-length', String(request.body.length)]] as const);
  return [
    ...kept,
    ...length,
    ['host', host],
    ['accept-encoding', 'identity'],
    ['audit-id', request.auditId],
  ];
}

/** The gateway's own Authorization; none where its credential is no token. */
export const bearerHeader = (token: Secret | null): readonly (readonly [string, string])[] =>
  token === null ? [] : [['authorization', `Bearer ${token.reveal()}`]];

/** The gateway's credential is no good; the detail is for the operator. */
export const credentialRefusal = (why: string): Refusal =>
  refusal(
    'HOLDGATE_FORWARD_CREDENTIAL',
    "the gateway's credential for the cluster cannot be used",
    { detail: why },
  );

/** Answers that must not be passed on: a 401 is about the gateway, a redirect leads the credential elsewhere (CVE-2022-3172). */
export function answerProblem(
  status: number,
  headers: UpstreamAnswer['headers'],
  server: string,
): Refusal | null {
  if (status === 401)
    return credentialRefusal(`${server} answered 401 to the gateway's own credential`);
  const location = headers.find(([name]) => name === 'location')?.[1];
  if (status < 300 || status >= 400 || location === undefined) return null;
  const detail = `${status} to ${location.slice(0, 200)}`;
  return refusal('HOLDGATE_FORWARD_REDIRECT', 'the cluster answered with a redirect', { detail });
}
