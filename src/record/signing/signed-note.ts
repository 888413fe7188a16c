import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';
import { err, ok, type Result } from '../../base/result.ts';
import { Secret } from '../../base/secret.ts';

/**
 * Signed notes (C2SP signed-note, as golang.org/x/mod/sumdb/note writes and reads them): a text, an empty line, and
 * signature lines `— <key name> base64(key id || signature)`. Ed25519 only.
 */

/** Signs under a name. */
export type Signer = {
  readonly name: string;
  /** The public key as `<name>+<key id>+<base64>`. */
  readonly vkey: string;
  /** The Ed25519 signature of a text. */
  readonly sign: (text: string) => Buffer;
};

/** Knows the signatures of one key. */
export type Verifier = {
  readonly name: string;
  readonly keyId: string;
  readonly verify: (text: string, signature: Uint8Array) => boolean;
};

/** A note or key that is longer is refused unread; ours are under 1 KB. UTF-16 units. */
const noteCharsMax = 64 * 1024;
const keyCharsMax = 1024;

/** Signatures of one note: ours, and those of witnesses. The bound is that of Go. */
const signaturesMax = 100;

/** C2SP signed-note: signature type 0x01, Ed25519 (RFC 8032). */
const ed25519 = 0x01;
const keyBytes = 32;
const keyIdBytes = 4;
const signatureBytes = 64;

/** RFC 8410: what precedes the 32 bytes of a key in PKCS #8 and in SubjectPublicKeyInfo. */
const privateKeyPrefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const publicKeyPrefix = Buffer.from('302a300506032b6570032100', 'hex');

const secretPrefix = 'PRIVATE+KEY+';
const signaturePrefix = '\u2014 ';

/** Makes a key pair; the secret has the text form that `parseSigner` reads. The name must be a valid one. */
export function generateSigningKey(name: string): Secret {
  const { privateKey } = generateKeyPairSync('ed25519');
  const seed = privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(-keyBytes);
  const id = keyId(name, publicBytes(privateKey));
  return new Secret(`${secretPrefix}${name}+${id}+${encodeKey(seed)}`);
}

/** A fresh signer whose private key is in this process's memory only. */
export function ephemeralSigner(name: string): Signer {
  return signerOf(name, generateKeyPairSync('ed25519').privateKey);
}

/** Reads `PRIVATE+KEY+<name>+<key id>+<base64>`. The error is a sentence without the key. */
export function parseSigner(secret: Secret): Result<Signer, string> {
  const text = secret.reveal();
  if (text.length > keyCharsMax || !text.startsWith(secretPrefix)) {
    return err(`it does not begin with ${secretPrefix}`);
  }
  const parts = parseKey(text.slice(secretPrefix.length));
  if (parts === null) return err('it is not of the form PRIVATE+KEY+<name>+<id>+<base64>');
  const der = Buffer.concat([privateKeyPrefix, parts.key]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  if (keyId(parts.name, publicBytes(key)) !== parts.id) return err('its key id does not match');
  return ok(signerOf(parts.name, key));
}

/** Reads a public key `<name>+<key id>+<base64>`. */
export function parseVerifier(vkey: string): Result<Verifier, string> {
  const parts = vkey.length > keyCharsMax ? null : parseKey(vkey);
  if (parts === null) return err('it is not of the form <name>+<id>+<base64>');
  const { name, id, key } = parts;
  if (keyId(name, key) !== id) return err('its key id does not match');
  const der = Buffer.concat([publicKeyPrefix, key]);
  const publicKey = createPublicKey({ key: der, format: 'der', type: 'spki' });
  return ok({
    name,
    keyId: id,
    verify: (text, signature) => verify(null, Buffer.from(text), publicKey, signature),
  });
}

/** A text with its signature. The text ends with a line break and has no other control character; else it is a bug. */
export function signNote(text: string, signer: Signer): string {
  if (!isNoteText(text)) throw new RangeError('a note is lines of text without control characters');
  const id = Buffer.from(signer.vkey.split('+')[1] ?? '', 'hex');
  const signature = Buffer.concat([id, signer.sign(text)]).toString('base64');
  return `${text}\n${signaturePrefix}${signer.name} ${signature}\n`;
}

/**
 * The text of a note that at least one of the known keys signed. Signatures of unknown keys are passed over; a wrong
 * one of a known key is refused. The error is a sentence.
 */
export function openNote(note: string, verifiers: readonly Verifier[]): Result<string, string> {
  const parts = splitNote(note);
  if (!parts.ok) return parts;
  const { text, signatures } = parts.value;
  let verified = false;
  for (const { name, id, signature } of signatures) {
    const known = verifiers.find((one) => one.name === name && one.keyId === id);
    if (known === undefined) continue;
    if (signature.length !== signatureBytes || !known.verify(text, signature)) {
      return err(`the signature of ${name} is wrong`);
    }
    verified = true;
  }
  return verified ? ok(text) : err('no key that is known here signed it');
}

/** The text of a note, whoever signed it: to learn which key it names. Nothing of it may be believed. */
export function unverifiedText(note: string): Result<string, string> {
  const parts = splitNote(note);
  return parts.ok ? ok(parts.value.text) : parts;
}

type NoteParts = {
  readonly text: string;
  readonly signatures: readonly {
    readonly name: string;
    readonly id: string;
    readonly signature: Buffer;
  }[];
};

function splitNote(note: string): Result<NoteParts, string> {
  if (note.length > noteCharsMax) return err('it is too long for a note');
  const at = note.lastIndexOf('\n\n');
  if (at === -1 || !note.endsWith('\n')) return err('it is no signed note');
  const text = note.slice(0, at + 1);
  if (!isNoteText(text)) return err('its text has control characters or broken characters');
  const lines = note.slice(at + 2, -1).split('\n', signaturesMax + 1);
  if (lines.length > signaturesMax) return err('it has too many signatures');
  const signatures = [];
  for (const line of lines) {
    const [, name = '', base64 = ''] = /^\u2014 (\S+) (\S+)$/.exec(line) ?? [];
    const bytes = decodeBase64(base64);
    if (!isKeyName(name) || bytes === null || bytes.length <= keyIdBytes) {
      return err('a signature line is malformed');
    }
    const id = bytes.subarray(0, keyIdBytes).toString('hex');
    signatures.push({ name, id, signature: bytes.subarray(keyIdBytes) });
  }
  return ok({ text, signatures });
}

/** Base64 with padding in its one canonical form; null for anything else, so that a note has one text only. */
export function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return text !== '' && bytes.toString('base64') === text ? bytes : null;
}

/** C2SP signed-note: not empty, no spaces, no plus. */
function isKeyName(name: string): boolean {
  return name !== '' && !/[\s+\p{White_Space}\p{Surrogate}]/u.test(name);
}

function isNoteText(text: string): boolean {
  // eslint-disable-next-line no-control-regex -- these are what a note must not hold
  return text.endsWith('\n') && !/[\0-\x09\x0b-\x1f\p{Surrogate}]/u.test(text);
}

function signerOf(name: string, key: KeyObject): Signer {
  if (!isKeyName(name)) throw new RangeError(`"${name}" cannot name a key`);
  const bytes = publicBytes(key);
  return {
    name,
    vkey: `${name}+${keyId(name, bytes)}+${encodeKey(bytes)}`,
    sign: (text) => sign(null, Buffer.from(text), key),
  };
}

function publicBytes(key: KeyObject): Buffer {
  const publicKey = createPublicKey(key);
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(-keyBytes);
}

/** C2SP signed-note: SHA-256(name || newline || type || key), its first four bytes in hexadecimal digits. */
function keyId(name: string, key: Uint8Array): string {
  const data = Buffer.concat([Buffer.from(`${name}\n`), Buffer.from([ed25519]), key]);
  return hash('sha256', data, 'hex').slice(0, 2 * keyIdBytes);
}

function encodeKey(key: Uint8Array): string {
  return Buffer.concat([Buffer.from([ed25519]), key]).toString('base64');
}

function parseKey(
  text: string,
): { readonly name: string; readonly id: string; readonly key: Buffer } | null {
  // The base64 may hold a plus, the name may not.
  const [, name = '', id = '', base64 = ''] =
    /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
  const bytes = decodeBase64(base64);
  if (!isKeyName(name) || bytes?.length !== 1 + keyBytes || bytes[0] !== ed25519) return null;
  return { name, id, key: bytes.subarray(1) };
}
