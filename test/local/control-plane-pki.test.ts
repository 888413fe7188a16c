import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ensureControlPlanePki, type ControlPlanePki } from '../../src/local/control-plane-pki.ts';

const NOW_MS = Date.parse('2026-11-20T12:00:00Z');
const DAY_MS = 86_400_000;
const leaves = ['apiserver', 'admin', 'kubelet-client', 'controllers', 'node'] as const;

let directory: string;
let pki: ControlPlanePki;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'holdgate-pki-'));
  pki = await ensureControlPlanePki(join(directory, 'pki'), NOW_MS);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const certificate = (name: (typeof leaves)[number] | 'ca'): X509Certificate =>
  new X509Certificate(readFileSync(pki.certificateFile(name)));

describe('each certificate', () => {
  test.each(leaves)('%s is issued by the CA, with its own key, and is no CA', (name) => {
    const [leaf, ca] = [certificate(name), certificate('ca')];
    expect(leaf.checkIssued(ca)).toBe(true);
    expect(leaf.verify(ca.publicKey)).toBe(true);
    expect(leaf.checkPrivateKey(createPrivateKey(readFileSync(pki.keyFile(name))))).toBe(true);
    expect(leaf.ca).toBe(false);
  });

  test.each(leaves)('%s is for 127.0.0.1 and for both ends of a connection', (name) => {
    const leaf = certificate(name);
    expect(leaf.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(leaf.checkHost('localhost')).toBe('localhost');
    expect(leaf.checkHost('example.com')).toBeUndefined();
    expect(leaf.keyUsage).toEqual(
      expect.arrayContaining(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']),
    );
  });

  test.each([
    { name: 'admin', subject: 'O=system:masters\nCN=admin' },
    { name: 'apiserver', subject: 'CN=kube-apiserver' },
    { name: 'node', subject: 'CN=node' },
  ] as const)('$name names who Kubernetes takes it for', ({ name, subject }) => {
    expect(certificate(name).subject).toBe(subject);
  });

  test('holds from a minute ago for a year', () => {
    for (const name of ['ca', ...leaves] as const) {
      expect(Date.parse(certificate(name).validFrom)).toBe(NOW_MS - 60_000);
      expect(Date.parse(certificate(name).validTo)).toBe(NOW_MS + 365 * DAY_MS);
    }
  });

  test('has a serial number of its own', () => {
    const serials = ['ca' as const, ...leaves].map((name) => certificate(name).serialNumber);
    expect(new Set(serials).size).toBe(serials.length);
  });
});

test('the CA is a CA, signed by itself', () => {
  const ca = certificate('ca');
  expect(ca.ca).toBe(true);
  expect(ca.verify(ca.publicKey)).toBe(true);
});

test('private keys are readable by their owner only', () => {
  for (const name of ['ca', 'sa', ...leaves] as const) {
    expect(statSync(pki.keyFile(name)).mode & 0o077).toBe(0);
  }
  expect(statSync(pki.directory).mode & 0o077).toBe(0);
});

test('the service account key is RSA, the one kind that client-go reads from one file', () => {
  expect(createPrivateKey(readFileSync(pki.keyFile('sa'))).asymmetricKeyType).toBe('rsa');
});

describe('a second start', () => {
  const remake = async (nowMs: number): Promise<boolean> => {
    const before = readFileSync(pki.caFile, 'utf8');
    await ensureControlPlanePki(pki.directory, nowMs);
    return readFileSync(pki.caFile, 'utf8') !== before;
  };

  test('keeps what is there', async () => {
    expect(await remake(NOW_MS + 300 * DAY_MS)).toBe(false);
  });

  test('makes everything anew where a file is missing', async () => {
    rmSync(pki.keyFile('node'));
    expect(await remake(NOW_MS)).toBe(true);
    expect(certificate('node').checkIssued(certificate('ca'))).toBe(true);
  });

  test('makes everything anew where a file cannot be read', async () => {
    writeFileSync(pki.certificateFile('admin'), 'no certificate');
    expect(await remake(NOW_MS)).toBe(true);
  });

  test('makes everything anew within a week of the end', async () => {
    expect(await remake(NOW_MS + 359 * DAY_MS)).toBe(true);
  });
});
