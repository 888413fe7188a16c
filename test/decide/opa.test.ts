import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allowedBuiltins, hostBuiltins } from '../../src/decide/capabilities.ts';
import {
  capabilitiesJson,
  findOpa,
  hashSources,
  policySchemaJson,
} from '../../src/decide/index.ts';
import { policyReference } from '../../src/decide/index.ts';
import { tarFile } from '../../src/decide/tar.ts';

const root = new URL('../..', import.meta.url);
const file = (name: string): string => readFileSync(new URL(name, root), 'utf8');

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdgate-test-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function program(name: string, text: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
  return path;
}

describe('opa', () => {
  test('is the pinned one where npm installed it', async () => {
    const opa = await findOpa({});
    if (!opa.ok) throw new Error(opa.error);
    expect([opa.value.name, opa.value.languageFlags]).toEqual(['opa/0.70.0', ['--v1-compatible']]);
  });

  test.each([
    { name: 'no-version', text: 'echo hello', says: 'does not name its version' },
    { name: 'too-old', text: 'echo "Version: 0.42.0"', says: 'at least 0.70 is needed' },
    {
      name: 'no-capabilities',
      text: '[ "$1" = version ] && echo "Version: 1.2.3" || exit 3',
      says: 'capabilities',
    },
  ])('is refused: $name', async ({ name, text, says }) => {
    const opa = await findOpa({ configured: await program(name, text) });
    expect(opa.ok ? '' : opa.error).toContain(says);
  });

  test('of version 1 needs no language flag, and gets nothing of our environment', async () => {
    const script = `case $1 in version) echo "Version: 1.22.0";; capabilities) echo '{"builtins": []}';; *) env; exit 7;; esac`;
    const opa = await findOpa({ configured: await program('one', script) });
    if (!opa.ok) throw new Error(opa.error);
    expect([opa.value.name, opa.value.languageFlags]).toEqual(['opa/1.22.0', []]);
    const ran = await opa.value.run(['show'], directory);
    if (!ran.ok) throw new Error(ran.error);
    expect(ran.value.code).toBe(7);
    expect(ran.value.stdout).not.toContain('PATH=/usr/local');
    expect(ran.value.stdout).not.toContain('HOME=');
  });
});

describe('the committed files are current (else: npm run docs)', () => {
  test('deploy/policy/schema.json', () => {
    expect(file('deploy/policy/schema.json')).toBe(policySchemaJson());
  });

  test('deploy/policy/capabilities.json', async () => {
    const opa = await findOpa({});
    if (!opa.ok) throw new Error(opa.error);
    expect(file('deploy/policy/capabilities.json')).toBe(opa.value.capabilities);
  });

  test('docs/policies.md names every field of the input', () => {
    const page = file('docs/policies.md');
    const rows = policyReference().matchAll(/^\| `([^`]+)` \|/gm);
    const missing = [...rows]
      .map(([, name = '']) => name)
      .filter((name) => !page.includes(`\`${name}\``));
    expect(missing).toEqual([]);
  });
});

test('every field of the input says what it holds', () => {
  const silent = [...policyReference().matchAll(/^\| `(input[^`]*)` \|[^|]*\|\s*\|$/gm)];
  expect(silent.map(([, name]) => name)).toEqual([]);
});

describe('capabilities', () => {
  test('hold nothing of clock, network, randomness, environment or tracing', () => {
    const names = [...allowedBuiltins].join(' ');
    expect(names).not.toMatch(
      /time\.|http\.|rand\.|uuid\.|opa\.|net\.lookup|trace|crypto|io\.jwt|aws/,
    );
  });

  test('keep the order and the declarations of opa, and allow no network', () => {
    const all = { builtins: [{ name: 'http.send' }, { name: 'count', decl: {} }], features: ['x'] };
    expect(JSON.parse(capabilitiesJson(JSON.stringify(all)))).toEqual({
      builtins: [{ name: 'count', decl: {} }],
      features: ['x'],
      allow_net: [],
    });
  });

  test('ask nothing of the host but what opa-wasm brings', () => {
    expect([...hostBuiltins].every((name) => allowedBuiltins.has(name))).toBe(true);
  });
});

describe('a tar archive', () => {
  const entry = (name: string, body: string): Buffer => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
    header[156] = 0x30;
    const padded = Buffer.alloc(Math.ceil(body.length / 512) * 512);
    padded.write(body);
    return Buffer.concat([header, padded]);
  };
  const archive = Buffer.concat([
    entry('/data.json', '{}'),
    entry('/policy.wasm', 'x'.repeat(700)),
    Buffer.alloc(1024),
  ]);

  test('gives the file of exactly that name', () => {
    const tar = gunzipSync(gzipSync(archive));
    expect(tarFile(tar, '/policy.wasm')?.toString()).toBe('x'.repeat(700));
    expect(tarFile(tar, 'policy.wasm')).toBeNull();
  });

  test('that is cut or damaged gives nothing, and never a throw', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: archive.length }),
        fc.nat({ max: archive.length - 1 }),
        fc.nat({ max: 255 }),
        (end, at, byte) => {
          const damaged = Buffer.from(archive);
          damaged[at] = byte;
          const found = tarFile(damaged.subarray(0, end), '/policy.wasm');
          expect(found === null || found.length <= archive.length).toBe(true);
        },
      ),
    );
    expect(tarFile(archive.subarray(0, 1600), '/policy.wasm')).toBeNull();
  });
});

test('two sets of sources have one hash only when they are the same', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.string()),
      fc.dictionary(fc.string(), fc.string()),
      (a, b) => {
        const [left, right] = [new Map(Object.entries(a)), new Map(Object.entries(b))];
        const text = (files: ReadonlyMap<string, string>): string =>
          JSON.stringify([...files].map((entry) => JSON.stringify(entry)).sort());
        const same = text(left) === text(right);
        expect(hashSources(left) === hashSources(right)).toBe(same);
      },
    ),
  );
  expect(hashSources(new Map([['a', 'bc']]))).not.toBe(hashSources(new Map([['ab', 'c']])));
});
