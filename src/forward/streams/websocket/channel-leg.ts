import type { Duplex } from 'node:stream';
import { GatheredBytes } from '../../../base/gathered-bytes.ts';
import type { FrameStream, Leg, LegEvents } from '../frames.ts';
import { WebSocketConnection, type WebSocketOptions } from './websocket-connection.ts';

/** k8s.io/apimachinery pkg/util/remotecommand constants.go: the channels of v4 and v5. */
const EXEC_CHANNELS = ['stdin', 'stdout', 'stderr', 'error', 'resize'] as const;
/** v5's own: `ff <channel>` half-closes a channel. */
const CLOSE_CHANNEL = 255;

/** Documents that are read whole: a Status, a terminal size. */
const documentBytesMax = 64 * 1024;

export type ChannelProtocol = 'v5.channel.k8s.io' | 'v4.channel.k8s.io';

/** The streams of an exec or attach by channel number. */
export const remoteCommandChannels: ReadonlyMap<number, FrameStream> = new Map(
  EXEC_CHANNELS.map((type, channel) => [channel, { type, port: null, requestId: '' }]),
);

/**
 * The streams of a legacy port-forward (`?ports=80&ports=443`, kubelet pkg/kubelet/cri/streaming/portforward): two
 * channels a port. The first two bytes of each are the port itself, little-endian; they pass like the rest.
 */
export function portForwardChannels(ports: readonly number[]): ReadonlyMap<number, FrameStream> {
  const streams = ports.flatMap((port): FrameStream[] => [
    { type: 'data', port, requestId: '' },
    { type: 'error', port, requestId: '' },
  ]);
  return new Map(streams.map((stream, channel) => [channel, stream]));
}

export type ChannelLegOptions = WebSocketOptions & {
  readonly protocol: ChannelProtocol;
  /** By channel number; what comes on any other channel is ignored, as kube-apiserver ignores it. */
  readonly channels: ReadonlyMap<number, FrameStream>;
};

/**
 * A leg over WebSocket channels: the first byte of each message is the channel (only of its first frame: continuation
 * frames carry none). Stream ids are channel numbers. Messages are passed on in parts as they arrive, but those on
 * `error` and `resize` of exec are documents, and come whole.
 */
export function createChannelLeg(socket: Duplex, options: ChannelLegOptions): Leg {
  const { channels, protocol } = options;
  const connection = new WebSocketConnection(socket, options);
  const prefixes = new Map([...channels.keys()].map((id) => [id, Uint8Array.of(id)]));
  return {
    start: (events) => {
      const read = channelReader(options, events, (detail) => connection.fail(detail, 1009));
      connection.start({ part: read, drained: events.drained, ended: events.ended });
    },
    open: (stream) => {
      for (const [id, one] of channels) if (one.type === stream.type) return id;
      return -1;
    },
    accept: () => {},
    data: (id, bytes) => {
      const prefix = prefixes.get(id);
      return prefix === undefined || connection.send(bytes, prefix);
    },
    finish: (id) => {
      if (protocol === 'v5.channel.k8s.io') connection.send(Uint8Array.of(CLOSE_CHANNEL, id));
    },
    reset: () => {},
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    close: (code) => connection.close(code),
    destroy: () => connection.destroy(),
  };
}

/** Puts message parts on their channels. */
function channelReader(
  { channels, protocol }: ChannelLegOptions,
  events: LegEvents,
  tooLarge: (detail: string) => void,
): (bytes: Buffer, first: boolean, last: boolean) => void {
  let channel = -1;
  const document = new GatheredBytes(documentBytesMax);
  let broken = false;
  let isEmpty = true;
  return (bytes, first, last) => {
    if (broken) return;
    let rest = bytes;
    if (first) {
      channel = -1;
      isEmpty = true;
    }
    if (channel === -1 && rest.length > 0) {
      channel = rest[0] ?? -1;
      rest = rest.subarray(1);
    }
    const stream = channels.get(channel);
    const isClose = channel === CLOSE_CHANNEL && protocol === 'v5.channel.k8s.io';
    const isWhole =
      isClose || (stream?.port === null && (stream.type === 'error' || stream.type === 'resize'));
    if (!isWhole) {
      // An empty message is said too: clients take the first one as the sign that the session stands.
      if (stream === undefined || (rest.length === 0 && !(isEmpty && last))) return;
      isEmpty = false;
      events.data(channel, rest);
      return;
    }
    if (!document.add(rest)) {
      broken = true;
      tooLarge(`a message on channel ${channel} is larger than ${documentBytesMax} bytes`);
      return;
    }
    if (!last) return;
    const whole = document.take();
    if (!isClose) events.data(channel, whole);
    else if (channels.has(whole[0] ?? -1)) events.finished(whole[0] ?? -1);
  };
}
