import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Secret } from '../base/secret.ts';
import { loadKeyFile } from './key-file.ts';

/** Bytes of the key: as long as SHA-256's output, which is what HMAC wants (RFC 2104 §3). */
const keyBytes = 32;

/**
 * The deployment's digest key, from `<dataDirectory>/digest.key` (64 hexadecimal digits, mode 0600), made at the first
 * start. Bodies are recorded as an HMAC under it: whoever reads the database cannot guess a short secret from its digest.
 * Replicas of one deployment need the same key for their digests to be comparable.
 * Rejects with a DependencyError when the file cannot be read or made, is readable by everybody, or holds no key.
 */
export function loadDigestKey(dataDirectory: string): Promise<Secret> {
  return loadKeyFile({
    file: join(dataDirectory, 'digest.key'),
    what: 'digest key',
    make: () => new Secret(randomBytes(keyBytes).toString('hex')),
    problem: (text) =>
      /^[0-9a-f]{64}$/.test(text.reveal()) ? null : 'it does not hold 64 hexadecimal digits',
  });
}
