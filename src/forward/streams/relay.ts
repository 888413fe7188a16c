import { errorText } from '../../base/log.ts';
import type { FrameStream, Leg, LegEnd, LegEvents } from './frames.ts';
import { Lane } from './lane.ts';
import type { Permits } from './permits.ts';
import type { Tap } from './tap.ts';

/** How a session ended. */
export type RelayEnd = {
  /** Which side ended it first; `gateway`: a tap failed, or `cut` was called. */
  readonly by: 'client' | 'cluster' | 'gateway';
  readonly end: LegEnd;
};

export type RelayOptions = {
  readonly client: Leg;
  readonly cluster: Leg;
  /** Streams that are there from the start, by id, the same on both sides; empty for SPDY. */
  readonly streams: ReadonlyMap<number, FrameStream>;
  /** What is opened beyond them is refused; bytes that they do not carry are dropped, and no tap sees them. */
  readonly permits: Permits;
  /** In this order for each frame. */
  readonly taps: readonly Tap[];
};

export type Relay = {
  /** Resolves when both sides were told and nothing more passes. Never rejects. */
  readonly done: Promise<RelayEnd>;
  /**
   * Ends the session on both sides with a WebSocket close code. `status`, where it is given, is sent before on the error
   * stream of an exec or attach, which is where clients read why a command failed.
   */
  readonly cut: (why: string, code: number, status: Buffer | null) => void;
};

/** A stream on both sides. `halves`: how many of its two directions ended. */
type Joined = {
  readonly stream: FrameStream;
  readonly client: number;
  readonly cluster: number;
  halves: number;
};

const EMPTY = Buffer.alloc(0);
/** RFC 6455 §7.4.1: something unexpected on our side. */
const INTERNAL_ERROR = 1011;
const PROTOCOL_ERROR = 1002;

/** Joins the two legs of a session, and starts them. Whatever one side does to a stream is done to its twin. */
export function relay(options: RelayOptions): Relay {
  const session = new Session(options);
  options.client.start(session.events('client'));
  options.cluster.start(session.events('cluster'));
  return { done: session.done, cut: (why, code, status) => session.cut(why, code, status) };
}

class Session {
  readonly done: Promise<RelayEnd>;
  readonly #options: RelayOptions;
  readonly #lanes: Readonly<Record<'client' | 'cluster', Lane>>;
  readonly #joined = {
    client: new Map<number, Joined>(),
    cluster: new Map<number, Joined>(),
  };
  #settle: (end: RelayEnd) => void = () => {};
  #over = false;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.done = new Promise((resolve) => {
      this.#settle = resolve;
    });
    for (const [id, stream] of options.streams) this.#join(stream, id, id);
    const failed = (cause: unknown): void =>
      this.#finish({ by: 'gateway', end: { kind: 'gone', detail: errorText(cause) } });
    const { client, cluster, taps } = options;
    this.#lanes = {
      client: new Lane({ direction: 'up', source: client, taps, failed }),
      cluster: new Lane({ direction: 'down', source: cluster, taps, failed }),
    };
  }

  /** What `side` does, done to the other. */
  events(side: 'client' | 'cluster'): LegEvents {
    const other = side === 'client' ? 'cluster' : 'client';
    const direction = side === 'client' ? 'up' : 'down';
    const lane = this.#lanes[side];
    const { permits, [other]: target } = this.#options;
    return {
      opened: (id, stream) => this.#opened(side, id, stream),
      accepted: (id) =>
        this.#behind(side, id, (joined) => {
          target.accept(joined[other]);
          return null;
        }),
      data: (id, bytes) =>
        this.#behind(side, id, ({ stream, [other]: there }) =>
          // An empty message carries nothing, and tells a client that the session stands.
          bytes.length === 0 || permits.carries(direction, stream)
            ? lane.pass(stream, 'data', bytes, (left) => target.data(there, left))
            : null,
        ),
      finished: (id) =>
        this.#behind(side, id, (joined) =>
          lane.pass(joined.stream, 'finish', EMPTY, () => {
            target.finish(joined[other]);
            joined.halves += 1;
            if (joined.halves === 2 && this.#options.streams.size === 0) this.#forget(joined);
            return true;
          }),
        ),
      reset: (id) =>
        this.#behind(side, id, (joined) =>
          lane.pass(joined.stream, 'reset', EMPTY, () => {
            target.reset(joined[other]);
            this.#forget(joined);
            return true;
          }),
        ),
      drained: () => this.#lanes[other].drained(),
      // Behind what still waits in the lane: the last bytes of a command must arrive.
      ended: (end) =>
        lane.after(() => {
          this.#finish({ by: side, end });
          return null;
        }),
    };
  }

  cut(why: string, code: number, status: Buffer | null): void {
    if (this.#over) return;
    const { client } = this.#options;
    for (const joined of this.#joined.client.values()) {
      if (status === null || joined.stream.type !== 'error' || joined.stream.port !== null)
        continue;
      client.data(joined.client, status);
      client.finish(joined.client);
    }
    this.#finish({ by: 'gateway', end: { kind: 'clean', code } }, why);
  }

  /** Only clients open streams: one that the cluster opens would be a way to the client that no tap knows. */
  #opened(side: 'client' | 'cluster', id: number, stream: FrameStream): void {
    const { client, cluster, permits } = this.#options;
    if (side === 'cluster') {
      cluster.reset(id);
      return;
    }
    if (!permits.opens(stream)) {
      client.reset(id);
      return;
    }
    const { client: lane } = this.#lanes;
    lane.after(() => {
      if (this.#over) return null;
      return lane.pass(stream, 'open', EMPTY, () => {
        // The session may have been cut while a tap held the opening.
        if (this.#over) return true;
        const there = cluster.open(stream);
        if (there < 0) client.reset(id);
        else this.#join(stream, id, there);
        return true;
      });
    });
  }

  /** A stream is looked up when its turn comes: its opening may still wait in the lane. Later ones belong to nobody. */
  #behind(
    side: 'client' | 'cluster',
    id: number,
    step: (joined: Joined) => Promise<void> | null,
  ): void {
    this.#lanes[side].after(() => {
      const joined = this.#over ? undefined : this.#joined[side].get(id);
      return joined === undefined ? null : step(joined);
    });
  }

  #join(stream: FrameStream, client: number, cluster: number): void {
    const joined = { stream, client, cluster, halves: 0 };
    this.#joined.client.set(client, joined);
    this.#joined.cluster.set(cluster, joined);
  }

  #forget(joined: Joined): void {
    this.#joined.client.delete(joined.client);
    this.#joined.cluster.delete(joined.cluster);
  }

  #finish(ended: RelayEnd, why = ''): void {
    if (this.#over) return;
    this.#over = true;
    const { client, cluster } = this.#options;
    const { by, end } = ended;
    const own = by === 'client' ? client : cluster;
    const other = by === 'client' ? cluster : client;
    if (end.kind === 'clean') {
      other.close(end.code);
      own.close(end.code);
    } else if (end.kind === 'protocol') {
      other.close(INTERNAL_ERROR);
      own.close(PROTOCOL_ERROR);
    } else {
      // As directly: a side that vanishes is a connection that breaks, and no clean end.
      other.destroy();
      own.destroy();
    }
    this.#settle(why === '' ? ended : { by, end: { kind: 'gone', detail: why } });
  }
}
