import type { Duplex } from 'node:stream';

/** A frame as a peer may send it, right or wrong. Lengths are minimal; write others by hand. */
export type RawFrame = {
  /** 2, binary, where it is not given. */
  readonly opcode?: number;
  readonly fin?: boolean;
  /** The three reserved bits, as a number of 0 to 7. */
  readonly rsv?: number;
  readonly mask?: boolean;
  /** Latin-1: a character a byte. */
  readonly payload?: string;
};

export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** The key of every masked frame: fixed, so that a failure can be repeated. */
const KEY = [0x37, 0xfa, 0x21, 0x3d];

/** RFC 6455 §5.2, written apart from the code under test. */
export function rawFrame(frame: RawFrame): Buffer {
  const { opcode = 2, fin = true, rsv = 0, mask = false, payload = '' } = frame;
  const bytes = Buffer.from(payload, 'latin1');
  const { length } = bytes;
  const head = [(fin ? 128 : 0) + rsv * 16 + opcode];
  const masked = mask ? 128 : 0;
  if (length < 126) head.push(masked + length);
  else if (length < 65_536) head.push(masked + 126, length >> 8, length & 255);
  else head.push(masked + 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((by) => (length >>> by) & 255));
  if (!mask) return Buffer.concat([Buffer.from(head), bytes]);
  const sent = bytes.map((byte, at) => byte ^ (KEY[at % 4] ?? 0));
  return Buffer.concat([Buffer.from([...head, ...KEY]), sent]);
}

/** Cuts bytes at the given places, whatever numbers they are. */
export function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort(
    (a, b) => a - b,
  );
  return [0, ...cuts].map((from, n) => bytes.subarray(from, cuts[n] ?? bytes.length));
}

export type SeenWebSocketFrame = {
  readonly opcode: number;
  readonly masked: boolean;
  readonly text: string;
};

/** A peer that sends any bytes it likes, and writes down the frames it is sent: whole, unmasked. */
export type RawWebSocketPeer = {
  readonly send: (...frames: readonly (RawFrame | Buffer)[]) => void;
  readonly frames: readonly SeenWebSocketFrame[];
  /** Resolves when a frame that fits was seen, also one from before. */
  readonly seen: (fits: (frame: SeenWebSocketFrame) => boolean) => Promise<SeenWebSocketFrame>;
};

export function rawWebSocketPeer(socket: Duplex, sendsMasked: boolean): RawWebSocketPeer {
  const frames: SeenWebSocketFrame[] = [];
  const waiting = new Set<(frame: SeenWebSocketFrame) => void>();
  let rest = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (let read = readFrame(rest); read !== null; read = readFrame(rest)) {
      rest = rest.subarray(read.bytes);
      frames.push(read.frame);
      for (const look of waiting) look(read.frame);
    }
  });
  return {
    frames,
    send: (...list) => {
      const bytes = list.map((one) =>
        Buffer.isBuffer(one) ? one : rawFrame({ mask: sendsMasked, ...one }),
      );
      socket.write(Buffer.concat(bytes));
    },
    seen: (fits) => {
      const found = frames.find(fits);
      if (found !== undefined) return Promise.resolve(found);
      return new Promise((resolve) => {
        const look = (frame: SeenWebSocketFrame): void => {
          if (!fits(frame)) return;
          waiting.delete(look);
          resolve(frame);
        };
        waiting.add(look);
      });
    },
  };
}

/** The first whole frame of some bytes, and how many it took. */
function readFrame(bytes: Buffer): { frame: SeenWebSocketFrame; bytes: number } | null {
  const [first = 0, second = 0] = bytes;
  const short = second & 127;
  const extended = short === 127 ? 8 : short === 126 ? 2 : 0;
  const masked = second > 127;
  const start = 2 + extended + (masked ? 4 : 0);
  if (bytes.length < start) return null;
  const length =
    extended === 8 ? bytes.readUInt32BE(6) : extended === 2 ? bytes.readUInt16BE(2) : short;
  const end = start + length;
  if (bytes.length < end) return null;
  const payload = bytes.subarray(start, end);
  const key = bytes.subarray(start - 4, start);
  const clear = masked ? payload.map((byte, at) => byte ^ (key[at % 4] ?? 0)) : payload;
  const frame = { opcode: first & 15, masked, text: Buffer.from(clear).toString('latin1') };
  return { frame, bytes: end };
}
