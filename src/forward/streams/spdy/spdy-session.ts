import type { FrameStream, LegEvents } from '../frames.ts';
import {
  createHeaderReader,
  createHeaderWriter,
  type HeaderBlock,
  type HeaderReader,
  type HeaderWriter,
} from './header-block.ts';
import {
  controlFrame,
  resetStatus,
  streamIdMax,
  type DataPiece,
  type SpdyFrame,
} from './spdy-frames.ts';
import type { SpdyKeepAlive } from './spdy-keep-alive.ts';
import type { SpdyOutput } from './spdy-output.ts';
import { SpdyStreams, type SpdyStream } from './spdy-streams.ts';
import { fromHeaders, toHeaders } from './stream-headers.ts';

type SpdySessionOptions = {
  readonly role: 'client' | 'server';
  readonly output: SpdyOutput;
  readonly keepAlive: Pick<SpdyKeepAlive, 'sent' | 'answered'>;
  /** The peer broke the protocol, or a bound: the session is over. May be called again. */
  readonly fail: (detail: string) => void;
};

/** The streams of one connection: what the peer's frames mean, and what ours are. Knows no socket. */
export class SpdySession {
  readonly #output: SpdyOutput;
  readonly #keepAlive: SpdySessionOptions['keepAlive'];
  readonly #fail: (detail: string) => void;
  readonly #streams: SpdyStreams;
  readonly #readHeaders: HeaderReader = createHeaderReader();
  readonly #writeHeaders: HeaderWriter = createHeaderWriter();
  /** Null before the start and after the end. */
  #events: LegEvents | null = null;
  #isLeaving = false;
  /** `data` returned false, and `drained` is owed. */
  #owesDrained = false;

  constructor(options: SpdySessionOptions) {
    this.#output = options.output;
    this.#keepAlive = options.keepAlive;
    this.#fail = options.fail;
    this.#streams = new SpdyStreams(options.role);
  }

  /** Whether the peer sent GOAWAY. */
  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  get streamsOpen(): number {
    return this.#streams.size;
  }

  /** For our GOAWAY: the last stream of the peer that we saw. */
  get lastPeerId(): number {
    return this.#streams.lastPeerId;
  }

  start(events: LegEvents): void {
    this.#events = events;
  }

  /** Forgets all streams; no event follows. */
  stop(): void {
    this.#events = null;
    this.#streams.clear();
  }

  open(stream: FrameStream): number {
    const id = this.#streams.takeId();
    const isRefused = this.#isLeaving || this.#streams.isFull || id > streamIdMax;
    if (this.#events === null || isRefused) {
      process.nextTick(() => this.#events?.reset(id));
      return id;
    }
    this.#streams.add(id, true);
    this.#output.send(controlFrame.synStream(id, this.#writeHeaders(toHeaders(stream))));
    return id;
  }

  accept(id: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined || stream.isOurs || stream.accepted) return;
    this.#answer(controlFrame.synReply(id, this.#writeHeaders(new Map())));
    this.#onAccepted(id, stream);
  }

  data(id: number, bytes: Buffer): boolean {
    const stream = this.#streams.get(id);
    if (stream === undefined || stream.finished || bytes.length === 0) return true;
    if (stream.accepted) return this.#send(id, bytes);
    this.#owesDrained = true;
    // A caller that does not heed `false` must not fill our memory for a peer that does not answer.
    if (!this.#streams.hold(stream, bytes)) {
      this.reset(id);
      process.nextTick(() => this.#events?.reset(id));
    }
    return false;
  }

  finish(id: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined || stream.finished) return;
    stream.finished = true;
    if (stream.accepted) this.#output.finish(id);
    this.#streams.settle(id, stream);
  }

  reset(id: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    const isRefusal = !stream.isOurs && !stream.accepted;
    const status = isRefusal ? resetStatus.refusedStream : resetStatus.cancel;
    this.#answer(controlFrame.rstStream(id, status));
    this.#forget(id);
  }

  /** The socket drained. */
  drain(): void {
    if (!this.#owesDrained || this.#output.isBlocked || this.#streams.isHolding) return;
    this.#owesDrained = false;
    this.#events?.drained();
  }

  /** The peer's next frame. */
  onFrame(frame: SpdyFrame): void {
    switch (frame.type) {
      case 'data':
        return this.#onData(frame);
      case 'syn-stream':
        return this.#onSynStream(frame);
      case 'syn-reply':
      case 'headers':
        return this.#onReply(frame);
      case 'rst-stream':
        if (this.#streams.get(frame.id) === undefined) return;
        this.#forget(frame.id);
        return this.#events?.reset(frame.id);
      case 'ping':
        if (this.#streams.isOfPeer(frame.id)) this.#answer(controlFrame.ping(frame.id));
        else this.#keepAlive.answered(frame.id);
        return;
      case 'goaway':
        this.#isLeaving = true;
        return;
      case 'settings':
      case 'window-update':
        return;
      case 'broken':
        return this.#fail(frame.detail);
    }
  }

  #onSynStream(frame: SpdyFrame & { type: 'syn-stream' }): void {
    const { id, block, fin, unidirectional } = frame;
    const headers = this.#inflate(block);
    if (headers === null) return;
    if (!this.#streams.takePeerId(id)) {
      return this.#fail(`the peer opened stream ${id}, which is not its next`);
    }
    const stream = fromHeaders(headers);
    if (!stream.ok || unidirectional) return this.#refuse(id, resetStatus.protocolError);
    if (this.#isLeaving || this.#streams.isFull) {
      return this.#refuse(id, resetStatus.refusedStream);
    }
    this.#streams.add(id, false);
    this.#events?.opened(id, stream.value);
    if (fin) this.#onPeerFinished(id);
  }

  #onReply(frame: SpdyFrame & { type: 'syn-reply' | 'headers' }): void {
    const { id, type, fin, block } = frame;
    // Also for streams that are gone: every block changes how the next one is read.
    if (this.#inflate(block) === null) return;
    const stream = this.#streams.get(id);
    if (stream === undefined) return this.#refuse(id, resetStatus.invalidStream);
    if (type === 'syn-reply') {
      if (!stream.isOurs || stream.accepted) return this.#break(id, resetStatus.streamInUse);
      this.#onAccepted(id, stream);
      this.#events?.accepted(id);
    }
    if (fin) this.#onPeerFinished(id);
  }

  #onData({ id, bytes, begins, fin }: DataPiece): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) {
      // Once a frame, however many pieces it comes in.
      if (begins) this.#refuse(id, resetStatus.invalidStream);
      return;
    }
    if (stream.peerFinished) return this.#break(id, resetStatus.streamAlreadyClosed);
    if (stream.isOurs && !stream.accepted) return this.#break(id, resetStatus.protocolError);
    if (bytes.length > 0) this.#events?.data(id, bytes);
    if (fin) this.#onPeerFinished(id);
  }

  #onPeerFinished(id: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined || stream.peerFinished) return;
    stream.peerFinished = true;
    this.#streams.settle(id, stream);
    this.#events?.finished(id);
  }

  /** Sends what waited for the stream to be accepted. */
  #onAccepted(id: number, stream: SpdyStream): void {
    stream.accepted = true;
    for (const bytes of this.#streams.release(stream)) this.#send(id, bytes);
    if (stream.finished) this.#output.finish(id);
    this.#streams.settle(id, stream);
    this.#owed();
  }

  #send(id: number, bytes: Buffer): boolean {
    this.#keepAlive.sent();
    const takesMore = this.#output.data(id, bytes);
    if (!takesMore) this.#owesDrained = true;
    return takesMore;
  }

  /** Asks whether `drained` is due, behind whatever the caller is doing. */
  #owed(): void {
    if (this.#owesDrained) process.nextTick(() => this.drain());
  }

  #forget(id: number): void {
    this.#streams.forget(id);
    this.#owed();
  }

  /** Null: the block cannot be read, and so none behind it; the session has ended. */
  #inflate(block: Buffer): HeaderBlock | null {
    const headers = this.#readHeaders(block);
    if (headers.ok) return headers.value;
    this.#fail(headers.error);
    return null;
  }

  #refuse(id: number, status: number): void {
    this.#answer(controlFrame.rstStream(id, status));
  }

  /** Breaks a stream off that the peer uses wrongly. */
  #break(id: number, status: number): void {
    this.#refuse(id, status);
    this.#forget(id);
    this.#events?.reset(id);
  }

  /**
   * Sends what the peer provoked, also by way of the caller. A peer that opens and resets streams, or pings, and reads
   * nothing must not fill our memory.
   */
  #answer(frame: Buffer): void {
    if (this.#output.answer(frame)) return;
    process.nextTick(() => this.#fail('the peer asks for answers that it does not read'));
  }
}
