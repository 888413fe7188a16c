import { refusal, type Refusal } from '../../base/errors.ts';
import type { UpstreamAnswer, UpstreamRequest } from '../upstream.ts';

/** TLS to the API server: always verified, against the cluster's own CA where one is given. */
export type EndpointTls = {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
};

export type Endpoint = {
  /** `https://host:port`, without a path. */
  readonly origin: string;
  readonly tls: EndpointTls;
};

const HTTPS_PORT = 443;

/** Where to connect: an IPv6 address without its brackets, and the port of https where none is named. */
export function addressOf({ origin }: Endpoint): { readonly host: string; readonly port: number } {
  const { hostname, port } = new URL(origin);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || HTTPS_PORT) };
}

/** A request with every header that leaves, identity included. */
export type Outgoing = Pick<
  UpstreamRequest,
  'method' | 'target' | 'body' | 'longRunning' | 'signal'
> & { readonly headers: readonly (readonly [string, string])[] };

export type SendEnd =
  | { readonly kind: 'answer'; readonly answer: UpstreamAnswer }
  /** `sent`: a byte of the request may have left. */
  | { readonly kind: 'failed'; readonly refusal: Refusal; readonly sent: boolean };

const codeOf = (cause: Error): string =>
  'code' in cause && typeof cause.code === 'string' ? cause.code : '';

/** Nothing was sent: no connection, or none that could be trusted. */
export function unreachable(cause: Error): Refusal {
  const code = codeOf(cause);
  const tls = /CERT|TLS|SSL|SELF_SIGNED|ISSUER|UNABLE_TO/.test(code);
  const what = tls
    ? "the cluster's certificate could not be verified"
    : 'the cluster could not be reached';
  return refusal('HOLDGATE_FORWARD_UNREACHABLE', `${what}; nothing was sent`, {
    detail: `${code} ${cause.message}`.trim(),
  });
}

/** A part of the request may have left, and no complete answer came. */
export function brokenOff(cause: Error): Refusal {
  return refusal(
    'HOLDGATE_FORWARD_BROKEN',
    'the connection to the cluster broke before its answer was complete',
    { detail: `${codeOf(cause)} ${cause.message}`.trim() },
  );
}
