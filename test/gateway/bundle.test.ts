import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { configSchema } from '../../src/config/index.ts';
import { bundleOrigin } from '../../src/gateway/bundle.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdgate-origin-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

const originOf = (policies: unknown, env = {}) =>
  bundleOrigin(configSchema.parse({ policies }), env);

test('a folder of policies is no bundle', () => {
  expect(originOf({ directory: 'x' })).toBeNull();
});

test('unsigned is trusted only where it is said', () => {
  expect(originOf({ bundle: { file: 'b' }, unsigned: true })?.trust()).toEqual({
    ok: true,
    value: { verification: null, excludeFiles: [] },
  });
});

test('keys are read anew for each bundle, so that a key that was replaced is taken', () => {
  const pem = file('key.pem', 'first');
  const origin = originOf(
    {
      bundle: { file: 'b' },
      verification: {
        keys: {
          ci: { publicKey: pem, algorithm: 'ES256' },
          ops: { secret: { env: 'BUNDLE_SECRET' }, algorithm: 'HS256' },
        },
        keyid: 'ci',
        scope: 'prod',
        excludeFiles: ['README.md'],
      },
    },
    { BUNDLE_SECRET: 'secret text' },
  );
  const read = () => {
    const trust = origin?.trust();
    if (trust?.ok !== true || trust.value.verification === null) throw new Error('no verification');
    return { ...trust.value, ...trust.value.verification };
  };
  const first = read();
  expect(first).toMatchObject({ keyId: 'ci', scope: 'prod', excludeFiles: ['README.md'] });
  expect(first.keys.get('ci')).toEqual({ publicKey: 'first', algorithm: 'ES256' });
  const ops = first.keys.get('ops');
  expect(ops !== undefined && 'secret' in ops && ops.secret.reveal()).toBe('secret text');
  writeFileSync(pem, 'second');
  expect(read().keys.get('ci')).toEqual({ publicKey: 'second', algorithm: 'ES256' });
  rmSync(pem);
  const gone = origin?.trust();
  expect(gone?.ok === false && gone.error).toMatch(/^the key "ci": .*key\.pem cannot be read/);
});

test('a server is asked with the token and authority of now, and not at all where they cannot be read', () => {
  const token = file('token', 'one\n');
  const from = originOf({
    bundle: {
      url: 'https://x.example/b.tar.gz',
      pollSeconds: 60,
      token: { file: token },
      certificateAuthority: file('ca.pem', 'authority'),
    },
    unsigned: true,
  })?.from;
  if (from === undefined || 'file' in from) throw new Error('no server');
  expect(from.pollMs).toBe(60_000);
  const asked = () => {
    const server = from.server();
    return server.ok ? server.value : { error: server.error };
  };
  expect(asked()).toMatchObject({
    url: 'https://x.example/b.tar.gz',
    certificateAuthority: 'authority',
  });
  const tokenOf = (): string | undefined => {
    const server = from.server();
    return server.ok ? server.value.token?.reveal() : undefined;
  };
  expect(tokenOf()).toBe('one');
  writeFileSync(token, 'two\n');
  expect(tokenOf()).toBe('two');
  rmSync(token);
  expect(asked()).toEqual({ error: expect.stringContaining('could not be read') as string });
});
