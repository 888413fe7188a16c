/** What a stream inside an exec, attach or port-forward session carries (k8s.io/api core/v1 StreamType). */
export type StreamType = 'stdin' | 'stdout' | 'stderr' | 'error' | 'resize' | 'data';

/** One stream of a session. `port` and `requestId` are set for port-forward only: each of its connections has two streams. */
export type FrameStream = {
  readonly type: StreamType;
  /** The pod's port; null for exec and attach. */
  readonly port: number | null;
  /** Pairs the data and the error stream of one forwarded connection; empty for exec and attach. */
  readonly requestId: string;
};

/**
 * Why a leg ended. `clean`: its peer ended the session as its protocol wants it, with the peer's WebSocket close code, or
 * 1000 for SPDY. `gone`: the connection was lost. `protocol`: the peer broke the protocol, or a bound; `detail` says how.
 */
export type LegEnd =
  | { readonly kind: 'clean'; readonly code: number }
  | { readonly kind: 'gone'; readonly detail: string }
  | { readonly kind: 'protocol'; readonly detail: string };

/** What the peer of a leg did. Stream ids are the leg's own. Nothing is called after `ended`, which is called once. */
export type LegEvents = {
  /** The peer opened a stream; it waits for `accept` or `reset`. WebSocket channels are open from the start, and never come here. */
  readonly opened: (id: number, stream: FrameStream) => void;
  /** The peer accepted a stream that `open` opened. */
  readonly accepted: (id: number) => void;
  /** Bytes of a stream, in order. Frames of `error` and `resize` come whole. The buffer is the callee's. */
  readonly data: (id: number, bytes: Buffer) => void;
  /** The peer half-closed a stream: no more bytes will come. */
  readonly finished: (id: number) => void;
  /** The peer broke a stream off, in both directions. */
  readonly reset: (id: number) => void;
  /** After `data` returned false: the peer takes more. */
  readonly drained: () => void;
  readonly ended: (end: LegEnd) => void;
};

/**
 * One side of a session, ours: it speaks the wire protocol (WebSocket channels, or SPDY/3.1 over a socket or a WebSocket
 * tunnel) and knows only streams above it. Pings are answered inside. Every method is harmless after the end.
 */
export type Leg = {
  /** Starts reading. Once, before anything else. */
  readonly start: (events: LegEvents) => void;
  /** Opens a stream towards the peer, and names it. */
  readonly open: (stream: FrameStream) => number;
  /** Answers a stream that the peer opened. */
  readonly accept: (id: number) => void;
  /** Sends bytes of a stream. False: the peer is slow, wait for `drained`. The buffer must not change afterwards. */
  readonly data: (id: number, bytes: Buffer) => boolean;
  /** Half-closes a stream. Where the protocol cannot say so (v4 channels), nothing is sent. */
  readonly finish: (id: number) => void;
  /** Breaks a stream off. Where the protocol cannot say so, nothing is sent. */
  readonly reset: (id: number) => void;
  /** Backpressure: stops and restarts reading from the peer, all streams alike. */
  readonly pause: () => void;
  readonly resume: () => void;
  /** Ends the session after everything that was sent: WebSocket close with `code`, SPDY GOAWAY; then the connection. */
  readonly close: (code: number) => void;
  /** Breaks the connection at once. */
  readonly destroy: () => void;
};
