import type { FrameStream, StreamType } from './frames.ts';
import type { StreamResource } from './offer.ts';
import type { FrameDirection } from './tap.ts';

/** What the query of a session asked for: what policy saw. */
export type SessionAsked = {
  readonly stdin: boolean;
  readonly tty: boolean;
  /** Of a port-forward; empty where the query names none, as kubectl's does: then any port may be opened. */
  readonly ports: readonly number[];
};

/** What may happen in a session, so that nothing passes that its query did not ask for. */
export type Permits = {
  /** Whether the client may open this stream. Asked once for each that it opens: SPDY only. */
  readonly opens: (stream: FrameStream) => boolean;
  /** Whether bytes of this stream may pass in this direction. */
  readonly carries: (direction: FrameDirection, stream: FrameStream) => boolean;
};

/**
 * The permits of one session. The kubelet counts the streams that a client opens and never asks which they are
 * (k8s.io/kubelet pkg/cri/streaming/remotecommand/httpstream.go, waitForStreams): without this, a session that was
 * allowed without stdin gets one where the client opens stdin in the place of stderr, and a second stdin replaces the
 * first. A port-forward's ports stand in its streams alone.
 */
export function sessionPermits(resource: StreamResource, asked: SessionAsked): Permits {
  return resource === 'pods/portforward' ? portPermits(asked) : commandPermits(asked);
}

function commandPermits({ stdin, tty }: SessionAsked): Permits {
  const up: readonly StreamType[] = [
    ...(stdin ? (['stdin'] as const) : []),
    ...(tty ? (['resize'] as const) : []),
  ];
  const down: readonly StreamType[] = ['stdout', 'stderr', 'error'];
  const opened = new Set<StreamType>();
  return {
    opens: ({ type, port }) => {
      const isKnown = port === null && (up.includes(type) || down.includes(type));
      if (!isKnown || opened.has(type)) return false;
      opened.add(type);
      return true;
    },
    carries: (direction, { type }) => (direction === 'up' ? up : down).includes(type),
  };
}

function portPermits({ ports }: SessionAsked): Permits {
  const isNamed = (port: number): boolean => ports.length === 0 || ports.includes(port);
  return {
    opens: ({ type, port }) =>
      port !== null && (type === 'data' || type === 'error') && isNamed(port),
    carries: (direction, { type }) => type === 'data' || (type === 'error' && direction === 'down'),
  };
}
