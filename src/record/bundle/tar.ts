import { err, ok, type Result } from '../../base/result.ts';

/**
 * The part of POSIX tar (IEEE 1003.1, ustar) that an evidence bundle uses: plain files with short names. Our own, because a
 * bundle comes from whoever wants to be believed: a library's reader buffers extension headers of any length, takes links
 * and repeated names, and does not miss the end of an archive that was cut off.
 */
const blockBytes = 512;

/** ustar keeps 100 bytes for a name; ours need no prefix field. */
const nameBytesMax = 100;

/** The largest file that octal digits can name. */
const fileBytesMax = 8 ** 11 - 1;

const fields = {
  mode: 100,
  uid: 108,
  gid: 116,
  size: 124,
  mtime: 136,
  checksum: 148,
  type: 156,
  magic: 257,
  end: 265,
} as const;
const magic = 'ustar\u000000';
const nameForm = /^[A-Za-z0-9._~@-]+(\/[A-Za-z0-9._~@-]+)*$/;

/** True for a name that a bundle may hold: relative, short, no dot segments, no character that a terminal acts on. */
const isCleanName = (name: string): boolean =>
  name.length <= nameBytesMax &&
  nameForm.test(name) &&
  name.split('/').every((part) => part !== '.' && part !== '..');

/** The header of a file: 512 bytes. The same name and size always give the same bytes (no owner, no time). */
export function tarHeader(name: string, sizeBytes: number): Buffer {
  if (!isCleanName(name) || sizeBytes > fileBytesMax) {
    throw new Error(`a bundle cannot hold ${JSON.stringify(name)} of ${sizeBytes} bytes`);
  }
  const header = Buffer.alloc(blockBytes);
  const octal = (value: number, at: number, digits: number): void => {
    header.write(`${value.toString(8).padStart(digits, '0')}\0`, at, 'latin1');
  };
  header.write(name, 0, 'latin1');
  octal(0o644, fields.mode, 7);
  octal(0, fields.uid, 7);
  octal(0, fields.gid, 7);
  octal(sizeBytes, fields.size, 11);
  octal(0, fields.mtime, 11);
  header.write('0', fields.type, 'latin1');
  header.write(magic, fields.magic, 'latin1');
  header.write(`${checksum(header).toString(8).padStart(6, '0')}\0 `, fields.checksum, 'latin1');
  return header;
}

/** Zeros that fill up the last block of a file. */
export const tarPadding = (sizeBytes: number): Buffer =>
  Buffer.alloc((blockBytes - (sizeBytes % blockBytes)) % blockBytes);

/** Two blocks of zeros end an archive. */
export const tarEnd = (): Buffer => Buffer.alloc(2 * blockBytes);

/** POSIX: the sum of the header's bytes, its own field taken as spaces. */
function checksum(header: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < blockBytes; at += 1) {
    if (at < fields.checksum || at >= fields.checksum + 8) sum += header[at] ?? 0;
  }
  return sum;
}

/** One file of an archive: its content has to be read to the end before the next one is asked for. */
export type TarFile = {
  readonly name: string;
  readonly sizeBytes: number;
  /** The content in pieces, each valid until the next one is asked for. */
  readonly content: () => AsyncGenerator<Buffer, void, void>;
};

/** Why an archive cannot be read on: `truncated` where it ends too early, `malformed` for everything else. */
export class TarProblem extends Error {
  readonly kind: 'truncated' | 'malformed';
  constructor(kind: 'truncated' | 'malformed', message: string) {
    super(message);
    this.kind = kind;
  }
}

/**
 * Reads an archive as it comes, in constant memory. Throws a TarProblem for anything but plain files with clean names, a
 * header of another form than `tarHeader` writes, an end without the two blocks of zeros, and bytes behind it.
 */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarFile, void, void> {
  const bytes = new Bytes(source);
  for (;;) {
    const header = await bytes.exactly(blockBytes);
    if (header.every((byte) => byte === 0)) {
      const second = await bytes.exactly(blockBytes);
      if (!second.every((byte) => byte === 0)) throw malformed('a block of zeros stands alone');
      if (!(await bytes.isAtEnd())) throw malformed('bytes stand behind its end');
      return;
    }
    const { name, sizeBytes } = readHeader(header);
    let left = sizeBytes;
    yield {
      name,
      sizeBytes,
      content: async function* content() {
        while (left > 0) {
          const piece = await bytes.some(left);
          left -= piece.length;
          yield piece;
        }
      },
    };
    if (left > 0) throw new Error(`${name} was not read to its end`);
    const padding = await bytes.exactly(tarPadding(sizeBytes).length);
    if (!padding.every((byte) => byte === 0)) throw malformed('the padding holds data', name);
  }
}

function readHeader(header: Buffer): { readonly name: string; readonly sizeBytes: number } {
  const end = header.indexOf(0);
  const name = header.toString('latin1', 0, Math.min(end < 0 ? nameBytesMax : end, nameBytesMax));
  const size = header.toString('latin1', fields.size, fields.size + 11);
  if (!isCleanName(name)) throw malformed('a name is no clean relative path', name);
  if (!/^[0-7]{11}$/.test(size)) throw malformed('the size is no plain octal number', name);
  const sizeBytes = Number.parseInt(size, 8);
  // Compared as a whole: nothing of a header is left for two readers to understand in two ways.
  if (!header.equals(tarHeader(name, sizeBytes))) {
    throw malformed('the header is none of an evidence bundle', name);
  }
  return { name, sizeBytes };
}

function malformed(what: string, name?: string): TarProblem {
  const where = name === undefined ? '' : ` (at ${JSON.stringify(name)})`;
  return new TarProblem('malformed', `the archive is malformed: ${what}${where}`);
}

/** A source as a row of bytes; holds one piece of it at a time. */
class Bytes {
  readonly #source: AsyncIterator<Buffer>;
  #piece: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** At least one byte and at most so many. */
  async some(bytesMax: number): Promise<Buffer> {
    if (await this.isAtEnd()) throw new TarProblem('truncated', 'the archive ends too early');
    const taken = this.#piece.subarray(0, bytesMax);
    this.#piece = this.#piece.subarray(taken.length);
    return taken;
  }

  async exactly(count: number): Promise<Buffer> {
    const whole = Buffer.alloc(count);
    for (let at = 0; at < count;) {
      const part = await this.some(count - at);
      part.copy(whole, at);
      at += part.length;
    }
    return whole;
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#piece.length === 0) {
      const next = await this.#source.next();
      if (next.done === true) return true;
      this.#piece = next.value;
    }
    return false;
  }
}

/** The whole content of a small file; an error, with the file's content read over, where it is larger than allowed. */
export async function readSmall(file: TarFile, bytesMax: number): Promise<Result<Buffer, string>> {
  const parts: Buffer[] = [];
  const fits = file.sizeBytes <= bytesMax;
  for await (const piece of file.content()) if (fits) parts.push(Buffer.from(piece));
  return fits ? ok(Buffer.concat(parts)) : err(`${file.name} is larger than ${bytesMax} bytes`);
}
