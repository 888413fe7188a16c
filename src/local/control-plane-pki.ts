// eslint-disable-next-line import/no-unassigned-import -- it defines what @peculiar/x509 needs to be loaded
import '../base/reflect-metadata.ts';
import {
  generateKeyPairSync,
  KeyObject,
  randomBytes,
  webcrypto,
  X509Certificate as NodeCertificate,
} from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';

/** The files of a disposable control plane's certificates. Keys are readable by their owner only. */
export type ControlPlanePki = {
  readonly directory: string;
  readonly caFile: string;
  /** `<directory>/<name>.crt`. */
  readonly certificateFile: (name: CertificateName | 'ca') => string;
  /** `<directory>/<name>.key`; `sa` signs service account tokens and has no certificate. */
  readonly keyFile: (name: CertificateName | 'ca' | 'sa') => string;
};

/** Who gets a certificate: its name is the file's, its subject is what Kubernetes takes as user and group. */
const certificateNames = ['apiserver', 'admin', 'kubelet-client', 'controllers', 'node'] as const;
export type CertificateName = (typeof certificateNames)[number];

const subjects: Readonly<Record<CertificateName, x509.JsonName>> = {
  apiserver: [{ CN: ['kube-apiserver'] }],
  admin: [{ O: ['system:masters'] }, { CN: ['admin'] }],
  'kubelet-client': [{ O: ['system:masters'] }, { CN: ['kube-apiserver-kubelet-client'] }],
  controllers: [{ O: ['system:masters'] }, { CN: ['system:kube-controller-manager'] }],
  node: [{ CN: ['node'] }],
};

const DAY_MS = 86_400_000;
/** A year, as kubeadm gives its certificates: a local cluster that is older is made anew. */
const LIFETIME_MS = 365 * DAY_MS;
/** Remade when less is left, so that no control plane starts with certificates that end while it is used. */
const RENEW_WITHIN_MS = 7 * DAY_MS;
/** A file system or a container may run some seconds behind. */
const BACKDATE_MS = 60_000;

const EC = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNING = { name: 'ECDSA', hash: 'SHA-256' } as const;
const SERVICE_ACCOUNT_KEY_BITS = 2048;

function files(directory: string): ControlPlanePki {
  return {
    directory,
    caFile: join(directory, 'ca.crt'),
    certificateFile: (name) => join(directory, `${name}.crt`),
    keyFile: (name) => join(directory, `${name}.key`),
  };
}

function isUsable(pki: ControlPlanePki, nowMs: number): boolean {
  const keys = (['ca', 'sa', ...certificateNames] as const).map((name) => pki.keyFile(name));
  const certificates = (['ca', ...certificateNames] as const).map((name) =>
    pki.certificateFile(name),
  );
  if (![...keys, ...certificates].every((file) => existsSync(file))) return false;
  try {
    return certificates.every((file) => {
      const { validTo } = new NodeCertificate(readFileSync(file));
      return Date.parse(validTo) - nowMs > RENEW_WITHIN_MS;
    });
  } catch {
    return false; // a file that cannot be parsed is a file to be made anew
  }
}

type Pair = { readonly privateKey: webcrypto.CryptoKey; readonly publicKey: webcrypto.CryptoKey };

function keyPair(): Promise<Pair> {
  return webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
}

/** RFC 5280 §4.1.2.2: positive, at most 20 octets; 16 random ones with the top bit clear. */
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function privatePem(key: webcrypto.CryptoKey): string {
  return KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString();
}

function validity(nowMs: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(nowMs - BACKDATE_MS), notAfter: new Date(nowMs + LIFETIME_MS) };
}

async function createCa(nowMs: number): Promise<{ keys: Pair; certificate: x509.X509Certificate }> {
  const keys = await keyPair();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: ['kubernetes-ca'] }],
    ...validity(nowMs),
    signingAlgorithm: SIGNING,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign |
          x509.KeyUsageFlags.cRLSign |
          x509.KeyUsageFlags.digitalSignature,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { keys, certificate };
}

async function issue(
  name: CertificateName,
  ca: { keys: Pair; certificate: x509.X509Certificate },
  nowMs: number,
): Promise<{ certificate: string; key: string }> {
  const keys = await keyPair();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: subjects[name],
    issuer: ca.certificate.subject,
    ...validity(nowMs),
    signingAlgorithm: SIGNING,
    publicKey: keys.publicKey,
    signingKey: ca.keys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      // 10.0.0.1 is the first address of the service range: what in-cluster clients call.
      new x509.SubjectAlternativeNameExtension([
        { type: 'ip', value: '127.0.0.1' },
        { type: 'ip', value: '10.0.0.1' },
        { type: 'dns', value: 'localhost' },
        { type: 'dns', value: 'kubernetes.default.svc' },
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(ca.keys.publicKey),
    ],
  });
  return { certificate: certificate.toString('pem'), key: privatePem(keys.privateKey) };
}

/**
 * Makes the CA, the certificates and the service account key of a local control plane in `directory`, or returns what
 * is there where it is complete and does not end within a week. The set is put in place by one rename: a half-written
 * one is never used.
 */
export async function ensureControlPlanePki(
  directory: string,
  nowMs: number,
): Promise<ControlPlanePki> {
  const pki = files(directory);
  if (isUsable(pki, nowMs)) return pki;
  const fresh = files(`${directory}.new`);
  rmSync(fresh.directory, { recursive: true, force: true });
  mkdirSync(fresh.directory, { recursive: true, mode: 0o700 });
  const write = (file: string, text: string, mode: number): void =>
    writeFileSync(file, text.endsWith('\n') ? text : `${text}\n`, { mode });
  const ca = await createCa(nowMs);
  write(fresh.caFile, ca.certificate.toString('pem'), 0o644);
  write(fresh.keyFile('ca'), privatePem(ca.keys.privateKey), 0o600);
  for (const name of certificateNames) {
    const leaf = await issue(name, ca, nowMs);
    write(fresh.certificateFile(name), leaf.certificate, 0o644);
    write(fresh.keyFile(name), leaf.key, 0o600);
  }
  // RSA, as client-go's keyutil reads the public half out of a PKCS #8 private key only for RSA.
  const serviceAccounts = generateKeyPairSync('rsa', { modulusLength: SERVICE_ACCOUNT_KEY_BITS });
  const pem = serviceAccounts.privateKey.export({ type: 'pkcs8', format: 'pem' });
  write(fresh.keyFile('sa'), pem.toString(), 0o600);
  rmSync(directory, { recursive: true, force: true });
  renameSync(fresh.directory, directory);
  return pki;
}
