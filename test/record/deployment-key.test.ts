import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Secret } from '../../src/base/secret.ts';
import { loadDeploymentKey } from '../../src/record/index.ts';
import { generateSigningKey } from '../../src/record/signing/signed-note.ts';

let dataDirectory = '';
beforeEach(() => {
  dataDirectory = mkdtempSync(join(tmpdir(), 'holdgate-key-'));
});
afterEach(() => rmSync(dataDirectory, { recursive: true, force: true }));
const load = (deployment: string | null = null, configured: Secret | null = null) =>
  loadDeploymentKey({ dataDirectory, configured, deployment });

test('the key is made once, for its owner only, with a random name, and stays the same', async () => {
  const keys = await Promise.all(Array.from({ length: 8 }, () => load()));
  expect(new Set(keys.map((key) => key.signer.vkey)).size).toBe(1);
  expect(keys[0]?.deployment).toMatch(/^holdgate-[0-9a-f]{12}$/);
  expect(keys[0]?.signer.name).toBe(`${keys[0]?.deployment}/ledger`);
  const file = join(dataDirectory, 'deployment.key');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, 'utf8')).toMatch(/^PRIVATE\+KEY\+holdgate-/);
});

test('the configured name is that of a new key; an old key keeps its own', async () => {
  expect((await load('prod.example')).deployment).toBe('prod.example');
  expect((await load()).deployment).toBe('prod.example');
  await expect(load('other')).rejects.toThrow(
    /record.deployment is other, but the deployment key is that of prod.example/,
  );
});

test('a configured key is taken, and no file is made', async () => {
  const key = await load('one', generateSigningKey('one/ledger'));
  expect(key.deployment).toBe('one');
  expect(() => statSync(join(dataDirectory, 'deployment.key'))).toThrow(/ENOENT/);
});

test.each([
  { name: 'no key', secret: () => new Secret('secret'), why: /does not begin with PRIVATE\+KEY\+/ },
  {
    name: 'a key of another purpose',
    secret: () => generateSigningKey('one/stream/7'),
    why: /its name is not <deployment>\/ledger/,
  },
  {
    name: 'a key of a name that is none',
    secret: () => generateSigningKey('One_1/ledger'),
    why: /its name is not <deployment>\/ledger/,
  },
])('$name is refused, without being shown', async ({ secret, why }) => {
  const text = secret();
  const failure = await load(null, text).then(
    () => '',
    (cause: unknown) => String(cause),
  );
  expect(failure).toMatch(why);
  expect(failure).not.toContain(text.reveal());
});

test('a damaged file is refused, not replaced: nothing that was signed could be gone on with', async () => {
  writeFileSync(join(dataDirectory, 'deployment.key'), 'hello\n', { mode: 0o600 });
  await expect(load()).rejects.toThrow(/deployment.key cannot be used: .*restore it from a backup/);
});

test('a key that everybody may read is refused', async () => {
  await load();
  chmodSync(join(dataDirectory, 'deployment.key'), 0o644);
  await expect(load()).rejects.toThrow(/chmod 600/);
});
