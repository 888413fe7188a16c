import { errorText } from '../../base/log.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { BundleDigest, openSeal } from '../bundle/seal.ts';
import { bundleNames, bundleVersion, manifestSchema, type Manifest } from '../bundle/manifest.ts';
import { readSmall, readTar, TarProblem, type TarFile } from '../bundle/tar.ts';
import { deploymentOf } from '../signing/stream-certificate.ts';
import { parseVerifier, type Verifier } from '../signing/signed-note.ts';
import { readAnchors } from './anchors.ts';
import { BundleCheck } from './bundle-check.ts';
import { Findings } from './findings.ts';
import type { VerifyReport } from './report.ts';

export type VerifyOptions = {
  /** The bytes of a bundle, as they come; a piece may be reused once the next one was asked for. */
  readonly bundle: AsyncIterable<Buffer>;
  /** The deployment's public key, as it was pinned when all was well: `<deployment>/ledger+<id>+<base64>`. */
  readonly key: string;
  /** Lines of an anchor file or log; null for none. */
  readonly anchors: Iterable<string> | null;
};

/** manifest.json and the seal are a few hundred bytes. */
const manifestBytesMax = 1024 * 1024;
const sealBytesMax = 64 * 1024;

/**
 * Verifies an evidence bundle offline: nothing is asked of anybody, nothing of the bundle is believed but what the given
 * key vouches for. Reads it once, in memory that grows with its streams and not with its records. The error is a sentence:
 * the key or the anchors cannot be read.
 */
export async function verifyBundle(options: VerifyOptions): Promise<Result<VerifyReport, string>> {
  const key = parseVerifier(options.key.trim());
  if (!key.ok) return err(`the key cannot be read: ${key.error}`);
  const deployment = deploymentOf(key.value.name);
  if (deployment === null)
    return err('the key is none of a deployment: it is not called <name>/ledger');
  const findings = new Findings();
  const anchors =
    options.anchors === null ? ok([]) : readAnchors(options.anchors, key.value, findings);
  if (!anchors.ok) return err(`the anchors cannot be used: ${anchors.error}`);
  const check = new BundleCheck({ deployment, key: key.value, anchors: anchors.value, findings });
  const run = new Run(check, findings, deployment, key.value);
  try {
    await run.all(options.bundle);
  } catch (cause) {
    if (!(cause instanceof TarProblem)) throw cause;
    const kind = cause.kind === 'truncated' ? 'bundle-truncated' : 'bundle-malformed';
    findings.add(kind, {}, 'a whole evidence bundle', errorText(cause));
  }
  return ok(check.report());
}

/** One reading of a bundle, from its manifest to its seal. */
class Run {
  readonly #check: BundleCheck;
  readonly #findings: Findings;
  readonly #deployment: string;
  readonly #key: Verifier;
  readonly #digest = new BundleDigest();

  constructor(check: BundleCheck, findings: Findings, deployment: string, key: Verifier) {
    this.#check = check;
    this.#findings = findings;
    this.#deployment = deployment;
    this.#key = key;
  }

  async all(bundle: AsyncIterable<Buffer>): Promise<void> {
    let isFirst = true;
    let isSealed = false;
    for await (const file of readTar(bundle)) {
      if (isSealed) throw new TarProblem('malformed', `${file.name} stands behind the seal`);
      if (file.name === bundleNames.seal) {
        await this.#seal(file);
        isSealed = true;
        continue;
      }
      const digested = this.#digested(file);
      if (isFirst) {
        const manifest = await this.#manifest(digested);
        // What it is cannot be told, so the rest of it cannot be read.
        if (manifest === null) return;
        this.#check.begin(manifest);
      } else await this.#check.file(digested);
      isFirst = false;
    }
    if (!isSealed) throw new TarProblem('truncated', 'the archive ends without its seal');
    this.#check.end();
  }

  #digested(file: TarFile): TarFile {
    const digest = this.#digest;
    digest.file(file.name, file.sizeBytes);
    return {
      ...file,
      content: async function* content() {
        for await (const piece of file.content()) {
          digest.content(piece);
          yield piece;
        }
      },
    };
  }

  async #manifest(file: TarFile): Promise<Manifest | null> {
    if (file.name !== bundleNames.manifest) {
      throw new TarProblem('malformed', `it begins with ${file.name}, not with its manifest`);
    }
    const value = jsonOf(await smallText(file, manifestBytesMax));
    const version =
      typeof value === 'object' && value !== null && 'v' in value ? value.v : undefined;
    if (typeof version === 'number' && version !== bundleVersion) {
      const found = `version ${version}: use the holdgate that made it, or a later one`;
      this.#findings.add('version-unknown', {}, `a bundle of version ${bundleVersion}`, found);
      return null;
    }
    const manifest = manifestSchema.safeParse(value);
    if (!manifest.success) {
      throw new TarProblem(
        'malformed',
        `its manifest is none: ${manifest.error.issues[0]?.message ?? ''}`,
      );
    }
    const { deployment, deploymentKey } = manifest.data;
    const said = parseVerifier(deploymentKey);
    const isOurs =
      said.ok && said.value.keyId === this.#key.keyId && said.value.name === this.#key.name;
    if (deployment !== this.#deployment || !isOurs) {
      const expected = `a bundle of ${this.#key.name} with the key ${this.#key.keyId}`;
      const found = `one of ${deployment}, signed by ${deploymentKey.split('+').slice(0, 2).join(' with the key ')}`;
      this.#findings.add('key-foreign', {}, expected, found);
      return null;
    }
    return manifest.data;
  }

  async #seal(file: TarFile): Promise<void> {
    const note = await smallText(file, sealBytesMax);
    const signed = openSeal(note, this.#deployment, this.#key);
    const found = this.#digest.end();
    if (signed.ok && signed.value === found) return;
    this.#findings.add(
      'bundle-changed',
      {},
      'the bundle as the gateway sealed it',
      signed.ok
        ? `other bytes: their digest is ${found}, sealed was ${signed.value}`
        : `a seal that cannot be believed: ${signed.error}`,
    );
  }
}

async function smallText(file: TarFile, bytesMax: number): Promise<string> {
  const bytes = await readSmall(file, bytesMax);
  if (!bytes.ok) throw new TarProblem('malformed', bytes.error);
  return bytes.value.toString('utf8');
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new TarProblem('malformed', 'its manifest is no JSON');
  }
}
