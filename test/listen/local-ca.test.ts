import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ensureLocalCertificates } from '../../src/listen/local-ca.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdgate-ca-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const now = Date.parse('2026-11-20T12:00:00Z');
const days = (count: number): number => count * 86_400_000;
const ensure = (hostnames: readonly string[], atMs = now) =>
  ensureLocalCertificates(directory, hostnames, atMs, 'data');
const leafOf = (file: string): X509Certificate => new X509Certificate(readFileSync(file));

describe('the local CA', () => {
  test('signs a server certificate for every host, with keys that only their owner reads', async () => {
    const files = await ensure(['localhost', '127.0.0.1']);
    const leaf = leafOf(files.certificateFile);
    const ca = leafOf(files.caFile);
    expect(leaf.verify(ca.publicKey)).toBe(true);
    expect(leaf.checkHost('localhost')).toBe('localhost');
    expect(leaf.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(ca.ca).toBe(true);
    expect(leaf.ca).toBe(false);
    for (const key of [files.keyFile, join(directory, 'ca.key')])
      expect(statSync(key).mode & 0o077).toBe(0);
  });

  test('keeps what it made, renews before the end and for new names, and never changes the CA', async () => {
    const files = await ensure(['localhost', '127.0.0.1']);
    const [ca, leaf] = [
      readFileSync(files.caFile, 'utf8'),
      readFileSync(files.certificateFile, 'utf8'),
    ];
    await ensure(['localhost']);
    expect(readFileSync(files.certificateFile, 'utf8')).toBe(leaf);
    await ensure(['localhost'], now + days(380));
    const renewed = readFileSync(files.certificateFile, 'utf8');
    expect(renewed).not.toBe(leaf);
    await ensure(['gateway.test'], now + days(380));
    expect(leafOf(files.certificateFile).checkHost('gateway.test')).toBe('gateway.test');
    expect(readFileSync(files.caFile, 'utf8')).toBe(ca);
  });
});
