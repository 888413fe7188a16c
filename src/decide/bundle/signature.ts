import { createHash, timingSafeEqual } from 'node:crypto';
import { compactVerify, decodeProtectedHeader, errors, importSPKI, type CryptoKey } from 'jose';
import { z } from 'zod';
import { errorText } from '../../base/log.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Secret } from '../../base/secret.ts';
import { canonicalJson } from './canonical-json.ts';
import { verifyPss } from './verify-pss.ts';

/** What a key may sign with (RFC 7518 §3.1); `none` is not among them. */
export type PublicKeyAlgorithm = (typeof publicKeyAlgorithms)[number];
export type SecretAlgorithm = (typeof secretAlgorithms)[number];
const publicKeyAlgorithms = [
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const),
  ...(['ES256', 'ES384', 'ES512'] as const),
] as const;
const secretAlgorithms = ['HS256', 'HS384', 'HS512'] as const;

/** A key and the one algorithm that it is for: `publicKey` is PEM text (SubjectPublicKeyInfo). */
export type BundleKey =
  | { readonly publicKey: string; readonly algorithm: PublicKeyAlgorithm }
  | { readonly secret: Secret; readonly algorithm: SecretAlgorithm };

export type Verification = {
  readonly keys: ReadonlyMap<string, BundleKey>;
  /** The only key that may have signed; empty: the signature says which of `keys` it was. */
  readonly keyId: string;
  /** What the signature must say as its scope; empty: it must say none. */
  readonly scope: string;
};

export const signaturesFile = '.signatures.json';

/** A list of 10,000 files is 2 MiB. */
const signatureBytesMax = 4 * 1024 * 1024;

/** OPA knows MD5 and SHA-1 as well: files of one such hash and two contents can be made, so they are refused. */
const hashes: ReadonlyMap<string, string> = new Map([
  ['SHA-224', 'sha224'],
  ['SHA-256', 'sha256'],
  ['SHA-384', 'sha384'],
  ['SHA-512', 'sha512'],
  ['SHA-512-224', 'sha512-224'],
  ['SHA-512-256', 'sha512-256'],
]);

const pssHashes: ReadonlyMap<string, string> = new Map([
  ['PS256', 'sha256'],
  ['PS384', 'sha384'],
  ['PS512', 'sha512'],
]);

/** Files that OPA hashes by their value, not by their bytes (`IsStructuredDoc` of bundle/bundle.go). */
const structuredFiles = new Set(['data.json', '.manifest']);

const signaturesForm = z.object({ signatures: z.tuple([z.string()]) });
const payloadForm = z.object({
  files: z.array(z.object({ name: z.string(), hash: z.string(), algorithm: z.string() })),
  keyid: z.string().default(''),
  scope: z.string().default(''),
});
type Payload = z.infer<typeof payloadForm>;

/**
 * Checks a bundle's signature as OPA makes it (`opa sign`, `opa build --signing-key`;
 * https://www.openpolicyagent.org/docs/management-bundles#signature-format): one JWT by a configured key with that key's own
 * algorithm, whose list of files is exactly the bundle's, hash by hash. The error is one sentence.
 * @param files the files of the archive; `.signatures.json` must be among them
 */
export async function verifySignature(
  files: ReadonlyMap<string, Buffer>,
  verification: Verification,
): Promise<Result<null, string>> {
  const bytes = files.get(signaturesFile);
  if (bytes === undefined) return err(`the bundle is not signed: it has no ${signaturesFile}`);
  if (bytes.length > signatureBytesMax) return err(`${signaturesFile} is too large`);
  const read = signaturesForm.safeParse(jsonOrNull(bytes));
  if (!read.success) return err(`${signaturesFile} does not hold exactly one signature`);
  const [token] = read.data.signatures;
  const payload = await verifyToken(token, verification);
  if (!payload.ok) return payload;
  return checkFiles(files, payload.value);
}

/** The payload of a token whose signature and scope are right. */
async function verifyToken(
  token: string,
  verification: Verification,
): Promise<Result<Payload, string>> {
  const keyId = keyIdOf(token, verification);
  if (keyId === null) return err(`${signaturesFile} holds no JWT`);
  const key = verification.keys.get(keyId);
  if (key === undefined) {
    const known = [...verification.keys.keys()].join(', ');
    return err(`the bundle is signed by the key ${JSON.stringify(keyId)}; known are: ${known}`);
  }
  if ('secret' in key && isPublic(key.secret)) {
    return err(`the secret ${JSON.stringify(keyId)} is a public key: name it as publicKey`);
  }
  const bad = `the signature does not verify with the key ${JSON.stringify(keyId)}`;
  try {
    const verified = await verifiedPayload(token, key);
    if (verified === null) return err(bad);
    const payload = payloadForm.safeParse(jsonOrNull(verified));
    if (!payload.success) return err('the signature holds no list of files');
    if (payload.data.scope !== verification.scope) {
      const [said, wanted] = [payload.data.scope, verification.scope].map((one) =>
        JSON.stringify(one),
      );
      return err(`the signature is for the scope ${said}, not ${wanted}`);
    }
    return ok(payload.data);
  } catch (cause) {
    if (cause instanceof errors.JOSEAlgNotAllowed) {
      return err(`${bad}: its algorithm is not ${key.algorithm}, the key's own`);
    }
    if (cause instanceof errors.JWSSignatureVerificationFailed) return err(bad);
    return err(`${bad}: ${errorText(cause)}`);
  }
}

/**
 * Which key the token says it was signed with, as OPA reads it: the configured one, else the header's `kid`, else the
 * payload's `keyid`. Only a choice among configured keys: the signature is checked with it after this.
 */
function keyIdOf(token: string, { keyId }: Verification): string | null {
  try {
    const { kid } = decodeProtectedHeader(token);
    if (keyId !== '') return keyId;
    if (kid !== undefined && kid !== '') return kid;
    const unverified = Buffer.from(token.split('.')[1] ?? '', 'base64url');
    const payload = payloadForm.safeParse(jsonOrNull(unverified));
    return payload.success ? payload.data.keyid : null;
  } catch {
    return null;
  }
}

/**
 * The payload of a token that the key signed; null where it did not. The algorithm is the key's own, never the token's: with
 * `HS256` in its header a token made with the published public key as the secret would verify, and one of `none` needs no
 * key at all. Throws what jose throws.
 */
async function verifiedPayload(token: string, key: BundleKey): Promise<Uint8Array | null> {
  const pss = pssHashes.get(key.algorithm);
  if (pss !== undefined && 'publicKey' in key) {
    const { alg, crit, b64 } = decodeProtectedHeader(token);
    if (alg !== key.algorithm) throw new errors.JOSEAlgNotAllowed('another algorithm');
    if (crit !== undefined || b64 !== undefined) throw new Error('its header has extensions');
    if (!verifyPss(token, key.publicKey, pss)) return null;
    return Buffer.from(token.split('.')[1] ?? '', 'base64url');
  }
  const options = { algorithms: [key.algorithm] };
  return (await compactVerify(token, await importKey(key), options)).payload;
}

/** A public key is no secret: whoever has read it could sign with it. */
const isPublic = (secret: Secret): boolean =>
  /-----BEGIN [A-Z ]*(PUBLIC KEY|CERTIFICATE)-----/.test(secret.reveal());

function importKey(key: BundleKey): Promise<CryptoKey> | Uint8Array {
  if ('secret' in key) return new TextEncoder().encode(key.secret.reveal());
  return importSPKI(key.publicKey, key.algorithm);
}

function jsonOrNull(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return null;
  }
}

/** Every file is on the list with its hash, and every file of the list is there. */
function checkFiles(files: ReadonlyMap<string, Buffer>, payload: Payload): Result<null, string> {
  const missing = new Set<string>();
  const listed = new Map<string, Payload['files'][number]>();
  for (const one of payload.files) {
    const name = one.name.replace(/^\//, '');
    if (listed.has(name)) return err(`the signature lists ${JSON.stringify(name)} twice`);
    listed.set(name, one);
    missing.add(name);
  }
  for (const [name, bytes] of files) {
    if (name === signaturesFile) continue;
    const entry = listed.get(name);
    if (entry === undefined) return err(`${JSON.stringify(name)} is not covered by the signature`);
    const right = hasHash(name, bytes, entry);
    if (!right.ok) return right;
    missing.delete(name);
  }
  const [gone] = missing;
  if (gone !== undefined) return err(`${JSON.stringify(gone)} is signed and not in the bundle`);
  return ok(null);
}

function hasHash(
  name: string,
  bytes: Buffer,
  { hash, algorithm }: Payload['files'][number],
): Result<null, string> {
  const known = hashes.get(algorithm);
  if (known === undefined) {
    return err(`${JSON.stringify(name)} is hashed with ${JSON.stringify(algorithm)}; use SHA-256`);
  }
  const isStructured = structuredFiles.has(name.split('/').at(-1) ?? '');
  const content = isStructured ? canonicalJson(bytes) : ok(bytes);
  if (!content.ok) return err(`${name}: ${content.error}`);
  const found = createHash(known).update(content.value).digest();
  const signed = Buffer.from(hash, 'hex');
  // Lengths first: hex that ends early decodes to fewer bytes.
  const same = signed.length === found.length && timingSafeEqual(signed, found);
  return same ? ok(null) : err(`${JSON.stringify(name)} is not what was signed`);
}
