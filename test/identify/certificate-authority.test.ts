import { defineReflectMetadata } from '../../src/base/reflect-metadata.ts';
import { webcrypto } from 'node:crypto';
import { createServer } from 'node:https';
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fetchJson } from '../../src/identify/index.ts';

// Must be there before @peculiar/x509 is loaded: imports run in order, this one is the first.
defineReflectMetadata(Reflect);

const server = createServer((_, response) => response.end('{"a":1}'));
let url: string;
let certificate: string;

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A self-signed certificate for a name: PEM of it and of its key. */
async function selfSigned(host: string) {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const made = await X509CertificateGenerator.createSelfSigned(
    {
      name: `CN=${host}`,
      keys,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 3600_000),
      extensions: [new SubjectAlternativeNameExtension([{ type: 'ip', value: host }])],
    },
    webcrypto,
  );
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  const body = Buffer.from(pkcs8).toString('base64');
  return {
    cert: made.toString('pem'),
    key: `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`,
  };
}

beforeAll(async () => {
  const { cert, key } = await selfSigned('127.0.0.1');
  server.setSecureContext({ cert, key });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  url = `https://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`;
  certificate = cert;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const get = (certificateAuthority: string | null) =>
  fetchJson({ url, certificateAuthority, timeoutMs: 2_000, bytesMax: 1000 });

test('an issuer with a certificate of its own CA is believed where the configuration names that CA', async () => {
  expect(await get(certificate)).toMatchObject({ ok: true, value: { value: { a: 1 } } });
});

test.each([
  { name: 'no CA', authority: () => Promise.resolve(null) },
  { name: 'another CA', authority: async () => (await selfSigned('127.0.0.1')).cert },
])('and not believed with $name', async ({ authority }) => {
  const answer = await get(await authority());
  expect(answer.ok || answer.error).toMatch(/self-signed|self signed|verify/i);
});
