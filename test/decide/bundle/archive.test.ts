import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readArchive } from '../../../src/decide/bundle/archive.ts';
import { openBundle } from '../../../src/decide/bundle/open-bundle.ts';
import { packEntries, type Entry } from '../../support/opa-bundles.ts';

async function refusal(bytes: Uint8Array): Promise<string> {
  const read = await readArchive(bytes);
  return read.ok ? 'accepted' : read.error;
}

describe('an archive is refused', () => {
  test.each<{ what: string; entries: readonly Entry[]; says: string }>([
    { what: 'a path upwards', entries: [{ name: '../x' }], says: 'no clean relative path' },
    { what: 'a path upwards inside', entries: [{ name: 'a/../../x' }], says: 'no clean relative' },
    { what: 'a path that ends upwards', entries: [{ name: '/..' }], says: 'no clean relative' },
    { what: 'two slashes', entries: [{ name: '//etc/passwd' }], says: 'no clean relative path' },
    { what: 'a dot in the middle', entries: [{ name: 'a/./x' }], says: 'no clean relative path' },
    { what: 'a backslash', entries: [{ name: 'a\\..\\x' }], says: 'no clean relative path' },
    { what: 'a drive', entries: [{ name: 'C:/x' }], says: 'no clean relative path' },
    { what: 'a line break', entries: [{ name: 'a\nb' }], says: 'no clean relative path' },
    { what: 'a long path', entries: [{ name: 'a/'.repeat(400) + 'x' }], says: 'no clean relative' },
    { what: 'a folder upwards', entries: [{ name: '../d/', type: 'directory' }], says: 'no clean' },
    {
      what: 'a symbolic link',
      entries: [{ name: 'data.json', type: 'symlink', linkname: '/etc/passwd' }],
      says: '"data.json" is a symlink',
    },
    {
      what: 'a hard link',
      entries: [{ name: 'data.json', type: 'link', linkname: 'policy.wasm' }],
      says: '"data.json" is a link',
    },
    {
      what: 'a device',
      entries: [{ name: 'x', type: 'character-device' }],
      says: 'is a character',
    },
    { what: 'a pipe', entries: [{ name: 'x', type: 'fifo' }], says: '"x" is a fifo' },
    {
      what: 'one file twice',
      entries: [
        { name: 'data.json', content: '{}' },
        { name: '/data.json', content: '{"a":1}' },
      ],
      says: 'it has "data.json" twice',
    },
    {
      what: 'ten thousand and one entries',
      entries: Array.from({ length: 10_001 }, (_, i) => ({ name: `f${i}` })),
      says: 'it has over 10000 entries',
    },
  ])('$what', async ({ entries, says }) => {
    expect(await refusal(await packEntries(entries))).toContain(says);
  });

  test('that inflates to more than 64 MiB', async () => {
    const bomb = gzipSync(Buffer.alloc(65 * 1024 * 1024), { level: 1 });
    expect(bomb.length).toBeLessThan(1024 * 1024);
    expect(await refusal(bomb)).toBe('it inflates to over 67108864 bytes');
  });

  test('that is many bombs in a row', async () => {
    const bomb = gzipSync(Buffer.alloc(33 * 1024 * 1024), { level: 1 });
    expect(await refusal(Buffer.concat([bomb, bomb]))).toBe('it inflates to over 67108864 bytes');
  });

  test('of more than 16 MiB', async () => {
    expect(await refusal(Buffer.alloc(16 * 1024 * 1024 + 1))).toBe('it is over 16777216 bytes');
  });

  test('that ends early', async () => {
    const whole = await packEntries([{ name: 'a', content: 'x'.repeat(5000) }]);
    expect(await refusal(whole.subarray(0, whole.length - 10))).toContain('it is no gzip');
    expect(await refusal(Buffer.from('hello'))).toContain('it is no gzip');
    expect(await refusal(gzipSync(Buffer.from('hello'.repeat(300))))).toContain('it is no tar');
  });
});

test('files are read by their relative names, folders and the ways of opa and tar to write them alike', async () => {
  const archive = await packEntries([
    { name: './', type: 'directory' },
    { name: './gate/', type: 'directory' },
    { name: './gate/a.rego', content: 'one' },
    { name: '/gate/b.rego', content: 'two' },
    { name: 'c', content: '' },
  ]);
  const read = await readArchive(archive);
  expect(read.ok && [...read.value].map(([name, bytes]) => [name, String(bytes)])).toEqual([
    ['gate/a.rego', 'one'],
    ['gate/b.rego', 'two'],
    ['c', ''],
  ]);
});

describe('whatever the bytes are, the answer is a value', () => {
  const trust = { verification: null, excludeFiles: [] };
  const answers = async (bytes: Uint8Array): Promise<boolean> => {
    const opened = await openBundle(bytes, trust);
    return opened.ok || opened.error !== '';
  };

  test('of bytes that are no archive', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), async (bytes) => {
        expect(await answers(bytes)).toBe(true);
      }),
    );
  });

  test('of a tar that is damaged anywhere', async () => {
    const whole = gunzipSync(
      await packEntries([
        { name: 'policy.wasm', content: 'x' },
        { name: 'data.json', content: '{"a": {"b": [1, "c"]}}' },
        { name: '.manifest', content: '{"revision": "1"}' },
        { name: 'a/'.repeat(80) + 'x', content: 'long name' },
      ]),
    );
    const damage = fc.record({
      at: fc.nat({ max: whole.length - 1 }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 24 }),
      end: fc.integer({ min: 1, max: whole.length }),
    });
    await fc.assert(
      fc.asyncProperty(damage, async ({ at, bytes, end }) => {
        const copy = Buffer.from(whole);
        copy.set(bytes.subarray(0, copy.length - at), at);
        expect(await answers(gzipSync(copy.subarray(0, end)))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('of data and manifests that are any text', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.json(), fc.string()),
        fc.oneof(fc.json(), fc.string()),
        async (data, manifest) => {
          const bundle = await packEntries([
            { name: 'policy.wasm', content: 'x' },
            { name: 'data.json', content: data },
            { name: '.manifest', content: manifest },
          ]);
          expect(await answers(bundle)).toBe(true);
        },
      ),
    );
  });
});
