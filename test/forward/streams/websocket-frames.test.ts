import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  closeFrame,
  opcodes,
  webSocketFrame,
  WebSocketReader,
} from '../../../src/forward/streams/websocket/websocket-frames.ts';
import { cutAt, hex, rawFrame, type RawFrame } from './raw-web-socket.ts';

type Role = 'client' | 'server';
type Said =
  | { readonly kind: 'message'; readonly hex: string; readonly whole: boolean }
  | { readonly kind: 'ping'; readonly hex: string }
  | { readonly kind: 'close'; readonly code: number }
  | { readonly kind: 'wrong'; readonly why: string };

/** What a reader says of some chunks. Parts of one message are joined; each chunk is copied, as reading unmasks it. */
function readAll(role: Role, chunks: readonly Buffer[]): Said[] {
  const said: Said[] = [];
  const message: Buffer[] = [];
  const add = (whole: boolean): void => {
    said.push({ kind: 'message', hex: Buffer.concat(message.splice(0)).toString('hex'), whole });
  };
  const reader = new WebSocketReader(role, {
    part: (bytes, first, last) => {
      if (first !== (message.length === 0)) said.push({ kind: 'wrong', why: 'first is not first' });
      message.push(Buffer.from(bytes));
      if (last) add(true);
    },
    ping: (payload) => said.push({ kind: 'ping', hex: payload.toString('hex') }),
    close: (code) => said.push({ kind: 'close', code }),
  });
  for (const chunk of chunks) {
    const why = reader.push(Buffer.from(chunk));
    if (why === null) continue;
    said.push({ kind: 'wrong', why });
  }
  if (message.length > 0) add(false);
  return said;
}

const message = (text: string): Said => ({
  kind: 'message',
  hex: Buffer.from(text, 'latin1').toString('hex'),
  whole: true,
});
const frames = (...list: RawFrame[]): Buffer => Buffer.concat(list.map((one) => rawFrame(one)));

describe('a peer that breaks RFC 6455 §5 is told how, and nothing behind it is read', () => {
  const ping: RawFrame = { opcode: 9 };
  const cases: readonly {
    readonly name: string;
    readonly role?: Role;
    readonly bytes: Buffer;
    readonly why: RegExp;
  }[] = [
    { name: 'RSV1, as permessage-deflate sets it', bytes: frames({ rsv: 4 }), why: /reserved/ },
    { name: 'RSV2', bytes: frames({ rsv: 2 }), why: /reserved/ },
    { name: 'RSV3', bytes: frames({ rsv: 1 }), why: /reserved/ },
    { name: 'RSV1 on a ping', bytes: frames({ ...ping, rsv: 4 }), why: /reserved/ },
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => ({
      name: `opcode ${opcode}`,
      bytes: frames({ opcode }),
      why: /unknown opcode/,
    })),
    { name: 'a masked frame of a server', bytes: frames({ mask: true }), why: /is masked/ },
    {
      name: 'an unmasked frame of a client',
      role: 'server',
      bytes: frames({}),
      why: /is not masked/,
    },
    { name: 'a fragmented ping', bytes: frames({ ...ping, fin: false }), why: /control frame/ },
    { name: 'a fragmented close', bytes: frames({ opcode: 8, fin: false }), why: /control frame/ },
    {
      name: 'a ping of 126 bytes',
      bytes: frames({ ...ping, payload: 'x'.repeat(126) }),
      why: /control frame/,
    },
    {
      name: 'a close of 64 KiB',
      bytes: frames({ opcode: 8, payload: 'x'.repeat(65_536) }),
      why: /control frame/,
    },
    {
      name: 'a close with half a code',
      bytes: frames({ opcode: 8, payload: 'x' }),
      why: /half a code/,
    },
    { name: 'a continuation of nothing', bytes: frames({ opcode: 0 }), why: /continues nothing/ },
    {
      name: 'a continuation behind a whole message',
      bytes: frames({ payload: 'a' }, { opcode: 0 }),
      why: /continues nothing/,
    },
    {
      name: 'a message inside another',
      bytes: frames({ fin: false }, { payload: 'b' }),
      why: /inside another/,
    },
    {
      name: 'a text message inside a binary one',
      bytes: frames({ fin: false }, { opcode: 9 }, { opcode: 1 }),
      why: /inside another/,
    },
    { name: '125 in 16 bits', bytes: hex('82 7e 00 7d'), why: /length/ },
    { name: '0 in 16 bits', bytes: hex('82 7e 00 00'), why: /length/ },
    { name: '65535 in 64 bits', bytes: hex('82 7f 00 00 00 00 00 00 ff ff'), why: /length/ },
    { name: '2^63', bytes: hex('82 7f 80 00 00 00 00 00 00 00'), why: /length/ },
    { name: '2^53', bytes: hex('82 7f 00 20 00 00 00 00 00 00'), why: /length/ },
    { name: '2^64 - 1', bytes: hex('82 7f ff ff ff ff ff ff ff ff'), why: /length/ },
  ];
  test.each(cases)('$name', ({ role = 'client', bytes, why }) => {
    const behind = frames({ opcode: 9, payload: 'behind', mask: role === 'server' });
    for (const chunks of [[bytes, behind], [Buffer.concat([bytes, behind])]]) {
      const said = readAll(role, chunks);
      const wrong = said.filter((one) => one.kind === 'wrong');
      expect(wrong).toHaveLength(1);
      expect(wrong[0]?.why).toMatch(why);
      const payloads = said.map((one) => ('hex' in one ? one.hex : ''));
      expect(payloads).not.toContain(Buffer.from('behind').toString('hex'));
    }
  });
});

describe('what a peer may send is read', () => {
  const cases: readonly {
    readonly name: string;
    readonly bytes: Buffer;
    readonly said: readonly Said[];
  }[] = [
    { name: 'text like binary', bytes: frames({ opcode: 1, payload: 'a' }), said: [message('a')] },
    { name: 'an empty message', bytes: frames({}), said: [message('')] },
    {
      name: 'fragments, with an empty one first, between and last',
      bytes: frames(
        { fin: false },
        { opcode: 0, fin: false, payload: 'ab' },
        { opcode: 0, fin: false },
        { opcode: 0, fin: false, payload: 'c' },
        { opcode: 0 },
      ),
      said: [message('abc')],
    },
    {
      name: 'a message of empty fragments only',
      bytes: frames({ fin: false }, { opcode: 0, fin: false }, { opcode: 0 }),
      said: [message('')],
    },
    {
      name: 'a ping between fragments; a pong is nothing',
      bytes: frames(
        { fin: false, payload: 'a' },
        { opcode: 9, payload: 'p' },
        { opcode: 10, payload: 'q' },
        { opcode: 0, payload: 'b' },
      ),
      said: [{ kind: 'ping', hex: '70' }, message('ab')],
    },
    {
      name: 'a ping of 125 bytes',
      bytes: frames({ opcode: 9, payload: 'x'.repeat(125) }),
      said: [{ kind: 'ping', hex: '78'.repeat(125) }],
    },
    ...[125, 126, 65_535, 65_536].map((length) => ({
      name: `a message of ${length} bytes`,
      bytes: frames({ payload: 'y'.repeat(length) }),
      said: [message('y'.repeat(length))],
    })),
    {
      name: 'a close with a code and a reason',
      bytes: frames({ opcode: 8, payload: '\u0003\u00ebbye' }),
      said: [{ kind: 'close', code: 1003 }],
    },
    {
      name: 'a close without a code',
      bytes: frames({ opcode: 8 }),
      said: [{ kind: 'close', code: 1005 }],
    },
    {
      name: 'nothing behind a close',
      bytes: frames({ opcode: 8 }, { payload: 'a' }, { rsv: 7 }),
      said: [{ kind: 'close', code: 1005 }],
    },
    {
      name: 'a close inside a message, which then stays open',
      bytes: frames({ fin: false, payload: 'a' }, { opcode: 8 }, { opcode: 0 }),
      said: [
        { kind: 'close', code: 1005 },
        { kind: 'message', hex: '61', whole: false },
      ],
    },
    {
      name: 'the largest length that counts, of which little has come',
      bytes: hex('82 7f 00 1f ff ff ff ff ff ff 61'),
      said: [{ kind: 'message', hex: '61', whole: false }],
    },
  ];
  test.each(cases)('$name, in one chunk and in many', ({ bytes, said }) => {
    expect(readAll('client', [bytes])).toEqual(said);
    const step = bytes.length > 1000 ? 997 : 1;
    const places = Array.from({ length: Math.floor(bytes.length / step) }, (_, at) => at * step);
    expect(readAll('client', cutAt(bytes, places))).toEqual(said);
  });
});

const payload = fc
  .uint8Array({ maxLength: 300 })
  .map((bytes) => Buffer.from(bytes).toString('latin1'));
/** A legal sequence: messages of 1..4 fragments with control frames between them, perhaps a close at the end. */
const control = fc.record({
  opcode: fc.constantFrom(9, 10),
  payload: payload.map((text) => text.slice(0, 125)),
});
const oneMessage = fc
  .tuple(
    fc.constantFrom(1, 2),
    fc.array(fc.tuple(payload, fc.option(control, { nil: null })), { minLength: 1, maxLength: 4 }),
  )
  .map(([opcode, parts]): RawFrame[] =>
    parts.flatMap(([text, between], at) => [
      { opcode: at === 0 ? opcode : 0, fin: at === parts.length - 1, payload: text },
      ...(between === null ? [] : [between]),
    ]),
  );
const sequence = fc
  .tuple(fc.array(oneMessage, { maxLength: 5 }), fc.boolean())
  .map(([messages, closes]) => [...messages.flat(), ...(closes ? [{ opcode: 8 }] : [])]);

const roles: readonly Role[] = ['client', 'server'];
test.each(roles)('as %s, any chunking of a sequence says the same', (role) => {
  fc.assert(
    fc.property(sequence, fc.array(fc.nat(), { maxLength: 30 }), (list, places) => {
      const bytes = frames(...list.map((one) => ({ ...one, mask: role === 'server' })));
      const whole = readAll(role, [bytes]);
      expect(whole.filter((one) => one.kind === 'wrong')).toEqual([]);
      const texts = list.filter((one) => (one.opcode ?? 2) < 3).map((one) => one.payload ?? '');
      const read = whole.map((one) => (one.kind === 'message' ? one.hex : '')).join('');
      expect(read).toBe(Buffer.from(texts.join(''), 'latin1').toString('hex'));
      expect(readAll(role, cutAt(bytes, places))).toEqual(whole);
    }),
  );
});

describe('bytes that no peer would send', () => {
  afterEach(() => vi.restoreAllMocks());

  test('never throw, and never make the reader allocate more than a control frame', () => {
    const sizes: number[] = [];
    const noted = (size: number): void => void sizes.push(size);
    const zeros = Buffer.alloc.bind(Buffer);
    vi.spyOn(Buffer, 'allocUnsafe').mockImplementation((size) => (noted(size), zeros(size)));
    vi.spyOn(Buffer, 'alloc').mockImplementation((size) => (noted(size), zeros(size)));
    const head = fc.tuple(
      fc.constantFrom(0x00, 0x01, 0x02, 0x80, 0x82, 0x88, 0x89, 0x8a, 0xc2),
      fc.constantFrom(0x00, 0x05, 0x7d, 0x7e, 0x7f, 0x85, 0xfd, 0xfe, 0xff),
    );
    const pieces = fc.array(
      fc.oneof(
        head.map((two) => Buffer.from(two)),
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      ),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(fc.constantFrom(...roles), pieces, (role, chunks) => {
        let bytes = 0;
        const reader = new WebSocketReader(role, {
          part: (part) => (bytes += part.length),
          ping: (ping) => (bytes += ping.length),
          close: () => {},
        });
        for (const chunk of chunks) reader.push(chunk);
        expect(bytes).toBeLessThanOrEqual(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
      }),
      { numRuns: 500 },
    );
    expect(sizes.length).toBeGreaterThan(500);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(125);
  });

  test('a data part is a slice of its chunk, not a copy', () => {
    const chunk = frames({ payload: 'abc' });
    const parts: Buffer[] = [];
    const reader = new WebSocketReader('client', {
      part: (part) => parts.push(part),
      ping: () => {},
      close: () => {},
    });
    reader.push(chunk);
    expect(parts.map((part) => part.buffer === chunk.buffer)).toEqual([true]);
  });
});

describe('what we write', () => {
  const other = { client: 'server', server: 'client' } as const;

  test.each(roles)('as %s is read by the other side, prefix first', (role) => {
    const lengths = fc.oneof(fc.nat(300), fc.constantFrom(124, 125, 126, 65_534, 65_535, 65_536));
    fc.assert(
      fc.property(lengths, fc.uint8Array({ maxLength: 2 }), (length, prefix) => {
        const bytes = randomBytes(length);
        const before = Buffer.from(bytes);
        const frame = webSocketFrame(role, opcodes.binary, bytes, prefix);
        expect(bytes.equals(before)).toBe(true);
        const whole = Buffer.concat([prefix, bytes]).toString('hex');
        expect(readAll(other[role], [frame])).toEqual([
          { kind: 'message', hex: whole, whole: true },
        ]);
      }),
      { numRuns: 60 },
    );
  });

  test('as a client is masked with a new key each time; as a server it is in the clear', () => {
    const keys = Array.from({ length: 20 }, () =>
      webSocketFrame('client', opcodes.binary, Buffer.from('same')).toString('hex', 2, 6),
    );
    expect(new Set(keys).size).toBe(20);
    const clear = webSocketFrame('server', opcodes.binary, Buffer.from('same'));
    expect(clear).toEqual(Buffer.concat([hex('82 04'), Buffer.from('same')]));
  });

  const codes = [
    { code: 1000, sent: 1000 },
    { code: 1004, sent: 1000 },
    { code: 1005, sent: 1000 },
    { code: 1006, sent: 1000 },
    { code: 1008, sent: 1008 },
    { code: 1011, sent: 1011 },
    { code: 1014, sent: 1014 },
    { code: 1015, sent: 1000 },
    { code: 2999, sent: 1000 },
    { code: 3000, sent: 3000 },
    { code: 4999, sent: 4999 },
    { code: 5000, sent: 1000 },
    { code: 0, sent: 1000 },
    { code: 70_000, sent: 1000 },
  ];
  test.each(codes)('close code $code goes out as $sent', ({ code, sent }) => {
    for (const role of roles)
      expect(readAll(other[role], [closeFrame(role, code)])).toEqual([
        { kind: 'close', code: sent },
      ]);
  });
});
