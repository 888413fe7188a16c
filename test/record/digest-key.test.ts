import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadDigestKey } from '../../src/record/digest-key.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdgate-key-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('the key is made once, for its owner only, and stays the same', async () => {
  const data = join(directory, 'data');
  const keys = await Promise.all(Array.from({ length: 8 }, () => loadDigestKey(data)));
  const texts = new Set(keys.map((key) => key.reveal()));
  expect(texts.size).toBe(1);
  expect([...texts][0]).toMatch(/^[0-9a-f]{64}$/);
  expect(statSync(join(data, 'digest.key')).mode & 0o777).toBe(0o600);
  expect(readdirSync(data)).toEqual(['digest.key']);
});

test.each([
  { name: 'an empty file', text: '' },
  { name: 'another text', text: 'hello\n' },
])(
  '$name is refused, not replaced: digests of old records would no longer compare',
  async ({ text }) => {
    const file = join(directory, 'digest.key');
    writeFileSync(file, text, { mode: 0o600 });
    await expect(loadDigestKey(directory)).rejects.toThrow(/does not hold 64 hexadecimal digits/);
  },
);

test('a key that everybody may read is refused', async () => {
  await loadDigestKey(directory);
  chmodSync(join(directory, 'digest.key'), 0o644);
  await expect(loadDigestKey(directory)).rejects.toThrow(/chmod 600/);
});
