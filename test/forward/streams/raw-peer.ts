import type { Duplex } from 'node:stream';
import type { Leg, LegEvents } from '../../../src/forward/streams/frames.ts';
import {
  createHeaderReader,
  createHeaderWriter,
} from '../../../src/forward/streams/spdy/header-block.ts';
import { SpdyFrameReader } from '../../../src/forward/streams/spdy/spdy-frame-reader.ts';
import {
  controlFrame,
  dataHead,
  type SpdyFrame,
} from '../../../src/forward/streams/spdy/spdy-frames.ts';
import { createSpdyLeg, type SpdyLegOptions } from '../../../src/forward/streams/spdy/spdy-leg.ts';
import { duplexPair } from './duplex-pair.ts';
import { handTimers, logLeg, type HandTimers, type LegLog } from './leg-log.ts';

/** What a leg sent; header blocks are read, so that a test can compare them. */
export type SeenFrame =
  | Exclude<SpdyFrame, { block: Buffer } | { type: 'data' }>
  | { readonly type: 'data'; readonly id: number; readonly text: string; readonly fin: boolean }
  | {
      readonly type: 'syn-stream' | 'syn-reply' | 'headers';
      readonly id: number;
      readonly headers: unknown;
    };

/** A peer that sends any bytes it likes, and writes down what it is sent. */
export type RawPeer = {
  readonly send: (...parts: readonly Buffer[]) => void;
  /** A SYN_STREAM; `flags` are set as given. */
  readonly syn: (id: number, headers: Record<string, string>, flags?: number) => Buffer;
  readonly reply: (id: number, flags?: number) => Buffer;
  readonly frames: readonly SeenFrame[];
};

/** Sets the flags of a control frame. */
function flagged(frame: Buffer, flags: number): Buffer {
  frame.writeUInt8(flags, 4);
  return frame;
}

export function dataFrame(id: number, text: string, fin = false): Buffer {
  return Buffer.concat([dataHead(id, text.length, fin), Buffer.from(text, 'latin1')]);
}

export function rawPeer(socket: Duplex): RawPeer {
  const write = createHeaderWriter();
  const read = createHeaderReader();
  const reader = new SpdyFrameReader();
  const frames: SeenFrame[] = [];
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    reader.push(chunk);
    for (let frame = reader.next(); frame !== null; frame = reader.next()) {
      if ('block' in frame) {
        const headers = read(frame.block);
        if (!headers.ok) throw new Error(headers.error);
        frames.push({ type: frame.type, id: frame.id, headers: Object.fromEntries(headers.value) });
      } else if (frame.type === 'data') {
        const { id, bytes, fin } = frame;
        frames.push({ type: 'data', id, text: bytes.toString('latin1'), fin });
      } else frames.push(frame);
    }
  });
  return {
    frames,
    send: (...parts) => socket.write(Buffer.concat(parts)),
    syn: (id, headers, flags = 0) => {
      const block = write(
        new Map(Object.entries(headers).map(([name, value]) => [name, value.split('\0')])),
      );
      return flagged(controlFrame.synStream(id, block), flags);
    },
    reply: (id, flags = 0) => flagged(controlFrame.synReply(id, write(new Map())), flags),
  };
}

export type Meeting = {
  readonly leg: Leg;
  readonly log: LegLog;
  readonly peer: RawPeer;
  readonly timers: HandTimers;
  readonly hangUp: () => void;
  readonly breakOff: () => void;
  readonly isClosed: () => boolean;
};

/** A leg and a peer that speaks bytes. A server leg accepts every stream. */
export function meet(
  role: SpdyLegOptions['role'],
  on: Partial<LegEvents> = {},
  options: Partial<SpdyLegOptions> = {},
): Meeting {
  const [a, b] = duplexPair();
  const timers = handTimers();
  const leg = createSpdyLeg(a, { role, timers, ...options });
  const peer = rawPeer(b);
  const log = logLeg(leg, { opened: (id) => leg.accept(id), ...on });
  return {
    leg,
    log,
    peer,
    timers,
    hangUp: () => void b.end(),
    breakOff: () => void b.destroy(),
    isClosed: () => a.destroyed,
  };
}
