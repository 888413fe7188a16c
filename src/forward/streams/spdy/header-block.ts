import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { err, ok, type Result } from '../../../base/result.ts';
import { spdyDictionary, spdyDictionaryId } from './spdy-dictionary.ts';

/** Names in lower case, each with its values: latin1 text, byte for byte. */
export type HeaderBlock = ReadonlyMap<string, readonly string[]>;

/** Kubernetes sends three headers a stream; these bounds leave room and no more. */
const headerCountMax = 64;
export const headerBlockBytesMax = 64 * 1024;

/** How far deflate looks back (RFC 1951, section 2). */
const windowBytes = 32 * 1024;
/** What Z_SYNC_FLUSH leaves at the end of a block: an empty stored block, on a byte border. */
const syncMarker = Buffer.from([0x00, 0x00, 0xff, 0xff]);
/** CMF and FLG: deflate with a 32 KiB window, a dictionary follows; then the dictionary's id (RFC 1950, section 2.2). */
const zlibHead = Buffer.from([0x78, 0x20, 0, 0, 0, 0]);
zlibHead.writeUInt32BE(spdyDictionaryId, 2);

/**
 * Writes a name/value block, not compressed (draft-mbelshe-httpbis-spdy-00, section 2.6.10). Values of one name are
 * joined with NUL.
 */
export function encodeHeaderBlock(headers: HeaderBlock): Buffer {
  const parts: Buffer[] = [uint32(headers.size)];
  for (const [name, values] of headers) {
    for (const text of [name, values.join('\0')]) {
      parts.push(uint32(text.length), Buffer.from(text, 'latin1'));
    }
  }
  return Buffer.concat(parts);
}

/**
 * Reads a name/value block, not compressed. The error says what is wrong with it: names in upper case, empty or twice,
 * more than `headerCountMax`, lengths that the block does not have. Every length is held against the bytes that are
 * there before anything is made of it (CVE-2026-35469: spdystream allocated what a peer claimed).
 */
export function decodeHeaderBlock(block: Buffer): Result<HeaderBlock, string> {
  if (block.length < 4) return err('a header block without a count');
  const count = block.readUInt32BE(0);
  if (count > headerCountMax) return err(`a header block of ${count} headers`);
  const headers = new Map<string, readonly string[]>();
  let at = 4;
  const text = (): string | null => {
    if (block.length - at < 4) return null;
    const length = block.readUInt32BE(at);
    if (length > block.length - at - 4) return null;
    at += 4 + length;
    return block.toString('latin1', at - length, at);
  };
  for (let n = 0; n < count; n++) {
    const name = text();
    const value = name === null ? null : text();
    if (name === null || value === null) return err('a header block that is cut short');
    if (name === '') return err('a header without a name');
    if (/[A-Z]/.test(name)) return err('a header name in upper case');
    if (headers.has(name)) return err('a header that stands twice');
    headers.set(name, value.split('\0'));
  }
  if (at !== block.length) return err('a header block with bytes behind it');
  return ok(headers);
}

/** Makes header blocks for one direction of a connection, in the order in which they are sent. */
export type HeaderWriter = (headers: HeaderBlock) => Buffer;

/**
 * Makes the writer of one direction. All blocks are one zlib stream, flushed behind each (Z_SYNC_FLUSH), of stored
 * blocks: what a session sends is too short to gain from compression, so no deflate state is kept for it, and lengths
 * tell nothing of what is in them (CRIME, CVE-2012-4929).
 */
export function createHeaderWriter(): HeaderWriter {
  let head = zlibHead;
  return (headers) => {
    const stored = deflateRawSync(encodeHeaderBlock(headers), {
      level: constants.Z_NO_COMPRESSION,
      finishFlush: constants.Z_SYNC_FLUSH,
    });
    const block = Buffer.concat([head, stored]);
    head = Buffer.alloc(0);
    return block;
  };
}

/** Reads the header blocks of one direction, in the order in which they came. After an error nothing more can be read. */
export type HeaderReader = (block: Buffer) => Result<HeaderBlock, string>;

/**
 * Makes the reader of one direction. All blocks are one zlib stream. Because each ends on a byte border (which is
 * checked), the state between two blocks is the last 32 KiB of output alone: so each block is inflated by itself with
 * that as its dictionary, at once and in order, and a bomb is cut at `headerBlockBytesMax`.
 */
export function createHeaderReader(): HeaderReader {
  let history = spdyDictionary;
  let begun = false;
  return (block) => {
    let deflated = block;
    if (!begun) {
      const named = checkZlibHead(block);
      if (named !== null) return err(named);
      begun = true;
      deflated = block.subarray(zlibHead.length);
    }
    if (!deflated.subarray(-syncMarker.length).equals(syncMarker)) {
      return err('a header block that is not flushed');
    }
    const inflated = inflate(deflated, history);
    if (!inflated.ok) return inflated;
    history = Buffer.concat([history, inflated.value]).subarray(-windowBytes);
    return decodeHeaderBlock(inflated.value);
  };
}

/** Null, or what is wrong with the first bytes of a zlib stream. */
function checkZlibHead(block: Buffer): string | null {
  if (block.length < zlibHead.length) return 'a header block without a zlib head';
  const flags = block.readUInt16BE(0);
  const isZlib = flags % 31 === 0 && (flags & 0x0f00) === 0x0800 && flags >> 12 <= 7;
  if (!isZlib || (flags & 0x20) === 0)
    return 'a header block that is no zlib stream with a dictionary';
  return block.readUInt32BE(2) === spdyDictionaryId
    ? null
    : 'a zlib dictionary that is not of SPDY/3';
}

function inflate(deflated: Buffer, dictionary: Buffer): Result<Buffer, string> {
  try {
    return ok(
      inflateRawSync(deflated, {
        dictionary,
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: headerBlockBytesMax,
      }),
    );
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    return err(
      code === 'ERR_BUFFER_TOO_LARGE'
        ? `a header block of more than ${headerBlockBytesMax} bytes`
        : `a header block that does not inflate (${code})`,
    );
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
