import { randomFillSync } from 'node:crypto';

/** RFC 6455 §5.2: the operations of a frame. 1 is text: the Python client sends strings so, and channels are bytes. */
const CONTINUATION = 0x0;
const BINARY = 0x2;
const CLOSE = 0x8;
const PING = 0x9;
const PONG = 0xa;

export const opcodes = { binary: BINARY, close: CLOSE, ping: PING, pong: PONG } as const;

const FIN = 0x80;
const RESERVED = 0x70;
const MASKED = 0x80;
const HEAD_BYTES_MAX = 14;
const CONTROL_BYTES_MAX = 125;

/** What a reader finds. A message's bytes come in parts as they arrive; nothing is kept until a message is whole. */
export type WebSocketEvents = {
  /** A part of a data message, text or binary alike. `first` and `last` may both be true; a part may be empty. */
  readonly part: (bytes: Buffer, first: boolean, last: boolean) => void;
  readonly ping: (payload: Buffer) => void;
  /** 1005 where the peer gave none (RFC 6455 §7.1.5). */
  readonly close: (code: number) => void;
};

/**
 * Reads WebSocket frames (RFC 6455 §5) at any chunking. It buffers no more than a frame's head and a control frame, so
 * that no length in a frame makes it allocate; data is handed on in slices of the chunk, unmasked in place.
 */
export class WebSocketReader {
  readonly #events: WebSocketEvents;
  readonly #expectMask: boolean;
  readonly #head = Buffer.alloc(HEAD_BYTES_MAX);
  #headBytes = 0;
  #opcode = CONTINUATION;
  #final = false;
  #inMessage = false;
  #firstPart = false;
  #remaining = -1;
  #mask: Buffer | null = null;
  #maskAt = 0;
  #control: Buffer = Buffer.alloc(0);
  #controlBytes = 0;
  #closed = false;

  /** `server` reads a client's frames, which must be masked; `client` a server's, which must not (§5.1). */
  constructor(role: 'client' | 'server', events: WebSocketEvents) {
    this.#events = events;
    this.#expectMask = role === 'server';
  }

  /** Takes the next bytes of the connection. Returns what the peer did wrong, after which nothing more is read. */
  push(chunk: Buffer): string | null {
    let at = 0;
    while (!this.#closed) {
      if (this.#remaining < 0) {
        const before = this.#headBytes;
        const copied = this.#fillHead(chunk, at);
        if (copied === null) return null;
        at += this.#headBytes - before;
        const wrong = this.#startFrame();
        if (wrong !== null) {
          this.#closed = true;
          return wrong;
        }
      }
      const taken = Math.min(this.#remaining, chunk.length - at);
      if (taken === 0 && this.#remaining > 0) return null;
      this.#takePayload(chunk.subarray(at, at + taken));
      at += taken;
      if (this.#remaining > 0) return null;
      this.#endFrame();
    }
    return null;
  }

  /** Gathers a frame's head, which may come byte by byte. Null: more is needed. */
  #fillHead(chunk: Buffer, at: number): true | null {
    for (let next = at; ; next += 1) {
      if (this.#headBytes >= 2 && this.#headBytes === this.#headLength()) return true;
      if (next >= chunk.length) return null;
      this.#head[this.#headBytes] = chunk[next] ?? 0;
      this.#headBytes += 1;
    }
  }

  #headLength(): number {
    const second = this.#head[1] ?? 0;
    const short = second & 0x7f;
    const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
    return 2 + extended + ((second & MASKED) === 0 ? 0 : 4);
  }

  #startFrame(): string | null {
    const head = this.#head;
    const [first = 0, second = 0] = head;
    const length = this.#headBytes;
    this.#headBytes = 0;
    this.#opcode = first & 0x0f;
    this.#final = (first & FIN) !== 0;
    const isMasked = (second & MASKED) !== 0;
    if ((first & RESERVED) !== 0)
      return 'a frame has reserved bits set, and no extension was agreed';
    if (isMasked !== this.#expectMask)
      return isMasked ? "a server's frame is masked" : "a client's frame is not masked";
    const short = second & 0x7f;
    const payload = short === 126 ? head.readUInt16BE(2) : short === 127 ? longLength(head) : short;
    if (payload === null || (short === 126 && payload < 126) || (short === 127 && payload < 65_536))
      return 'a frame has a malformed length';
    this.#mask = isMasked ? Buffer.from(head.subarray(length - 4, length)) : null;
    this.#maskAt = 0;
    this.#remaining = payload;
    return this.#opcode >= CLOSE ? this.#startControl(payload) : this.#startData();
  }

  #startControl(payload: number): string | null {
    if (this.#opcode > PONG) return `a frame has the unknown opcode ${this.#opcode}`;
    if (!this.#final || payload > CONTROL_BYTES_MAX)
      return 'a control frame is fragmented or larger than 125 bytes';
    if (this.#opcode === CLOSE && payload === 1) return 'a close frame has half a code';
    this.#control = Buffer.alloc(payload);
    this.#controlBytes = 0;
    return null;
  }

  #startData(): string | null {
    if (this.#opcode > BINARY) return `a frame has the unknown opcode ${this.#opcode}`;
    if ((this.#opcode === CONTINUATION) !== this.#inMessage)
      return this.#inMessage
        ? 'a message starts inside another'
        : 'a continuation frame continues nothing';
    if (!this.#inMessage) this.#firstPart = true;
    this.#inMessage = true;
    return null;
  }

  #takePayload(bytes: Buffer): void {
    this.#remaining -= bytes.length;
    if (this.#mask !== null) this.#maskAt = applyMask(bytes, this.#mask, this.#maskAt);
    if (this.#opcode >= CLOSE) {
      bytes.copy(this.#control, this.#controlBytes);
      this.#controlBytes += bytes.length;
      return;
    }
    const isLast = this.#final && this.#remaining === 0;
    if (bytes.length === 0 && !isLast && !this.#firstPart) return;
    const isFirst = this.#firstPart;
    this.#firstPart = false;
    this.#events.part(bytes, isFirst, isLast);
  }

  #endFrame(): void {
    this.#remaining = -1;
    if (this.#opcode < CLOSE) {
      this.#inMessage = !this.#final;
      return;
    }
    const payload = this.#control;
    if (this.#opcode === PING) this.#events.ping(payload);
    if (this.#opcode === CLOSE) {
      this.#closed = true;
      this.#events.close(payload.length < 2 ? 1005 : payload.readUInt16BE(0));
    }
  }
}

/** §5.2: the most significant bit must be 0; above 2^53 a number cannot count. */
function longLength(head: Buffer): number | null {
  const length = head.readBigUInt64BE(2);
  return length > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(length);
}

/** XORs in place (§5.3) and returns where in the key the next byte stands. */
function applyMask(bytes: Buffer, mask: Buffer, from: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [0, 1, 2, 3].map((offset) => mask[(from + offset) & 3] ?? 0);
  const { length } = bytes;
  const whole = length - (length & 3);
  /* eslint-disable @typescript-eslint/no-non-null-assertion -- the hot loop of every upload; indexes are in range */
  for (let at = 0; at < whole; at += 4) {
    bytes[at]! ^= a;
    bytes[at + 1]! ^= b;
    bytes[at + 2]! ^= c;
    bytes[at + 3]! ^= d;
  }
  for (let at = whole; at < length; at += 1) bytes[at]! ^= mask[(from + at) & 3]!;
  /* eslint-enable @typescript-eslint/no-non-null-assertion */
  return (from + length) & 3;
}

/** The head of a server's frame of `size` bytes, with the first of its content behind it: the rest follows as it is. */
export function serverHead(opcode: number, size: number, prefix: Uint8Array = EMPTY): Buffer {
  const extended = size < 126 ? 0 : size < 65_536 ? 2 : 8;
  const head = Buffer.allocUnsafe(2 + extended + prefix.length);
  head[0] = FIN | opcode;
  head[1] = extended === 0 ? size : extended === 2 ? 126 : 127;
  if (extended === 2) head.writeUInt16BE(size, 2);
  if (extended === 8) head.writeBigUInt64BE(BigInt(size), 2);
  head.set(prefix, 2 + extended);
  return head;
}

/**
 * Writes one whole frame, `prefix` before `payload` as its content. As a client it masks with a fresh random key (§5.3:
 * it must not be predictable), in a copy: `payload` is never changed.
 */
export function webSocketFrame(
  role: 'client' | 'server',
  opcode: number,
  payload: Uint8Array,
  prefix: Uint8Array = EMPTY,
): Buffer {
  const size = prefix.length + payload.length;
  if (role === 'server') return Buffer.concat([serverHead(opcode, size, prefix), payload]);
  const head = serverHead(opcode, size);
  const start = head.length + 4;
  const frame = Buffer.allocUnsafe(start + size);
  frame.set(head, 0);
  frame.writeUInt8(head.readUInt8(1) | MASKED, 1);
  frame.set(prefix, start);
  frame.set(payload, start + prefix.length);
  const mask = frame.subarray(start - 4, start);
  randomFillSync(mask);
  applyMask(frame.subarray(start), mask, 0);
  return frame;
}

const EMPTY = new Uint8Array(0);

/** Codes that may stand in a close frame (§7.4.1, §7.4.2); any other is sent as 1000. */
export function closeFrame(role: 'client' | 'server', code: number): Buffer {
  const isSendable =
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) ||
    (code >= 3000 && code <= 4999);
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(isSendable ? code : 1000, 0);
  return webSocketFrame(role, CLOSE, payload);
}
