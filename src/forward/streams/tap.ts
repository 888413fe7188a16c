import type { FrameStream } from './frames.ts';

/** `up`: from the client to the cluster. */
export type FrameDirection = 'up' | 'down';

/** What a tap sees: something that one side did to one stream. `bytes` is empty unless `kind` is data. */
export type Frame = {
  readonly direction: FrameDirection;
  readonly stream: FrameStream;
  readonly kind: 'open' | 'data' | 'finish' | 'reset';
  readonly bytes: Buffer;
};

/**
 * Stands between the two sides of a session. It is given each frame, in order and one at a time for each direction, and
 * says which bytes go on in its stead (only for data; for other kinds the answer is not used): the frame's own, others
 * (a mask), or none. A promise stops its direction until it settles: that is the backpressure of a recorder. One that
 * rejects ends the session on both sides.
 */
export type Tap = (frame: Frame) => Buffer | Promise<Buffer>;
