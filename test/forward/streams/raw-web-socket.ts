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
