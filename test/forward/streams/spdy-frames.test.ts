import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SpdyFrameReader } from '../../../src/forward/streams/spdy/spdy-frame-reader.ts';
import {
  controlBytesMax,
  controlFrame,
  dataHead,
  type SpdyFrame,
} from '../../../src/forward/streams/spdy/spdy-frames.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** All frames of some chunks; views of the payloads are copied, pieces of one data frame are joined. */
function readAll(chunks: readonly Buffer[]): SpdyFrame[] {
  const reader = new SpdyFrameReader();
  const frames: SpdyFrame[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let frame = reader.next(); frame !== null; frame = reader.next()) {
      const last = frames.at(-1);
      if (frame.type === 'data' && !frame.begins && last?.type === 'data') {
        const bytes = Buffer.concat([last.bytes, frame.bytes]);
        frames[frames.length - 1] = { ...last, bytes, fin: frame.fin };
      } else if ('block' in frame) frames.push({ ...frame, block: Buffer.from(frame.block) });
      else if (frame.type === 'data') frames.push({ ...frame, bytes: Buffer.from(frame.bytes) });
      else frames.push(frame);
      if (frame.type === 'broken') return frames;
    }
  }
  return frames;
}

/** Cuts bytes at the given places. */
function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort(
    (a, b) => a - b,
  );
  return [0, ...cuts].map((from, n) => bytes.subarray(from, cuts[n] ?? bytes.length));
}

const id = fc.integer({ min: 1, max: 0x7fff_ffff });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array));
/** A frame as our writers make it, with what must be read. */
const written: fc.Arbitrary<readonly [Buffer, SpdyFrame]> = fc.oneof(
  fc
    .tuple(id, bytes, fc.boolean())
    .map(
      ([stream, data, fin]) =>
        [
          Buffer.concat([dataHead(stream, data.length, fin), data]),
          { type: 'data', id: stream, bytes: data, begins: true, fin } as const,
        ] as const,
    ),
  fc
    .tuple(id, bytes)
    .map(
      ([stream, block]) =>
        [
          controlFrame.synStream(stream, block),
          { type: 'syn-stream', id: stream, block, fin: false, unidirectional: false } as const,
        ] as const,
    ),
  fc
    .tuple(id, bytes)
    .map(
      ([stream, block]) =>
        [
          controlFrame.synReply(stream, block),
          { type: 'syn-reply', id: stream, block, fin: false } as const,
        ] as const,
    ),
  fc
    .tuple(id, uint32)
    .map(
      ([stream, status]) =>
        [
          controlFrame.rstStream(stream, status),
          { type: 'rst-stream', id: stream, status } as const,
        ] as const,
    ),
  id.map((ping) => [controlFrame.ping(ping), { type: 'ping', id: ping } as const] as const),
  fc
    .tuple(id, uint32)
    .map(
      ([lastId, status]) =>
        [controlFrame.goaway(lastId, status), { type: 'goaway', lastId, status } as const] as const,
    ),
);

describe('the frame reader', () => {
  test('reads what the writers make, however it is cut', () => {
    fc.assert(
      fc.property(fc.array(written, { maxLength: 12 }), fc.array(fc.nat()), (frames, places) => {
        const wire = Buffer.concat(frames.map(([one]) => one));
        expect(readAll(cutAt(wire, places))).toEqual(frames.map(([, frame]) => frame));
      }),
    );
  });

  test('reads the same frames from any bytes, however they are cut, and never throws', () => {
    const control = fc
      .tuple(fc.integer({ min: 0, max: 11 }), fc.nat(3), bytes)
      .map(([type, flags, payload]) =>
        Buffer.concat([Buffer.from([0x80, 3, 0, type, flags, 0, 0, payload.length]), payload]),
      );
    const any = fc.array(
      fc.oneof(
        control,
        bytes,
        written.map(([one]) => one),
      ),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(any, fc.array(fc.nat()), (parts, places) => {
        const wire = Buffer.concat(parts);
        const cut = readAll(cutAt(wire, places));
        const whole = readAll([wire]);
        expect(cut).toEqual(whole);
      }),
      { numRuns: 500 },
    );
  });

  test('a data frame of 16 MiB is passed on as it comes, without a copy', () => {
    const reader = new SpdyFrameReader();
    const length = 0xff_ffff;
    reader.push(dataHead(1, length, true));
    expect(reader.next()).toBeNull();
    const chunk = Buffer.alloc(60_000);
    for (let left = length; left > 0; left -= chunk.length) {
      reader.push(chunk.subarray(0, left));
      const piece = reader.next();
      if (piece?.type !== 'data') throw new Error('no data came');
      expect(piece.bytes.buffer).toBe(chunk.buffer);
      expect(piece.fin).toBe(left <= chunk.length);
      expect(reader.next()).toBeNull();
    }
    expect(reader.isInsideFrame).toBe(false);
  });

  const broken = [
    { what: 'a frame of SPDY/2', wire: '8002 0001 00 00000a', detail: /version 2/ },
    { what: 'a control frame above the bound', wire: '8003 0001 00 010001', detail: /65537 bytes/ },
    { what: 'a control frame of unknown type', wire: '8003 000b 00 000000', detail: /type 11/ },
    { what: 'a data frame of stream 0', wire: '00000000 00 000000', detail: /stream 0/ },
    {
      what: 'a SYN_STREAM of stream 0',
      wire: '8003 0001 00 00000a 00000000 00000000 0000',
      detail: /stream 0/,
    },
    {
      what: 'a short SYN_STREAM',
      wire: '8003 0001 00 000009 00000001 00000000 00',
      detail: /cut short/,
    },
    { what: 'a short SYN_REPLY', wire: '8003 0002 00 000003 000000', detail: /cut short/ },
    { what: 'a short HEADERS', wire: '8003 0008 00 000000', detail: /cut short/ },
    {
      what: 'a RST_STREAM of 4 bytes',
      wire: '8003 0003 00 000004 00000001',
      detail: /type 3 with 4/,
    },
    {
      what: 'a PING of 8 bytes',
      wire: '8003 0006 00 000008 0000000100000001',
      detail: /type 6 with 8/,
    },
    { what: 'a PING with flags', wire: '8003 0006 01 000004 00000001', detail: /flags 1/ },
    { what: 'a PING of id 0', wire: '8003 0006 00 000004 00000000', detail: /id 0/ },
    { what: 'a GOAWAY of SPDY/2', wire: '8003 0007 00 000004 00000001', detail: /type 7 with 4/ },
    {
      what: 'a WINDOW_UPDATE of 4 bytes',
      wire: '8003 0009 00 000004 00000001',
      detail: /type 9 with 4/,
    },
    {
      what: 'a SETTINGS of 4 billion entries',
      wire: '8003 0004 00 000004 ffffffff',
      detail: /SETTINGS/,
    },
    { what: 'an empty SETTINGS', wire: '8003 0004 00 000000', detail: /SETTINGS/ },
  ];
  test.each(broken)('$what cannot be read, nor anything behind it', ({ wire, detail }) => {
    const reader = new SpdyFrameReader();
    reader.push(Buffer.concat([hex(wire), controlFrame.ping(1)]));
    const frame = reader.next();
    expect(frame?.type === 'broken' ? frame.detail : '').toMatch(detail);
    expect(reader.next()).toBe(frame);
    reader.push(controlFrame.ping(1));
    expect(reader.next()).toBe(frame);
  });

  test('the largest control frame is read, one byte more is not waited for', () => {
    const largest = controlFrame.synStream(1, Buffer.alloc(controlBytesMax - 10));
    expect(readAll([largest.subarray(0, 100), largest.subarray(100)])).toHaveLength(1);
    const larger = controlFrame.synStream(1, Buffer.alloc(controlBytesMax - 9));
    expect(readAll([larger.subarray(0, 8)])).toMatchObject([{ type: 'broken' }]);
  });

  test('SETTINGS and WINDOW_UPDATE are read whole', () => {
    const wire = hex(
      '8003 0004 01 00000c 00000001 04000007 00010000  8003 0009 00 000008 00000001 00010000',
    );
    expect(readAll([wire])).toEqual([{ type: 'settings' }, { type: 'window-update' }]);
  });
});

describe('the frame writers', () => {
  const frames = [
    {
      what: 'SYN_STREAM',
      frame: controlFrame.synStream(3, hex('aabb')),
      wire: '80030001 0000000c 00000003 00000000 0000 aabb',
    },
    {
      what: 'SYN_REPLY',
      frame: controlFrame.synReply(3, hex('aabb')),
      wire: '80030002 00000006 00000003 aabb',
    },
    {
      what: 'RST_STREAM',
      frame: controlFrame.rstStream(3, 5),
      wire: '80030003 00000008 00000003 00000005',
    },
    { what: 'PING', frame: controlFrame.ping(2), wire: '80030006 00000004 00000002' },
    {
      what: 'GOAWAY',
      frame: controlFrame.goaway(5, 0),
      wire: '80030007 00000008 00000005 00000000',
    },
    { what: 'DATA', frame: dataHead(3, 0x0001_0203, false), wire: '00000003 00010203' },
    { what: 'DATA with FIN', frame: dataHead(3, 0, true), wire: '00000003 01000000' },
  ];
  test.each(frames)('$what is written as the draft draws it', ({ frame, wire }) => {
    expect(frame).toEqual(hex(wire));
  });
});
