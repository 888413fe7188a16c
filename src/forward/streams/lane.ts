import type { FrameStream, Leg } from './frames.ts';
import type { Frame, FrameDirection, Tap } from './tap.ts';

export type LaneOptions = {
  readonly direction: FrameDirection;
  /** Where the frames come from: paused while the other side is slow, or a tap takes its time. */
  readonly source: Pick<Leg, 'pause' | 'resume'>;
  readonly taps: readonly Tap[];
  /** A tap failed: nothing more passes. */
  readonly failed: (cause: unknown) => void;
};

/** A step that takes its time returns a promise; every other is done when it returns. */
type Step = () => Promise<void> | null;

/**
 * One direction of a session: frames in order, through the taps, into the other leg, with backpressure to the source.
 * Where no tap is asynchronous, a frame passes in the call that brought it.
 */
export class Lane {
  readonly #options: LaneOptions;
  /** What waits behind a tap that takes its time; the source is paused, so this is what one chunk held. */
  readonly #waiting: Step[] = [];
  #busy = false;
  #slow = false;
  #paused = false;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  /** Does something behind all that came before. */
  after(step: Step): void {
    if (this.#busy) {
      this.#waiting.push(step);
      return;
    }
    const pending = this.#safely(step);
    if (pending !== null) void this.#work(pending);
  }

  /** Asks the taps what goes on in a frame's stead, and hands it to `deliver`, which says false where the target is slow. */
  pass(
    stream: FrameStream,
    kind: Frame['kind'],
    bytes: Buffer,
    deliver: (bytes: Buffer) => boolean,
  ): Promise<void> | null {
    return this.#through({ direction: this.#options.direction, stream, kind, bytes }, 0, deliver);
  }

  /** The target takes more. */
  drained(): void {
    this.#slow = false;
    this.#steer();
  }

  #through(frame: Frame, from: number, deliver: (bytes: Buffer) => boolean): Promise<void> | null {
    const { taps } = this.#options;
    let { bytes } = frame;
    for (let at = from; at < taps.length; at += 1) {
      const left = taps[at]?.({ ...frame, bytes }) ?? bytes;
      if (left instanceof Promise) return this.#later(left, frame, at + 1, deliver);
      bytes = left;
    }
    // What a tap left nothing of is not sent; an empty frame of the peer's own is.
    if (bytes.length === 0 && frame.bytes.length > 0) return null;
    if (!deliver(bytes)) {
      this.#slow = true;
      this.#steer();
    }
    return null;
  }

  async #later(
    left: Promise<Buffer>,
    frame: Frame,
    from: number,
    deliver: (bytes: Buffer) => boolean,
  ): Promise<void> {
    const bytes = await left;
    if (bytes.length === 0 && frame.bytes.length > 0) return;
    await this.#through({ ...frame, bytes }, from, deliver);
  }

  /** A step's own exception ends the session, as its rejection does. */
  #safely(step: Step): Promise<void> | null {
    try {
      return step();
    } catch (cause) {
      this.#options.failed(cause);
      return null;
    }
  }

  async #work(first: Promise<void>): Promise<void> {
    this.#busy = true;
    this.#steer();
    try {
      await first;
      for (let step = this.#waiting.shift(); step !== undefined; step = this.#waiting.shift()) {
        await this.#safely(step);
      }
    } catch (cause) {
      this.#waiting.length = 0;
      this.#options.failed(cause);
    }
    this.#busy = false;
    this.#steer();
  }

  #steer(): void {
    const wanted = this.#slow || this.#busy;
    if (wanted === this.#paused) return;
    this.#paused = wanted;
    if (wanted) this.#options.source.pause();
    else this.#options.source.resume();
  }
}
