/**
 * Frames of SPDY/3.1 as bytes (draft-mbelshe-httpbis-spdy-00, section 2.2), in and out. Nothing here knows of streams.
 *
 *   control: 1 | version 3 (15 bits) | type (16)   | flags (8) | length (24) | payload
 *   data:    0 | stream id (31)                    | flags (8) | length (24) | bytes
 */

/** A piece of a data frame, as its bytes arrived: `begins` is set on the first piece of a frame, `fin` only on the last. */
export type DataPiece = {
  readonly type: 'data';
  readonly id: number;
  readonly bytes: Buffer;
  readonly begins: boolean;
  readonly fin: boolean;
};

/** What a peer sent. */
export type SpdyFrame =
  | DataPiece
  | {
      readonly type: 'syn-stream';
      readonly id: number;
      readonly fin: boolean;
      readonly unidirectional: boolean;
      readonly block: Buffer;
    }
  | {
      readonly type: 'syn-reply' | 'headers';
      readonly id: number;
      readonly fin: boolean;
      readonly block: Buffer;
    }
  | { readonly type: 'rst-stream'; readonly id: number; readonly status: number }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'goaway'; readonly lastId: number; readonly status: number }
  | { readonly type: 'settings' | 'window-update' }
  /** The bytes are no SPDY/3, or exceed a bound: nothing behind them can be read. */
  | { readonly type: 'broken'; readonly detail: string };

/** Statuses of RST_STREAM (section 2.6.3). */
export const resetStatus = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  cancel: 5,
  streamInUse: 8,
  streamAlreadyClosed: 9,
} as const;

/** Statuses of GOAWAY (section 2.6.6). */
export const goawayStatus = { ok: 0, protocolError: 1 } as const;

export const controlBytesMax = 64 * 1024;
/** The longest data frame that is written: one that a peer must hold as a whole, as moby/spdystream does. */
export const dataFrameBytesMax = 64 * 1024;
export const streamIdMax = 0x7fff_ffff;

export const headBytes = 8;
export const finFlag = 0x01;
const unidirectionalFlag = 0x02;
const controlTypes = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

const broken = (detail: string): SpdyFrame => ({ type: 'broken', detail });

/**
 * Reads a control frame from its payload, which it may view. moby/spdystream, too, ends the session on a type that it does not know.
 */
export function readControlFrame(type: number, flags: number, payload: Buffer): SpdyFrame {
  const fin = (flags & finFlag) !== 0;
  const fixed = fixedPayloadBytes.get(type);
  if (fixed !== undefined && (payload.length !== fixed || flags !== 0)) {
    return broken(
      `a control frame of type ${type} with ${payload.length} bytes and flags ${flags}`,
    );
  }
  switch (type) {
    case controlTypes.synStream:
      if (payload.length < 10) return broken('a SYN_STREAM that is cut short');
      return ofStream(payload, (id) => ({
        type: 'syn-stream',
        id,
        fin,
        unidirectional: (flags & unidirectionalFlag) !== 0,
        block: payload.subarray(10),
      }));
    case controlTypes.synReply:
    case controlTypes.headers: {
      if (payload.length < 4) return broken('a SYN_REPLY or HEADERS that is cut short');
      const name = type === controlTypes.synReply ? 'syn-reply' : 'headers';
      return ofStream(payload, (id) => ({ type: name, id, fin, block: payload.subarray(4) }));
    }
    case controlTypes.rstStream:
      return ofStream(payload, (id) => ({
        type: 'rst-stream',
        id,
        status: payload.readUInt32BE(4),
      }));
    case controlTypes.ping:
      return payload.readUInt32BE(0) === 0
        ? broken('a PING of id 0')
        : { type: 'ping', id: payload.readUInt32BE(0) };
    case controlTypes.goaway:
      return {
        type: 'goaway',
        lastId: payload.readUInt32BE(0) & streamIdMax,
        status: payload.readUInt32BE(4),
      };
    case controlTypes.settings:
      return payload.length >= 4 && payload.length === 4 + 8 * payload.readUInt32BE(0)
        ? { type: 'settings' }
        : broken('a SETTINGS of another length than it says');
    case controlTypes.windowUpdate:
      return { type: 'window-update' };
    default:
      return broken(`a control frame of type ${type}, which is unknown`);
  }
}

const fixedPayloadBytes = new Map<number, number>([
  [controlTypes.rstStream, 8],
  [controlTypes.ping, 4],
  [controlTypes.goaway, 8],
  [controlTypes.windowUpdate, 8],
]);

function ofStream(payload: Buffer, frame: (id: number) => SpdyFrame): SpdyFrame {
  const id = payload.readUInt32BE(0) & streamIdMax;
  return id === 0 ? broken('a control frame of stream 0') : frame(id);
}

function control(type: number, flags: number, payload: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt16BE(0x8003, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt8(flags, 4);
  head.writeUIntBE(
    payload.reduce((sum, part) => sum + part.length, 0),
    5,
    3,
  );
  return Buffer.concat([head, ...payload]);
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [at, value] of values.entries()) bytes.writeUInt32BE(value, 4 * at);
  return bytes;
}

/** Control frames as bytes. `block` is what a header writer made, in the order in which the frames are sent. */
export const controlFrame = {
  /** No associated stream, highest priority, no credential slot: as moby/spdystream writes it. */
  synStream: (id: number, block: Buffer): Buffer =>
    control(controlTypes.synStream, 0, [words(id, 0), Buffer.alloc(2), block]),
  synReply: (id: number, block: Buffer): Buffer =>
    control(controlTypes.synReply, 0, [words(id), block]),
  rstStream: (id: number, status: number): Buffer =>
    control(controlTypes.rstStream, 0, [words(id, status)]),
  ping: (id: number): Buffer => control(controlTypes.ping, 0, [words(id)]),
  goaway: (lastId: number, status: number): Buffer =>
    control(controlTypes.goaway, 0, [words(lastId, status)]),
} as const;

/** The head of a data frame; `length` bytes follow, at most `dataFrameBytesMax`. */
export function dataHead(id: number, length: number, fin: boolean): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUInt32BE(id, 0);
  head.writeUInt8(fin ? finFlag : 0, 4);
  head.writeUIntBE(length, 5, 3);
  return head;
}
