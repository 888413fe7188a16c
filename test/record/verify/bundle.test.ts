import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tarEnd, tarHeader } from '../../../src/record/bundle/tar.ts';
import { verifyBundle, type VerifyReport } from '../../../src/record/index.ts';
import { bundleOf, honestWorld, piecesOf, reportOf } from '../../support/evidence-world.ts';

const plans = [
  { id: 'one', openedAt: '2026-11-20T10:00:00.000Z', batches: [1, 2, 5] },
  { id: 'two', openedAt: '2026-11-21T11:00:00.000Z', batches: [3], isClosed: false },
] as const;

const world = honestWorld(plans);
const whole = await bundleOf(world);
const partial = await bundleOf(world, { kind: 'requests', requests: ['one-1', 'two-1'] });

/** Where the files of an archive stand: name, start of the header, end with padding. */
function filesOf(
  bundle: Buffer,
): { name: string; start: number; end: number; contentEnd: number }[] {
  const files = [];
  for (let at = 0; bundle[at] !== 0;) {
    const name = bundle.toString('latin1', at, bundle.indexOf(0, at));
    const size = Number.parseInt(bundle.toString('latin1', at + 124, at + 135), 8);
    const contentEnd = at + 512 + size;
    const end = at + 512 + Math.ceil(size / 512) * 512;
    files.push({ name, start: at, end, contentEnd });
    at = end;
  }
  return files;
}

const without = (bundle: Buffer, name: RegExp): Buffer =>
  Buffer.concat([
    ...filesOf(bundle)
      .filter((file) => !name.test(file.name))
      .map(({ start, end }) => bundle.subarray(start, end)),
    tarEnd(),
  ]);

describe.each([
  { name: 'a bundle of whole streams', bundle: whole, records: 14 },
  { name: 'a bundle of single requests', bundle: partial, records: 4 },
])('$name', ({ bundle, records }) => {
  test('is verified in pieces of any size', async () => {
    for (const pieceBytes of [1, 511, 1000, 1 << 20]) {
      const pieces = piecesOf(bundle, pieceBytes);
      const report = await verifyBundle({ bundle: pieces, key: world.key.vkey, anchors: null });
      expect(report).toMatchObject({
        ok: true,
        value: { verdict: 'verified', counts: { records } },
      });
    }
  });

  test('any single byte that is changed is found', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(bundle.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, change) => {
          const changed = Buffer.from(bundle);
          changed[at] = (changed[at] ?? 0) ^ change;
          const report = await reportOf(world, changed);
          expect(report.verdict).not.toBe('verified');
          expect(report.findings.length).toBeGreaterThan(0);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('whatever is cut off is found, and is no tampering', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(bundle.length - 1), async (length) => {
        const report = await reportOf(world, bundle.subarray(0, length));
        expect(report.verdict).toBe('unverifiable');
        expect(report.findings.map(({ kind }) => kind)).toContain('bundle-truncated');
      }),
      { numRuns: 100 },
    );
  });

  test('any file that is taken out is found', async () => {
    for (const { name } of filesOf(bundle)) {
      const report = await reportOf(world, without(bundle, new RegExp(`^${name}$`)));
      expect({ name, verdict: report.verdict }).not.toEqual({ name, verdict: 'verified' });
    }
  });

  test('any file that stands twice, or elsewhere, is found', async () => {
    const files = filesOf(bundle);
    for (const [index, { start, end }] of files.entries()) {
      const file = bundle.subarray(start, end);
      const next = files[index + 1];
      const twice = Buffer.concat([bundle.subarray(0, end), file, bundle.subarray(end)]);
      expect((await reportOf(world, twice)).verdict).not.toBe('verified');
      if (next === undefined) continue;
      const swapped = Buffer.concat([
        bundle.subarray(0, start),
        bundle.subarray(next.start, next.end),
        file,
        bundle.subarray(next.end),
      ]);
      expect((await reportOf(world, swapped)).verdict).not.toBe('verified');
    }
  });
});

test('records that are taken out of a bundle after it was made are named', async () => {
  const report = await reportOf(world, without(whole, /^streams\/two\//));
  const kinds = report.findings.map(({ kind, stream }) => ({ kind, stream }));
  expect(kinds).toContainEqual({ kind: 'stream-deleted', stream: 'two' });
  expect(kinds).toContainEqual({ kind: 'bundle-changed', stream: null });
});

test('a bundle of another deployment is not verified, and says whose it is', async () => {
  const other = honestWorld(plans);
  const report = await verifyBundle({
    bundle: piecesOf(whole),
    key: other.key.vkey,
    anchors: null,
  });
  expect(report).toMatchObject({
    ok: true,
    value: { verdict: 'unverifiable', findings: [{ kind: 'key-foreign' }], counts: { records: 0 } },
  });
});

test.each([
  { name: 'no key', key: 'hello' },
  { name: 'the key of a stream', key: 'test/stream/one+00000000+AAAA' },
])('$name is an error', async ({ key }) => {
  const report = await verifyBundle({ bundle: piecesOf(whole), key, anchors: null });
  expect(report).toMatchObject({ ok: false });
});

describe('a hostile archive', () => {
  const file = (name: string, content: string, size = content.length): Buffer => {
    const padded = Buffer.alloc(Math.ceil(content.length / 512) * 512);
    padded.write(content);
    return Buffer.concat([tarHeader(name, size), padded]);
  };
  const manifest = whole.subarray(0, filesOf(whole)[0]?.end);
  const renamed = (name: string): Buffer => {
    const bytes = file('manifest.json', '{}');
    bytes.fill(0, 0, 100);
    bytes.write(name, 0, 'latin1');
    bytes.fill(0x20, 148, 156);
    const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    return bytes;
  };
  const typed = (type: string): Buffer => {
    const bytes = file('manifest.json', '{}');
    bytes.write(type, 156, 'latin1');
    bytes.fill(0x20, 148, 156);
    const sum = bytes.subarray(0, 512).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    return bytes;
  };
  const cases: { name: string; bytes: Buffer; kind: string; says: RegExp }[] = [
    { name: 'nothing', bytes: Buffer.alloc(0), kind: 'bundle-truncated', says: /too early/ },
    { name: 'text', bytes: Buffer.alloc(2048, 'x'), kind: 'bundle-malformed', says: /malformed/ },
    {
      name: 'an empty archive',
      bytes: tarEnd(),
      kind: 'bundle-truncated',
      says: /without its seal/,
    },
    {
      name: 'a path out of it',
      bytes: renamed('../manifest.json'),
      kind: 'bundle-malformed',
      says: /clean/,
    },
    {
      name: 'an absolute path',
      bytes: renamed('/manifest.json'),
      kind: 'bundle-malformed',
      says: /clean/,
    },
    { name: 'a link', bytes: typed('2'), kind: 'bundle-malformed', says: /header/ },
    {
      name: 'an extension header of 8 GB',
      bytes: typed('x'),
      kind: 'bundle-malformed',
      says: /header/,
    },
    {
      name: 'a size of 8 GB in a small file',
      bytes: file('manifest.json', '{}', 8 ** 11 - 1),
      kind: 'bundle-truncated',
      says: /too early/,
    },
    {
      name: 'a manifest of 2 MB',
      bytes: file('manifest.json', 'x'.repeat(2 << 20)),
      kind: 'bundle-malformed',
      says: /larger than/,
    },
    {
      name: 'bytes behind the end',
      bytes: Buffer.concat([whole, Buffer.alloc(512, 1)]),
      kind: 'bundle-malformed',
      says: /behind its end/,
    },
    {
      name: 'a newer version',
      bytes: file('manifest.json', '{"v":2,"more":true}\n'),
      kind: 'version-unknown',
      says: /version 2/,
    },
    {
      name: 'a file that no bundle has',
      bytes: Buffer.concat([manifest, file('etc/passwd', 'root')]),
      kind: 'bundle-malformed',
      says: /no place|should be/,
    },
    {
      name: 'a line of 17 MB',
      bytes: Buffer.concat([
        manifest,
        file('ledger/checkpoints-000001.ndjson', ''),
        file('ledger/hashes-000001.bin', 'x'.repeat(32)),
        file('ledger/leaves-000001.ndjson', 'x'.repeat(17 << 20)),
      ]),
      kind: 'bundle-malformed',
      says: /line of over/,
    },
  ];
  test.each(cases)('is refused: $name', async ({ bytes, kind, says }) => {
    const report: VerifyReport = await reportOf(world, bytes);
    expect(report.verdict).toBe('unverifiable');
    expect(report.findings[0]).toMatchObject({ kind });
    expect(report.findings[0]?.found).toMatch(says);
  });

  test('a hundred thousand empty files are read in constant memory, and found to have no seal', async () => {
    const empty = async function* empty(): AsyncGenerator<Buffer> {
      yield manifest;
      for (let part = 1; part <= 33_333; part += 1) {
        const number = String(part).padStart(6, '0');
        yield tarHeader(`ledger/checkpoints-${number}.ndjson`, 0);
        yield tarHeader(`ledger/hashes-${number}.bin`, 0);
        yield tarHeader(`ledger/leaves-${number}.ndjson`, 0);
      }
    };
    const before = process.memoryUsage().heapUsed;
    const report = await verifyBundle({ bundle: empty(), key: world.key.vkey, anchors: null });
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 * 1024 * 1024);
    expect(report).toMatchObject({ ok: true, value: { verdict: 'unverifiable' } });
  }, 60_000);
});
