/** Reads single files out of a tar archive in memory (POSIX ustar: 512-byte headers, sizes in octal). */
const block = 512;

function text(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

/**
 * The bytes of the file with exactly this name, or null. OPA writes plain files with short names; anything that does
 * not read as a header ends the search.
 */
export function tarFile(archive: Buffer, name: string): Buffer | null {
  let at = 0;
  while (at + block <= archive.length) {
    const header = archive.subarray(at, at + block);
    if (header.every((byte) => byte === 0)) return null;
    const size = Number.parseInt(text(header.subarray(124, 136)).trim(), 8);
    if (!Number.isInteger(size) || size < 0) return null;
    const type = header[156];
    const isFile = type === 0x30 || type === 0;
    const start = at + block;
    if (isFile && text(header.subarray(0, 100)) === name) {
      return start + size <= archive.length ? archive.subarray(start, start + size) : null;
    }
    at = start + Math.ceil(size / block) * block;
  }
  return null;
}
