import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveSecret } from '../../src/config/index.ts';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdgate-secret-'));
  writeFileSync(join(directory, 'token'), 'hunter2\r\n');
  writeFileSync(join(directory, 'empty'), '\n');
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('a secret', () => {
  test.each([
    { name: 'a file, without its last line end', source: { file: 'token' }, text: 'hunter2' },
    { name: 'the environment', source: { env: 'PG' }, text: 'p w ' },
  ])('comes from $name', ({ source, text }) => {
    const secret = resolveSecret(source, directory, { PG: 'p w ' });
    expect(secret.ok && secret.value.reveal()).toBe(text);
    expect(JSON.stringify(secret)).not.toContain(text);
  });

  test('is read anew each time, so that it may rotate', () => {
    const file = join(directory, 'rotating');
    for (const text of ['one', 'two']) {
      writeFileSync(file, text);
      const secret = resolveSecret({ file }, '/', {});
      expect(secret.ok && secret.value.reveal()).toBe(text);
    }
  });

  test.each([
    { name: 'no file', source: { file: 'none' }, says: /none could not be read: ENOENT/ },
    { name: 'an empty file', source: { file: 'empty' }, says: /file empty is empty/ },
    { name: 'no variable', source: { env: 'NONE' }, says: /variable NONE is not set/ },
    { name: 'an empty variable', source: { env: 'BLANK' }, says: /variable BLANK is empty/ },
  ])('is refused with a reason where there is $name', ({ source, says }) => {
    const secret = resolveSecret(source, directory, { BLANK: ' ' });
    expect(secret.ok || secret.error).toMatch(says);
  });
});
