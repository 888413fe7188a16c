import type { Duplex } from 'node:stream';
import type { LegEnd } from '../frames.ts';
import {
  closeFrame,
  opcodes,
  serverHead,
  webSocketFrame,
  WebSocketReader,
} from './websocket-frames.ts';

/** How a connection keeps itself alive, and finds out that its peer is gone. Injected, so that tests need no waiting. */
export type KeepAlive = {
  /** Calls `tick` every `ms` until the returned function is called. */
  readonly every: (ms: number, tick: () => void) => () => void;
};

export const systemKeepAlive: KeepAlive = {
  every: (ms, tick) => {
    const timer = setInterval(tick, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};

/** client-go asks every 5 s; middleboxes cut idle connections after 60 s. Milliseconds. */
const pingIntervalMs = 15_000;
/** A server from which nothing came for this many intervals, while we were reading, is gone. */
const silentIntervalsMax = 4;
/** A peer has this long to answer our close frame, in intervals. */
const closeIntervalsMax = 1;

/** What may wait for a slow peer before the other side is paused; `drained` comes when all of it has left. */
const bufferedBytesMax = 256 * 1024;

export type WebSocketOptions = {
  /** `server` towards the client that connected to us, `client` towards the cluster. */
  readonly role: 'client' | 'server';
  /** What had already been read behind the head of the 101. */
  readonly head: Buffer;
  readonly keepAlive?: KeepAlive;
};

export type ConnectionEvents = {
  readonly part: (bytes: Buffer, first: boolean, last: boolean) => void;
  readonly drained: () => void;
  /** Once, and the last call. */
  readonly ended: (end: LegEnd) => void;
};

/**
 * A WebSocket after its handshake, without extensions: messages in and out, pings answered, closed as RFC 6455 §7 wants
 * it. After its end nothing is read, and the socket is gone within an interval.
 */
export class WebSocketConnection {
  readonly #socket: Duplex;
  readonly #options: WebSocketOptions;
  #events: ConnectionEvents | null = null;
  #stopTicking: () => void = () => {};
  #paused = false;
  #turn: 'fresh' | 'written' | 'corked' = 'fresh';
  #closing = false;
  #ended = false;
  #silent = 0;
  #closeTicks = 0;
  /** The ping that is answered when the peer reads again. */
  #unanswered: Buffer | null = null;

  constructor(socket: Duplex, options: WebSocketOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  start(events: ConnectionEvents): void {
    this.#events = events;
    const { role, head, keepAlive = systemKeepAlive } = this.#options;
    const socket = this.#socket;
    const reader = new WebSocketReader(role, {
      part: events.part,
      ping: (payload) => this.#answer(payload),
      close: (code) => this.#end({ kind: 'clean', code }),
    });
    const read = (chunk: Buffer): void => {
      this.#silent = 0;
      if (this.#ended) return;
      const wrong = reader.push(chunk);
      if (wrong !== null) this.fail(wrong, 1002);
    };
    socket.on('drain', () => {
      if (this.#unanswered !== null) this.#answer(this.#unanswered);
      if (!this.#ended) events.drained();
    });
    socket.on('error', (cause) => this.#end({ kind: 'gone', detail: cause.message }));
    socket.on('end', () => {
      this.#end({ kind: 'gone', detail: 'it closed the connection without a close frame' });
      socket.end();
    });
    socket.on('close', () => {
      this.#stopTicking();
      this.#end({ kind: 'gone', detail: 'the connection was closed' });
    });
    this.#stopTicking = keepAlive.every(pingIntervalMs, () => this.#tick());
    // Its 'end' may have come before it was handed over, and will not come again.
    if (socket.destroyed || socket.readableEnded) {
      if (socket.destroyed) this.#stopTicking();
      this.#end({ kind: 'gone', detail: 'the connection was closed' });
      return;
    }
    if (head.length > 0) read(head);
    socket.on('data', read);
    // Explicitly: it was paused before it was handed over, and would stay so.
    if (this.#paused) socket.pause();
    else socket.resume();
  }

  /** Sends a binary message. False: wait for `drained`. */
  send(payload: Uint8Array, prefix?: Uint8Array): boolean {
    if (this.#closing) return true;
    const { role } = this.#options;
    if (role === 'client')
      return this.#write(webSocketFrame(role, opcodes.binary, payload, prefix));
    // Towards clients nothing is masked, so nothing needs to be copied.
    const size = payload.length + (prefix?.length ?? 0);
    return this.#write(serverHead(opcodes.binary, size, prefix), payload);
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#silent = 0;
    this.#socket.resume();
  }

  /** The close frame goes behind all that was sent; then the peer has an interval to answer, and the socket ends. */
  close(code: number): void {
    if (this.#closing) return;
    this.#write(closeFrame(this.#options.role, code));
    this.#closing = true;
    // §7.1.1: the server closes first. A peer that has closed already needs no more.
    if (this.#options.role === 'server' || this.#ended) this.#socket.end();
    this.#socket.resume();
  }

  /** The peer broke the protocol, or a bound: it is told by the close code. */
  fail(detail: string, code: number): void {
    this.#end({ kind: 'protocol', detail });
    this.close(code);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /**
   * §5.5.3 lets us answer only the last of many pings. A peer that sends pings and reads nothing would make us keep every
   * answer in memory.
   */
  #answer(payload: Buffer): void {
    const isSlow = this.#socket.writableNeedDrain;
    this.#unanswered = isSlow ? payload : null;
    if (!isSlow) this.#write(webSocketFrame(this.#options.role, opcodes.pong, payload));
  }

  /**
   * Writes one frame. A turn's first leaves at once, for keystrokes; what follows in the same turn leaves together at its
   * end: the API server fragments messages into frames of 4 KiB.
   */
  #write(...parts: readonly Uint8Array[]): boolean {
    const socket = this.#socket;
    if (this.#closing || socket.destroyed || !socket.writable) return true;
    const isFirst = this.#turn === 'fresh';
    if (this.#turn !== 'corked') socket.cork();
    for (const part of parts) socket.write(part);
    if (!isFirst) this.#turn = 'corked';
    else {
      socket.uncork();
      this.#turn = 'written';
      setImmediate(() => {
        if (this.#turn === 'corked') socket.uncork();
        this.#turn = 'fresh';
      });
    }
    return socket.writableLength < bufferedBytesMax;
  }

  #tick(): void {
    if (this.#closing) {
      this.#closeTicks += 1;
      if (this.#closeTicks > closeIntervalsMax) this.#socket.destroy();
      return;
    }
    if (!this.#socket.writableNeedDrain)
      this.#write(webSocketFrame(this.#options.role, opcodes.ping, EMPTY));
    // A client may be busy and read nothing for long (the Python client answers pings only while it reads).
    if (this.#paused || this.#options.role === 'server') return;
    this.#silent += 1;
    if (this.#silent > silentIntervalsMax) {
      this.#end({ kind: 'gone', detail: 'it was silent for a minute' });
      this.#socket.destroy();
    }
  }

  #end(end: LegEnd): void {
    if (this.#closing) this.#socket.end();
    if (this.#ended) return;
    this.#ended = true;
    this.#events?.ended(end);
  }
}

const EMPTY = new Uint8Array(0);
