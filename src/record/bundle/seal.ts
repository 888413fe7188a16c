import { createHash, type Hash } from 'node:crypto';
import { err, ok, type Result } from '../../base/result.ts';
import { openNote, signNote, type Signer, type Verifier } from '../signing/signed-note.ts';
import { tarHeader } from './tar.ts';

/** The first line: what keeps a seal from being read as a checkpoint or a certificate. */
const title = 'holdgate/evidence-bundle/v1';

/**
 * The digest of a bundle: SHA-256 over each file's tar header (name and size) and content, in order, without the seal. What
 * the deployment key signs at the end, so that nothing of a bundle can be changed or left out after it was made.
 */
export class BundleDigest {
  readonly #hash: Hash = createHash('sha256');

  file(name: string, sizeBytes: number): void {
    this.#hash.update(tarHeader(name, sizeBytes));
  }

  content(piece: Uint8Array): void {
    this.#hash.update(piece);
  }

  /** Hexadecimal; nothing can be added behind it. */
  end(): string {
    return this.#hash.digest('hex');
  }
}

/** The seal as a signed note. */
export function signSeal(deployment: string, digest: string, key: Signer): string {
  return signNote(`${title}\ndeployment ${deployment}\nsha256 ${digest}\n`, key);
}

/** The digest that the deployment key signed. The error is a sentence. */
export function openSeal(note: string, deployment: string, key: Verifier): Result<string, string> {
  const text = openNote(note, [key]);
  if (!text.ok) return text;
  const [first, second, third = '', ...rest] = text.value.split('\n');
  const digest = /^sha256 ([0-9a-f]{64})$/.exec(third)?.[1];
  const isSeal = first === title && second === `deployment ${deployment}` && rest.join('') === '';
  return isSeal && digest !== undefined ? ok(digest) : err('it is no seal of this deployment');
}
