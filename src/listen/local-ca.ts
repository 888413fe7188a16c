// eslint-disable-next-line import/no-unassigned-import -- it defines what @peculiar/x509 needs to be loaded
import '../base/reflect-metadata.ts';
import { KeyObject, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

/** The files of the local CA and of the certificate that it issued. */
export type LocalCertificates = {
  readonly caFile: string;
  readonly certificateFile: string;
  readonly keyFile: string;
};

const EC = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;

/** kubeconfigs hold the CA: it outlives what is made from it. */
const caLifetimeMs = 3650 * DAY_MS;
/** Apple's clients take no server certificate of more than 398 days. */
const leafLifetimeMs = 397 * DAY_MS;
const renewWithinMs = 30 * DAY_MS;
/** Clocks differ a little. */
const backdateMs = 60_000;

type Signer = {
  readonly certificate: x509.X509Certificate;
  readonly privateKey: webcrypto.CryptoKey;
  readonly publicKey: webcrypto.CryptoKey;
};

/** RFC 5280 §4.1.2.2: positive, at most 20 octets; 16 random ones with the top bit clear. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes.writeUInt8((bytes.readUInt8(0) & 0x7f) | 0x40, 0);
  return bytes.toString('hex');
}

const privatePem = (key: webcrypto.CryptoKey): string =>
  KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString();

/** Written beside and renamed: a reader never sees half a file. */
function writeWhole(file: string, text: string, mode: number): void {
  const draft = `${file}.new`;
  writeFileSync(draft, text.endsWith('\n') ? text : `${text}\n`, { mode });
  renameSync(draft, file);
}

async function createCa(caFile: string, keyFile: string, nowMs: number): Promise<void> {
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [`holdgate local CA ${randomBytes(4).toString('hex')}`] }],
    notBefore: new Date(nowMs - backdateMs),
    notAfter: new Date(nowMs + caLifetimeMs),
    signingAlgorithm: SIGNING,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  writeWhole(keyFile, privatePem(keys.privateKey), 0o600);
  writeWhole(caFile, certificate.toString('pem'), 0o644);
}

async function loadCa(caFile: string, keyFile: string): Promise<Signer> {
  const certificate = new x509.X509Certificate(readFileSync(caFile, 'utf8'));
  const der = x509.PemConverter.decodeFirst(readFileSync(keyFile, 'utf8'));
  const privateKey = await webcrypto.subtle.importKey('pkcs8', der, EC, false, ['sign']);
  const spki = certificate.publicKey.rawData;
  const publicKey = await webcrypto.subtle.importKey('spki', spki, EC, true, ['verify']);
  return { certificate, privateKey, publicKey };
}

async function issueLeaf(
  ca: Signer,
  hostnames: readonly string[],
  files: LocalCertificates,
  nowMs: number,
): Promise<void> {
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: ['holdgate'] }],
    issuer: ca.certificate.subject,
    notBefore: new Date(nowMs - backdateMs),
    notAfter: new Date(nowMs + leafLifetimeMs),
    signingAlgorithm: SIGNING,
    publicKey: keys.publicKey,
    signingKey: ca.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        hostnames.map((name) => ({ type: isIP(name) === 0 ? 'dns' : 'ip', value: name })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(ca.publicKey),
    ],
  });
  writeWhole(files.keyFile, privatePem(keys.privateKey), 0o600);
  writeWhole(files.certificateFile, certificate.toString('pem'), 0o644);
}

/** A leaf is kept while it names every host, is signed by the CA that is there, and does not end soon. */
function isUsable(files: LocalCertificates, hostnames: readonly string[], nowMs: number): boolean {
  if (!existsSync(files.certificateFile) || !existsSync(files.keyFile)) return false;
  try {
    const leaf = new X509Certificate(readFileSync(files.certificateFile));
    const ca = new X509Certificate(readFileSync(files.caFile));
    const named = hostnames.every((name) =>
      isIP(name) === 0 ? leaf.checkHost(name) !== undefined : leaf.checkIP(name) !== undefined,
    );
    return named && leaf.verify(ca.publicKey) && Date.parse(leaf.validTo) - nowMs > renewWithinMs;
  } catch {
    return false;
  }
}

/**
 * Makes a local CA in `directory` at first use, and from it a server certificate for `hostnames`, made anew when it is
 * about to end or the names changed. The CA stays, because kubeconfigs hold it. Keys are readable by their owner only.
 */
export async function ensureLocalCertificates(
  directory: string,
  hostnames: readonly string[],
  nowMs: number,
  name: string,
): Promise<LocalCertificates> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const caFile = join(directory, 'ca.crt');
  const caKeyFile = join(directory, 'ca.key');
  const files = {
    caFile,
    certificateFile: join(directory, `${name}.crt`),
    keyFile: join(directory, `${name}.key`),
  };
  if (!existsSync(caFile) || !existsSync(caKeyFile)) await createCa(caFile, caKeyFile, nowMs);
  if (!isUsable(files, hostnames, nowMs)) {
    await issueLeaf(await loadCa(caFile, caKeyFile), hostnames, files, nowMs);
  }
  return files;
}
