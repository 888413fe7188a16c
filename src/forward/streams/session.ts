import type { Duplex } from 'node:stream';
import type { Leg } from './frames.ts';
import { wireOf, type StreamOffer, type StreamResource, type Wire } from './offer.ts';
import { sessionPermits, type SessionAsked } from './permits.ts';
import { relay, type Relay } from './relay.ts';
import { createSpdyLeg } from './spdy/spdy-leg.ts';
import type { Tap } from './tap.ts';
import {
  createChannelLeg,
  portForwardChannels,
  remoteCommandChannels,
  type ChannelProtocol,
} from './websocket/channel-leg.ts';
import { createTunnel } from './websocket/tunnel.ts';

/** A connection after its 101. */
type Switched = { readonly socket: Duplex; readonly head: Buffer };

export type SessionOptions = {
  readonly offer: StreamOffer;
  /** What client and cluster agreed on: the same on both sides. */
  readonly protocol: string;
  readonly resource: StreamResource;
  /** What the query asked for: nothing else is carried. */
  readonly asked: SessionAsked;
  readonly client: Switched;
  readonly cluster: Switched;
  readonly taps: readonly Tap[];
};

const EMPTY = Buffer.alloc(0);

/**
 * Ends the client's connection here and begins the cluster's anew: nothing passes between the two sockets but the frames
 * that were understood. From now on both sockets belong to the session.
 */
export function openSession(options: SessionOptions): Relay {
  const { offer, protocol, resource, asked, taps } = options;
  const wire = wireOf(offer, protocol);
  const channels =
    resource === 'pods/portforward' ? portForwardChannels(asked.ports) : remoteCommandChannels;
  const leg = (role: 'client' | 'server', { socket, head }: Switched): Leg =>
    createLeg[wire](role, socket, head, { protocol, channels });
  return relay({
    client: leg('server', options.client),
    cluster: leg('client', options.cluster),
    streams: wire === 'channels' ? channels : new Map(),
    permits: sessionPermits(resource, asked),
    taps,
  });
}

type ChannelFacts = {
  readonly protocol: string;
  readonly channels: typeof remoteCommandChannels;
};

const createLeg: Readonly<
  Record<
    Wire,
    (role: 'client' | 'server', socket: Duplex, head: Buffer, facts: ChannelFacts) => Leg
  >
> = {
  channels: (role, socket, head, { protocol, channels }) => {
    const version: ChannelProtocol =
      protocol === 'v5.channel.k8s.io' ? protocol : 'v4.channel.k8s.io';
    return createChannelLeg(socket, { role, head, channels, protocol: version });
  },
  tunnel: (role, socket, head) =>
    createSpdyLeg(createTunnel(socket, { role, head }), { role, head: EMPTY }),
  spdy: (role, socket, head) => createSpdyLeg(socket, { role, head }),
};
