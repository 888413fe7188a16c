import { createHash, randomBytes } from 'node:crypto';
import { refusal, type Refusal } from '../../base/errors.ts';
import { err, ok, type Result } from '../../base/result.ts';

type Header = readonly [string, string];

/** What the upgrades of the Kubernetes API are for; any other resource is never upgraded. */
export type StreamResource = 'pods/exec' | 'pods/attach' | 'pods/portforward';

/** How a session travels. `channels`: WebSocket channels. `tunnel`: SPDY inside a WebSocket. `spdy`: SPDY on the socket. */
export type Wire = 'channels' | 'tunnel' | 'spdy';

/** The tunnel of KEP-4006 (client-go tools/portforward/tunneling_connection.go). */
export const tunnelProtocol = 'SPDY/3.1+portforward.k8s.io';

/**
 * What we carry, of what kube-apiserver speaks (apimachinery pkg/util/remotecommand/constants.go). The older protocols
 * have no exit status or other framings; each more would be another parser that an agent can choose.
 */
const CARRIED: Readonly<Record<StreamResource, Readonly<Record<string, readonly string[]>>>> = {
  'pods/exec': {
    websocket: ['v5.channel.k8s.io', 'v4.channel.k8s.io'],
    'spdy/3.1': ['v5.channel.k8s.io', 'v4.channel.k8s.io'],
  },
  'pods/attach': {
    websocket: ['v5.channel.k8s.io', 'v4.channel.k8s.io'],
    'spdy/3.1': ['v5.channel.k8s.io', 'v4.channel.k8s.io'],
  },
  'pods/portforward': {
    websocket: [tunnelProtocol, 'v4.channel.k8s.io'],
    'spdy/3.1': ['portforward.k8s.io'],
  },
};

/** A client's request for an upgrade that we carry. */
export type StreamOffer = {
  readonly transport: 'websocket' | 'spdy';
  /** What the client speaks and we carry, in the client's order. Never empty. */
  readonly protocols: readonly string[];
  /** The client's Sec-WebSocket-Key; empty for SPDY. */
  readonly key: string;
};

function valuesOf(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() !== name) continue;
    for (const value of (rawHeaders[at + 1] ?? '').split(',')) values.push(value.trim());
  }
  return values.filter((value) => value !== '');
}

/**
 * Browsers send their token as a subprotocol (apiserver pkg/authentication/request/websocket). It is never chosen, never
 * forwarded, and must not stand in a refusal, which is recorded.
 */
const bearerProtocol = 'base64url.bearer.authorization.k8s.io.';

const nameOf = (protocol: string): string =>
  protocol.toLowerCase().startsWith(bearerProtocol) ? `${bearerProtocol}…` : protocol;

const refused = (why: string): Result<never, Refusal> =>
  err(refusal('HOLDGATE_FORWARD_STREAM_UNSUPPORTED', why));

/** RFC 6455 §4.2.1: a version that is 13, a key of 16 bytes. Empty where nothing is wrong. */
function handshakeProblem(method: string, rawHeaders: readonly string[]): string {
  if (method !== 'GET') return 'a WebSocket is opened with GET';
  const [version, ...versions] = valuesOf(rawHeaders, 'sec-websocket-version');
  if (version !== '13' || versions.length > 0) return 'Sec-WebSocket-Version must be 13, once';
  const [key = '', ...keys] = valuesOf(rawHeaders, 'sec-websocket-key');
  const isKey = /^[A-Za-z0-9+/]{22}==$/.test(key) && keys.length === 0;
  return isKey ? '' : 'Sec-WebSocket-Key must be 16 bytes in base64, once';
}

/** Reads what a client offers in its upgrade request; `upgrade` is the value of its Upgrade header. */
export function readOffer(
  resource: StreamResource,
  {
    method,
    upgrade,
    rawHeaders,
  }: {
    readonly method: string;
    readonly upgrade: string;
    readonly rawHeaders: readonly string[];
  },
): Result<StreamOffer, Refusal> {
  const kind = upgrade.trim().toLowerCase();
  const carried = Object.hasOwn(CARRIED[resource], kind) ? CARRIED[resource][kind] : undefined;
  if (carried === undefined)
    return refused(
      `an upgrade to "${upgrade.slice(0, 50)}" is not carried; use WebSocket or SPDY/3.1`,
    );
  const isWebSocket = kind === 'websocket';
  if (isWebSocket) {
    const problem = handshakeProblem(method, rawHeaders);
    if (problem !== '') return refused(problem);
  } else if (method !== 'POST' && method !== 'GET') {
    // The methods of the API server's connect handlers. A HEAD would get an answer with a body from us.
    return refused('SPDY/3.1 is opened with POST or GET');
  }
  const header = isWebSocket ? 'sec-websocket-protocol' : 'x-stream-protocol-version';
  const offered = valuesOf(rawHeaders, header);
  const protocols = [...new Set(offered)].filter((one) => carried.includes(one));
  if (protocols.length === 0) {
    const none =
      offered.length === 0 ? 'none' : offered.slice(0, 10).map(nameOf).join(', ').slice(0, 300);
    return refused(
      `no stream protocol in common for ${resource}: the client offers ${none}, the gateway carries ${carried.join(', ')}`,
    );
  }
  const [key = ''] = isWebSocket ? valuesOf(rawHeaders, 'sec-websocket-key') : [];
  return ok({ transport: isWebSocket ? 'websocket' : 'spdy', protocols, key });
}

/** The wire of a session by what was agreed. */
export function wireOf(offer: StreamOffer, protocol: string): Wire {
  if (offer.transport === 'spdy') return 'spdy';
  return protocol === tunnelProtocol ? 'tunnel' : 'channels';
}

/** RFC 6455 §4.2.2. */
const WEBSOCKET_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const acceptOf = (key: string): string =>
  createHash('sha1').update(`${key}${WEBSOCKET_GUID}`).digest('base64');

/** The headers that ask the cluster for the same upgrade, under a key of our own, without extensions. */
export function upgradeHeaders(offer: StreamOffer): {
  readonly headers: readonly Header[];
  readonly key: string;
} {
  if (offer.transport === 'spdy') {
    const versions = offer.protocols.map((one): Header => ['x-stream-protocol-version', one]);
    return { headers: [['connection', 'Upgrade'], ['upgrade', 'SPDY/3.1'], ...versions], key: '' };
  }
  const key = randomBytes(16).toString('base64');
  return {
    key,
    headers: [
      ['connection', 'Upgrade'],
      ['upgrade', 'websocket'],
      ['sec-websocket-version', '13'],
      ['sec-websocket-key', key],
      ['sec-websocket-protocol', offer.protocols.join(', ')],
    ],
  };
}

/**
 * What the cluster agreed to in its 101. Anything but exactly what was asked for is no upgrade (CVE-2018-1002105: a
 * connection that was not upgraded must never be spliced).
 */
export function agreedProtocol(
  offer: StreamOffer,
  key: string,
  headers: readonly Header[],
): Result<string, string> {
  const value = (name: string): string =>
    headers
      .filter(([one]) => one === name)
      .map(([, text]) => text.trim())
      .join(', ');
  const isWebSocket = offer.transport === 'websocket';
  const wanted = isWebSocket ? 'websocket' : 'spdy/3.1';
  if (value('upgrade').toLowerCase() !== wanted)
    return err(`the cluster switched to "${value('upgrade').slice(0, 50)}", not to ${wanted}`);
  const isUpgrade = value('connection').toLowerCase().split(/,\s*/).includes('upgrade');
  if (!isUpgrade) return err('the answer has no "Connection: Upgrade"');
  if (isWebSocket && value('sec-websocket-accept') !== acceptOf(key))
    return err('Sec-WebSocket-Accept does not answer our key');
  if (value('sec-websocket-extensions') !== '')
    return err('the cluster uses an extension that was not offered');
  const protocol = value(isWebSocket ? 'sec-websocket-protocol' : 'x-stream-protocol-version');
  if (offer.protocols.includes(protocol)) return ok(protocol);
  return err(`the cluster chose the protocol "${protocol.slice(0, 50)}", which was not offered`);
}

/** The headers of our own 101 to the client. */
export function acceptHeaders(offer: StreamOffer, protocol: string): readonly Header[] {
  if (offer.transport === 'spdy') {
    return [
      ['connection', 'Upgrade'],
      ['upgrade', 'SPDY/3.1'],
      ['x-stream-protocol-version', protocol],
    ];
  }
  return [
    ['connection', 'Upgrade'],
    ['upgrade', 'websocket'],
    ['sec-websocket-accept', acceptOf(offer.key)],
    ['sec-websocket-protocol', protocol],
  ];
}
