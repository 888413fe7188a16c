import type { Duplex } from 'node:stream';
import type { Leg, LegEnd, LegEvents } from '../frames.ts';
import { controlFrame, goawayStatus } from './spdy-frames.ts';
import { SpdyFrameReader } from './spdy-frame-reader.ts';
import { SpdyKeepAlive, systemLegTimers, type LegTimers } from './spdy-keep-alive.ts';
import { SpdyOutput } from './spdy-output.ts';
import { SpdySession } from './spdy-session.ts';

export type SpdyLegOptions = {
  /** What we are: `server` towards kubectl, `client` towards the cluster. */
  readonly role: 'client' | 'server';
  /** Bytes that were read behind the answer 101. */
  readonly head?: Buffer;
  readonly pingIntervalMs?: number;
  readonly timers?: LegTimers;
};

const pingIntervalMsDefault = 30_000;
/**
 * Reading a header block takes some 60 µs, however short it is: a peer that sends nothing else, 36 bytes each, would take
 * the whole process from all others. More than this many of them wait for the next window; a port-forward needs two for
 * each connection.
 */
const blocksMax = 1024;
const blocksWindowMs = 1000;
/** How long a peer that has everything may take to close its side. */
const lingerMs = 30_000;
/** How long a peer may take to read what was sent before the end: one that reads nothing would hold the socket for ever. */
const unreadMs = 60_000;
/** How long a peer that broke the protocol may take to read why. */
const brokenLingerMs = 1000;

/**
 * SPDY/3.1 as Kubernetes speaks it, over a socket or a tunnel that does: the dialect of moby/spdystream, which has no
 * flow control (its connection.go handles no WINDOW_UPDATE and no SETTINGS; both are read and ignored here). So
 * backpressure is the socket's own, for all streams alike. The socket is ours from here on.
 */
export function createSpdyLeg(socket: Duplex, options: SpdyLegOptions): Leg {
  const connection = new SpdyConnection(socket, options);
  const { session } = connection;
  return {
    start: (events) => connection.start(events),
    open: (stream) => session.open(stream),
    accept: (id) => session.accept(id),
    data: (id, bytes) => session.data(id, bytes),
    finish: (id) => session.finish(id),
    reset: (id) => session.reset(id),
    pause: () => connection.pause(),
    resume: () => connection.resume(),
    close: () => connection.close(),
    destroy: () => connection.destroy(),
  };
}

/** The socket under a session: reading with backpressure, keep-alive, and the end. */
class SpdyConnection {
  readonly session: SpdySession;
  readonly #socket: Duplex;
  readonly #head: Buffer;
  readonly #timers: LegTimers;
  readonly #frames = new SpdyFrameReader();
  readonly #output: SpdyOutput;
  readonly #keepAlive: SpdyKeepAlive;
  #events: LegEvents | null = null;
  /** `closing`: GOAWAY and everything before it is on its way, what the peer still sends is dropped. */
  #phase: 'open' | 'closing' | 'ended' = 'open';
  #isPaused = false;
  #isPumping = false;
  #windowAtMs = 0;
  #blocksRead = 0;
  /** Set while the peer has sent too many header blocks: stops the wait for the next window. */
  #stopWaiting: (() => void) | null = null;
  #peerEnded = false;

  constructor(socket: Duplex, options: SpdyLegOptions) {
    this.#socket = socket;
    this.#head = options.head ?? Buffer.alloc(0);
    this.#timers = options.timers ?? systemLegTimers;
    this.#output = new SpdyOutput(socket);
    this.#keepAlive = new SpdyKeepAlive({
      firstPingId: options.role === 'client' ? 1 : 2,
      intervalMs: options.pingIntervalMs ?? pingIntervalMsDefault,
      timers: this.#timers,
      endsOnSilence: options.role === 'client',
      isReading: () => !this.#isPaused,
      isBlocked: () => this.#output.isBlocked,
      ping: (id) => this.#output.send(controlFrame.ping(id)),
      silent: (detail) => this.#end({ kind: 'gone', detail }),
    });
    this.session = new SpdySession({
      role: options.role,
      output: this.#output,
      keepAlive: this.#keepAlive,
      fail: (detail) => this.#fail(detail),
    });
  }

  start(events: LegEvents): void {
    this.#events = events;
    this.session.start(events);
    const socket = this.#socket;
    socket.on('error', (cause) => this.#onLost(cause.message));
    socket.on('close', () => this.#onLost('the connection was closed'));
    socket.on('end', () => this.#onPeerEnd());
    socket.on('drain', () => this.session.drain());
    socket.on('finish', () => this.#onFlushed());
    // Not before the caller has started the other leg, too.
    process.nextTick(() => {
      if (socket.destroyed) this.#onLost('the connection was closed before the session began');
      if (this.#phase === 'ended') return;
      socket.on('data', (chunk: Buffer) => this.#onChunk(chunk));
      this.#onChunk(this.#head);
      if (socket.readableEnded) this.#onPeerEnd();
    });
  }

  pause(): void {
    this.#isPaused = true;
    if (this.#phase === 'open') this.#socket.pause();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#keepAlive.heard();
    process.nextTick(() => this.#pump());
  }

  close(): void {
    if (this.#phase !== 'open') return;
    this.#phase = 'closing';
    this.#stopTimers();
    this.#output.send(controlFrame.goaway(this.session.lastPeerId, goawayStatus.ok));
    this.session.stop();
    this.#socket.end();
    if (!this.#socket.writableFinished) this.#destroyAfter(unreadMs);
    // The end of the peer comes behind what it still sends.
    this.#socket.resume();
  }

  destroy(): void {
    this.session.stop();
    this.#socket.destroy();
    process.nextTick(() => this.#end({ kind: 'gone', detail: 'broken off by the gateway' }));
  }

  #onChunk(chunk: Buffer): void {
    if (this.#phase !== 'open') return;
    this.#keepAlive.heard();
    this.#frames.push(chunk);
    this.#pump();
  }

  /** Handles the frames that are there, until the callee pauses. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    try {
      while (this.#isReading) {
        const frame = this.#frames.next();
        if (frame === null) break;
        this.session.onFrame(frame);
        if ('block' in frame) this.#countBlock();
      }
    } finally {
      this.#isPumping = false;
    }
    if (this.#isReading) this.#socket.resume();
  }

  get #isReading(): boolean {
    return this.#phase === 'open' && !this.#isPaused && this.#stopWaiting === null;
  }

  #countBlock(): void {
    const passedMs = this.#timers.monotonicMs() - this.#windowAtMs;
    if (passedMs >= blocksWindowMs) {
      this.#windowAtMs += passedMs;
      this.#blocksRead = 0;
    }
    this.#blocksRead += 1;
    if (this.#blocksRead < blocksMax || this.#phase !== 'open') return;
    this.#socket.pause();
    this.#stopWaiting = this.#timers.after(Math.max(0, blocksWindowMs - passedMs), () => {
      this.#stopWaiting = null;
      this.#pump();
    });
  }

  /** No timer outlives the session. */
  #stopTimers(): void {
    this.#keepAlive.stop();
    this.#stopWaiting?.();
  }

  #onPeerEnd(): void {
    this.#peerEnded = true;
    if (this.#phase === 'closing') {
      if (this.#socket.writableFinished) this.#socket.destroy();
      return;
    }
    const { isLeaving, streamsOpen } = this.session;
    const isClean = isLeaving || (streamsOpen === 0 && !this.#frames.isInsideFrame);
    const detail = `the peer closed the connection with ${streamsOpen} streams open`;
    this.#end(isClean ? { kind: 'clean', code: 1000 } : { kind: 'gone', detail });
  }

  #onFlushed(): void {
    if (this.#phase !== 'closing') return;
    if (this.#peerEnded) this.#socket.destroy();
    else this.#destroyAfter(lingerMs);
  }

  /** Behind GOAWAY a connection may also end in a reset: moby/spdystream closes its socket with our last PING unread. */
  #onLost(detail: string): void {
    const isClosed = this.#phase === 'closing' && this.#socket.writableFinished;
    const isClean = isClosed || this.session.isLeaving;
    this.#end(isClean ? { kind: 'clean', code: 1000 } : { kind: 'gone', detail });
  }

  #fail(detail: string): void {
    if (this.#phase !== 'open') return;
    this.#output.send(controlFrame.goaway(this.session.lastPeerId, goawayStatus.protocolError));
    this.#end({ kind: 'protocol', detail });
  }

  #end(end: LegEnd): void {
    if (this.#phase === 'ended') return;
    this.#phase = 'ended';
    this.#stopTimers();
    this.session.stop();
    if (end.kind === 'protocol') {
      this.#socket.end();
      this.#destroyAfter(brokenLingerMs);
    } else this.#socket.destroy();
    this.#events?.ended(end);
  }

  #destroyAfter(ms: number): void {
    const stop = this.#timers.after(ms, () => this.#socket.destroy());
    this.#socket.once('close', stop);
  }
}
