import type { Duplex } from 'node:stream';
import { dataFrameBytesMax, dataHead } from './spdy-frames.ts';

/** How many answers (PING, RST_STREAM) may wait for a peer that provokes them and does not read. */
const answersWaitingMax = 4096;

/** The writing side of a connection: frames in order, data without a copy, and what waits for the peer. */
export class SpdyOutput {
  readonly #socket: Duplex;
  #answersWaiting = 0;

  constructor(socket: Duplex) {
    this.#socket = socket;
  }

  /** Whether the peer takes less than we write. */
  get isBlocked(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /** Sends a control frame that we chose to send. */
  send(frame: Buffer): void {
    if (this.#isOpen()) this.#socket.write(frame);
  }

  /** Sends a control frame that the peer provoked. False: too many wait, the peer floods us and does not read. */
  answer(frame: Buffer): boolean {
    if (!this.#isOpen()) return true;
    this.#answersWaiting += 1;
    this.#socket.write(frame, () => {
      this.#answersWaiting -= 1;
    });
    return this.#answersWaiting <= answersWaitingMax;
  }

  /** Sends bytes of a stream, in frames that a peer can hold. False: wait until the socket drains. */
  data(id: number, bytes: Buffer): boolean {
    if (!this.#isOpen()) return true;
    this.#socket.cork();
    for (let at = 0; at < bytes.length; at += dataFrameBytesMax) {
      const part = bytes.subarray(at, at + dataFrameBytesMax);
      this.#socket.write(dataHead(id, part.length, false));
      this.#socket.write(part);
    }
    this.#socket.uncork();
    return !this.#socket.writableNeedDrain;
  }

  /** Half-closes a stream. */
  finish(id: number): void {
    this.send(dataHead(id, 0, true));
  }

  #isOpen(): boolean {
    return !this.#socket.destroyed && !this.#socket.writableEnded;
  }
}
