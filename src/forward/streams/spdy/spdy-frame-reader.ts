import {
  controlBytesMax,
  finFlag,
  headBytes,
  readControlFrame,
  streamIdMax,
  type DataPiece,
  type SpdyFrame,
} from './spdy-frames.ts';

const noBytes = Buffer.alloc(0);

type Open =
  | {
      readonly kind: 'data';
      readonly id: number;
      readonly fin: boolean;
      begins: boolean;
      left: number;
    }
  | {
      readonly kind: 'control';
      readonly type: number;
      readonly flags: number;
      readonly length: number;
      /** Made when a payload comes in parts; null while it may still come in one. */
      gathered: Buffer | null;
      filled: number;
    };

/**
 * Cuts bytes into frames, at any chunk border. Pull: `push` a chunk, then take frames from `next` until it gives null.
 * Pieces of data are views of the chunks. No more than `controlBytesMax` is ever held.
 */
export class SpdyFrameReader {
  readonly #head = Buffer.alloc(headBytes);
  #headFilled = 0;
  #open: Open | null = null;
  #chunk: Buffer = noBytes;
  #failed: SpdyFrame | null = null;

  /** Gives the next chunk. The one before must be used up: `next` gave null. */
  push(chunk: Buffer): void {
    this.#chunk = this.#chunk.length === 0 ? chunk : Buffer.concat([this.#chunk, chunk]);
  }

  /** Whether a frame has begun that is not complete. */
  get isInsideFrame(): boolean {
    return this.#open !== null || this.#headFilled > 0 || this.#chunk.length > 0;
  }

  /** The next frame or piece of one; null when more bytes are needed. After `broken` it is `broken` for ever. */
  next(): SpdyFrame | null {
    if (this.#failed !== null) return this.#failed;
    const frame = this.#next();
    if (frame?.type === 'broken') {
      this.#failed = frame;
      this.#chunk = noBytes;
    }
    return frame;
  }

  #next(): SpdyFrame | null {
    let open = this.#open;
    if (open === null) {
      const head = this.#readHead();
      if (head === null) return null;
      const opened = openFrame(head);
      if (typeof opened === 'string') return { type: 'broken', detail: opened };
      open = opened;
      this.#open = open;
      if (open.kind === 'data' && open.left === 0) return this.#piece(open, noBytes);
    }
    return open.kind === 'data' ? this.#readData(open) : this.#readControl(open);
  }

  #take(length: number): Buffer {
    const taken = this.#chunk.subarray(0, length);
    this.#chunk =
      taken.length === this.#chunk.length ? noBytes : this.#chunk.subarray(taken.length);
    return taken;
  }

  #readHead(): Buffer | null {
    const part = this.#take(headBytes - this.#headFilled);
    part.copy(this.#head, this.#headFilled);
    this.#headFilled += part.length;
    if (this.#headFilled < headBytes) return null;
    this.#headFilled = 0;
    return this.#head;
  }

  #readData(open: Open & { kind: 'data' }): SpdyFrame | null {
    const bytes = this.#take(open.left);
    if (bytes.length === 0) return null;
    open.left -= bytes.length;
    return this.#piece(open, bytes);
  }

  #piece(open: Open & { kind: 'data' }, bytes: Buffer): DataPiece {
    const { id, begins } = open;
    open.begins = false;
    if (open.left > 0) return { type: 'data', id, bytes, begins, fin: false };
    this.#open = null;
    return { type: 'data', id, bytes, begins, fin: open.fin };
  }

  #readControl(open: Open & { kind: 'control' }): SpdyFrame | null {
    const part = this.#take(open.length - open.filled);
    if (open.gathered !== null || part.length < open.length) {
      open.gathered ??= Buffer.allocUnsafe(open.length);
      part.copy(open.gathered, open.filled);
      open.filled += part.length;
      if (open.filled < open.length) return null;
    }
    this.#open = null;
    return readControlFrame(open.type, open.flags, open.gathered ?? part);
  }
}

/** Reads a frame's head; or says why it is none. */
function openFrame(head: Buffer): Open | string {
  const first = head.readUInt32BE(0);
  const flags = head.readUInt8(4);
  const length = head.readUIntBE(5, 3);
  if (first <= streamIdMax) {
    if (first === 0) return 'a data frame of stream 0';
    return { kind: 'data', id: first, fin: (flags & finFlag) !== 0, begins: true, left: length };
  }
  const version = (first >>> 16) & 0x7fff;
  if (version !== 3) {
    return `a frame of version ${version}, which is no SPDY/3`;
  }
  if (length > controlBytesMax) {
    return `a control frame of ${length} bytes`;
  }
  return { kind: 'control', type: first & 0xffff, flags, length, gathered: null, filled: 0 };
}
