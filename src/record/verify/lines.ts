import { TarProblem } from '../bundle/tar.ts';

const lineFeed = 0x0a;

/** A leaf is at most about 1 MiB, a checkpoint a few hundred bytes. Bytes. */
const lineBytesMax = 16 * 1024 * 1024;

/**
 * The lines of a file, as many at a time as a piece of it completes, without their line feeds. Each line's memory has one
 * spare byte before it (`byteOffset - 1`), so that a hash can put its prefix there instead of copying the line. Throws
 * a TarProblem (malformed) for a line over the bound, and for a last line without its line feed.
 */
export async function* linesOf(
  pieces: AsyncIterable<Buffer>,
  name: string,
): AsyncGenerator<Buffer[], void, void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const piece of pieces) {
    const run = Buffer.allocUnsafeSlow(1 + rest.length + piece.length);
    rest.copy(run, 1);
    piece.copy(run, 1 + rest.length);
    const lines: Buffer[] = [];
    let start = 1;
    // What is left of the piece before holds no line feed.
    let end = run.indexOf(lineFeed, 1 + rest.length);
    while (end >= 0) {
      lines.push(run.subarray(start, end));
      start = end + 1;
      end = run.indexOf(lineFeed, start);
    }
    if (lines.length > 0) yield lines;
    rest = run.subarray(start);
    if (rest.length > lineBytesMax) {
      throw new TarProblem('malformed', `${name} has a line of over ${lineBytesMax} bytes`);
    }
  }
  if (rest.length > 0) throw new TarProblem('malformed', `${name} ends in the middle of a line`);
}
