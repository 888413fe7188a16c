import { constants, createDeflate, createInflate, deflateRawSync } from 'node:zlib';
import type { Transform } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createHeaderReader,
  createHeaderWriter,
  decodeHeaderBlock,
  encodeHeaderBlock,
  headerBlockBytesMax,
  type HeaderBlock,
} from '../../../src/forward/streams/spdy/header-block.ts';
import {
  spdyDictionary,
  spdyDictionaryId,
} from '../../../src/forward/streams/spdy/spdy-dictionary.ts';
import { adler32 } from './adler32.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const latin1 = fc
  .uint8Array({ maxLength: 40 })
  .map((bytes) => Buffer.from(bytes).toString('latin1').replaceAll('\0', '.'));
const name = fc.stringMatching(/^[a-z0-9-]{1,20}$/);
const headerBlocks = fc
  .array(fc.tuple(name, fc.array(latin1, { minLength: 1, maxLength: 3 })), { maxLength: 10 })
  .map((pairs): HeaderBlock => new Map(pairs));

/** Node's own zlib as a peer: one stream over all blocks, flushed behind each. */
function overZlib(stream: Transform): (block: Buffer) => Promise<Buffer> {
  const out: Buffer[] = [];
  stream.on('data', (bytes: Buffer) => out.push(bytes));
  return (block) =>
    new Promise((resolve, reject) => {
      stream.once('error', reject);
      stream.write(block, () => {
        stream.off('error', reject);
        resolve(Buffer.concat(out.splice(0)));
      });
    });
}

const deflater = (level: number): ((block: Buffer) => Promise<Buffer>) =>
  overZlib(createDeflate({ level, dictionary: spdyDictionary, flush: constants.Z_SYNC_FLUSH }));

test('the dictionary is that of SPDY/3, byte for byte', () => {
  expect(spdyDictionary).toHaveLength(1423);
  expect(adler32(spdyDictionary)).toBe(spdyDictionaryId);
});

describe('name/value blocks', () => {
  test('what is encoded decodes to the same', () => {
    fc.assert(
      fc.property(headerBlocks, (headers) => {
        expect(decodeHeaderBlock(encodeHeaderBlock(headers))).toEqual({ ok: true, value: headers });
      }),
    );
  });

  const malformed = [
    { what: 'nothing', bytes: '', error: 'a header block without a count' },
    { what: 'a count alone', bytes: '00000001', error: 'a header block that is cut short' },
    { what: '65 headers', bytes: '00000041', error: 'a header block of 65 headers' },
    { what: '4 billion headers', bytes: 'ffffffff', error: 'a header block of 4294967295 headers' },
    {
      what: 'a name of 4 billion bytes',
      bytes: '00000001 ffffffff 61',
      error: 'a header block that is cut short',
    },
    {
      what: 'a value that is longer than the block',
      bytes: '00000001 00000001 61 00000002 62',
      error: 'a header block that is cut short',
    },
    {
      what: 'no value',
      bytes: '00000001 00000001 61',
      error: 'a header block that is cut short',
    },
    {
      what: 'an empty name',
      bytes: '00000001 00000000 00000001 62',
      error: 'a header without a name',
    },
    {
      what: 'a name in upper case',
      bytes: '00000001 00000001 41 00000001 62',
      error: 'a header name in upper case',
    },
    {
      what: 'a name that stands twice',
      bytes: '00000002 00000001 61 00000001 62 00000001 61 00000001 63',
      error: 'a header that stands twice',
    },
    {
      what: 'bytes behind the last value',
      bytes: '00000001 00000001 61 00000001 62 00',
      error: 'a header block with bytes behind it',
    },
  ];
  test.each(malformed)('$what is refused', ({ bytes, error }) => {
    expect(decodeHeaderBlock(hex(bytes))).toEqual({ ok: false, error });
  });

  test('values of one name are split at NUL', () => {
    const block = decodeHeaderBlock(hex('00000001 00000001 61 00000003 620063'));
    expect(block).toEqual({ ok: true, value: new Map([['a', ['b', 'c']]]) });
  });

  test('random bytes never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(typeof decodeHeaderBlock(Buffer.from(bytes)).ok).toBe('boolean');
      }),
    );
  });
});

describe('compressed blocks of one direction', () => {
  test("zlib's own inflate reads what the writer makes, all blocks in one stream", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(headerBlocks, { minLength: 1, maxLength: 8 }), async (blocks) => {
        const write = createHeaderWriter();
        const inflate = overZlib(
          createInflate({ dictionary: spdyDictionary, flush: constants.Z_SYNC_FLUSH }),
        );
        for (const headers of blocks) {
          expect(decodeHeaderBlock(await inflate(write(headers)))).toEqual({
            ok: true,
            value: headers,
          });
        }
      }),
      { numRuns: 30 },
    );
  });

  test("the reader reads what zlib's own deflate makes, at any level, each block with the ones before it", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 9 }),
        fc.array(headerBlocks, { minLength: 1, maxLength: 8 }),
        async (level, blocks) => {
          const read = createHeaderReader();
          const deflate = deflater(level);
          for (const headers of [...blocks, ...blocks]) {
            const block = await deflate(encodeHeaderBlock(headers));
            expect(read(block)).toEqual({ ok: true, value: headers });
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  test('blocks refer back over the whole window of 32 KiB, and no further is needed', async () => {
    const read = createHeaderReader();
    const deflate = deflater(9);
    const noise = Array.from({ length: 14_000 }, (_, n) =>
      ((n * 7919) % 65_521).toString(36),
    ).join();
    for (let n = 0; n < 40; n++) {
      const value = noise.slice((n % 5) * 7000, (n % 5) * 7000 + 7000);
      const headers = new Map([['streamtype', [value]]]);
      expect(read(await deflate(encodeHeaderBlock(headers)))).toEqual({ ok: true, value: headers });
    }
  });

  test('a repeated block is smaller than the first: the context is shared', async () => {
    const deflate = deflater(6);
    const block = encodeHeaderBlock(new Map([['requestid', ['a value that no dictionary holds']]]));
    const first = await deflate(block);
    const second = await deflate(block);
    expect(second.length).toBeLessThan(first.length / 2);
    const [read, fresh] = [createHeaderReader(), createHeaderReader()];
    expect([read(first).ok, read(second).ok, fresh(second).ok]).toEqual([true, true, false]);
  });

  const zlibHead = (head: string): Buffer =>
    Buffer.concat([
      hex(head),
      deflateRawSync(hex('00000000'), { finishFlush: constants.Z_SYNC_FLUSH }),
    ]);
  const unreadable = [
    { what: 'nothing', block: Buffer.alloc(0), error: 'a header block without a zlib head' },
    {
      what: 'a stream without a dictionary',
      block: zlibHead('789c ffffffff'),
      error: 'a header block that is no zlib stream with a dictionary',
    },
    {
      what: 'a head with a wrong check',
      block: zlibHead('78bc e3c6a7c2'),
      error: 'a header block that is no zlib stream with a dictionary',
    },
    {
      what: 'the dictionary of SPDY/2',
      block: zlibHead('78bb dfdabe25'),
      error: 'a zlib dictionary that is not of SPDY/3',
    },
    {
      what: 'a block that is not flushed',
      block: Buffer.concat([hex('78bb e3c6a7c2'), deflateRawSync(hex('00000000'))]),
      error: 'a header block that is not flushed',
    },
    {
      what: 'a block that is no deflate stream',
      block: hex('78bb e3c6a7c2 ffffff 0000ffff'),
      error: 'a header block that does not inflate (Z_DATA_ERROR)',
    },
  ];
  test.each(unreadable)('$what is refused', ({ block, error }) => {
    expect(createHeaderReader()(block)).toEqual({ ok: false, error });
  });

  const bombs = [
    { what: 'one byte too many', bytes: headerBlockBytesMax + 1 },
    { what: '20 MB of zeros in 20 KB', bytes: 20_000_000 },
  ];
  test.each(bombs)('a bomb is cut at the bound: $what', async ({ bytes }) => {
    const block = await deflater(9)(Buffer.alloc(bytes));
    expect(block.length).toBeLessThan(64 * 1024);
    const before = process.memoryUsage().arrayBuffers;
    expect(createHeaderReader()(block)).toEqual({
      ok: false,
      error: 'a header block of more than 65536 bytes',
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
  });

  test('random bytes behind a true head never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const block = Buffer.concat([hex('78bb e3c6a7c2'), bytes, hex('0000ffff')]);
        expect(typeof createHeaderReader()(block).ok).toBe('boolean');
      }),
    );
  });
});
