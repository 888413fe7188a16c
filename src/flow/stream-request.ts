import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import { execOptions, portForwardOptions } from '../kube/attributes.ts';
import type { RequestAttributes } from '../kube/request.ts';
import {
  readOffer,
  type SessionAsked,
  type StreamOffer,
  type StreamResource,
} from '../forward/index.ts';
import type { Call } from './call.ts';

const STREAMS: Readonly<Record<string, StreamResource | undefined>> = {
  'pods/exec': 'pods/exec',
  'pods/attach': 'pods/attach',
  'pods/portforward': 'pods/portforward',
};

/** An upgrade that the gateway carries, read once. */
export type StreamRequest = {
  readonly resource: StreamResource;
  readonly offer: StreamOffer;
  /** The options that policy saw: the session is held to them. */
  readonly asked: SessionAsked;
};

/**
 * What a request wants of its connection: null is plain HTTP. Upgrades are carried for exec, attach and port-forward of
 * pods, and refused everywhere else, however policy decides: a watch or a log over WebSocket would pass the masks by.
 */
export function streamRequest(
  { exchange }: Call,
  attributes: RequestAttributes,
): Result<StreamRequest | null, Refusal> {
  const { upgrade, method, rawHeaders } = exchange;
  // Of the core group only: an aggregated API's `pods/exec` speaks whatever it likes.
  const isPods = attributes.verb === 'connect' && attributes.group === '';
  const resource = isPods ? STREAMS[attributes.resource] : undefined;
  const what = attributes.resource === '' ? attributes.path : attributes.resource;
  if (resource === undefined) {
    if (upgrade === null) return ok(null);
    const text = `an upgrade to "${upgrade.slice(0, 50)}" is not carried for ${attributes.wire.verb} ${what}`;
    return err(refusal('HOLDGATE_LISTEN_UPGRADE_REFUSED', text));
  }
  if (upgrade === null || exchange.switchProtocols === null) {
    const text = `${what} is a stream in both directions: it needs an upgrade to WebSocket or SPDY/3.1 over HTTP/1.1`;
    return err(refusal('HOLDGATE_FORWARD_STREAM_UNSUPPORTED', text));
  }
  const offer = readOffer(resource, { method, upgrade, rawHeaders });
  if (!offer.ok) return offer;
  const { stdin, tty } = execOptions(attributes.options);
  const forwarded = portForwardOptions(attributes.options);
  if (!forwarded.ok) return forwarded;
  return ok({ resource, offer: offer.value, asked: { stdin, tty, ports: forwarded.value.ports } });
}
