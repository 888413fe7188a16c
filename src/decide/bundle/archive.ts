import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { extract, type Headers } from 'tar-stream';
import { errorText } from '../../base/log.ts';
import { err, ok, type Result } from '../../base/result.ts';

/** A bundle as it travels: compressed. */
export const bundleBytesMax = 16 * 1024 * 1024;

/** What it may become: zlib stops there, so that a few KiB of zeros cannot fill the memory. */
const inflatedBytesMax = 64 * 1024 * 1024;

/** Files and folders; the archive of a policies folder has a few hundred. */
const entriesCountMax = 10_000;

const pathCharsMax = 512;

const inflate = promisify(gunzip);

/** Thrown inside this file only, where the archive breaks a rule of ours. */
class Refused extends Error {}

/**
 * The files of a `.tar.gz`, by clean relative path (`gate/decision.rego`). Nothing is written to disk. Refused: more than the
 * bounds above, anything but files and folders, a path that leaves the archive or is there twice, a broken archive. The
 * error is one sentence.
 */
export async function readArchive(
  bytes: Uint8Array,
): Promise<Result<ReadonlyMap<string, Buffer>, string>> {
  if (bytes.length > bundleBytesMax) return err(`it is over ${bundleBytesMax} bytes`);
  let tar: Buffer;
  try {
    tar = await inflate(bytes, { maxOutputLength: inflatedBytesMax });
  } catch (cause) {
    const tooLarge =
      cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE';
    return err(
      tooLarge
        ? `it inflates to over ${inflatedBytesMax} bytes`
        : `it is no gzip: ${errorText(cause)}`,
    );
  }
  try {
    return ok(await readTar(tar));
  } catch (cause) {
    return err(cause instanceof Refused ? cause.message : `it is no tar: ${errorText(cause)}`);
  }
}

async function readTar(tar: Buffer): Promise<ReadonlyMap<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const reader = extract();
  reader.end(tar);
  let entries = 0;
  for await (const entry of reader) {
    entries += 1;
    if (entries > entriesCountMax) throw new Refused(`it has over ${entriesCountMax} entries`);
    const { header } = entry;
    const name = cleanName(header);
    const parts: Buffer[] = [];
    const chunks: AsyncIterable<Buffer> = entry;
    for await (const chunk of chunks) parts.push(chunk);
    if (name === null) continue;
    // Two files of one name: which of them is hashed and which is run would be a matter of order.
    if (files.has(name)) throw new Refused(`it has ${JSON.stringify(name)} twice`);
    files.set(name, Buffer.concat(parts));
  }
  return files;
}

/** The name of a file, or null for a folder. `opa build` writes `/data.json`, `tar` writes `./data.json`. */
function cleanName({ name, type }: Headers): string | null {
  if (type !== 'file' && type !== 'directory') {
    // A link could name a file outside, a device is nothing that a bundle needs.
    throw new Refused(
      `${JSON.stringify(name)} is a ${String(type)}: only files and folders are taken`,
    );
  }
  const relative = name.replace(/^\.?\//, '').replace(type === 'directory' ? /\/$/ : /$^/, '');
  if (type === 'directory' && (relative === '' || relative === '.')) return null;
  if (!isClean(relative)) {
    throw new Refused(`${JSON.stringify(name.slice(0, 80))} is no clean relative path`);
  }
  return type === 'file' ? relative : null;
}

function isClean(path: string): boolean {
  if (path === '' || path.length > pathCharsMax) return false;
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f\\:]/.test(path)) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}
