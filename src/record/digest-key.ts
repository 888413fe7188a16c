import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DependencyError } from '../base/errors.ts';
import { Secret } from '../base/secret.ts';

/** Bytes of the key: as long as SHA-256's output, which is what HMAC wants (RFC 2104 §3). */
const keyBytes = 32;

/**
 * The deployment's digest key, from `<dataDirectory>/digest.key` (64 hexadecimal digits, mode 0600), made at the first
 * start. Bodies are recorded as an HMAC under it: whoever reads the database cannot guess a short secret from its digest.
 * Replicas of one deployment need the same key for their digests to be comparable.
 * Rejects with a DependencyError when the file cannot be read or made, is readable by everybody, or holds no key.
 */
export async function loadDigestKey(dataDirectory: string): Promise<Secret> {
  const file = join(dataDirectory, 'digest.key');
  try {
    await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
    await createOnce(file);
    const { mode } = await stat(file);
    if ((mode & 0o007) !== 0) throw new Error('everybody on this machine may use it: chmod 600 it');
    const text = (await readFile(file, 'utf8')).trim();
    if (!/^[0-9a-f]{64}$/.test(text)) {
      throw new Error('it does not hold 64 hexadecimal digits: restore it from a backup');
    }
    return new Secret(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new DependencyError(
      'HOLDGATE_RECORD_UNAVAILABLE',
      `the digest key ${file} cannot be used: ${why}`,
      cause,
    );
  }
}

/** Writes the file whole and on disk before it has its name: no process ever reads half a key, or two different ones. */
async function createOnce(file: string): Promise<void> {
  const exists = await stat(file).then(
    () => true,
    () => false,
  );
  if (exists) return;
  const draft = `${file}.${randomUUID()}`;
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(`${randomBytes(keyBytes).toString('hex')}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    await link(draft, file);
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')) throw cause;
  } finally {
    await rm(draft, { force: true });
  }
}
