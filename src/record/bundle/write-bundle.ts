import { hashBytes } from '../merkle/tree-hash.ts';
import type { Signer } from '../signing/signed-note.ts';
import type { EvidenceRow, EvidenceSource, StreamPlace } from './evidence-source.ts';
import { writeLedgerLine } from './ledger-line.ts';
import {
  bundleNames,
  isInScope,
  partLeavesMax,
  partNames,
  streamFolder,
  type EvidenceScope,
  type Manifest,
} from './manifest.ts';
import { BundleDigest, signSeal } from './seal.ts';
import { tarEnd, tarHeader, tarPadding } from './tar.ts';
import { proofsOf } from './tree-proofs.ts';

/** What a bundle came to hold. */
export type BundleCounts = { records: number; streams: number; ledgerEntries: number };

/** Records of a bundle of single requests. */
const provenRecordsMax = 50_000;

/**
 * Of the checkpoints that were signed over a stream a bundle carries one in so many records, and the last of each part:
 * each costs its verifier as much as forty records do, and each vouches for everything before it.
 */
const checkpointEveryLeaves = 64;

/** A checkpoint has a few hundred characters; a column that was tampered with can hold anything. */
const noteCharsMax = 4096;

/**
 * Makes an evidence bundle, piece by piece, in constant memory, at the pace at which it is read. Nothing of the database is
 * believed or left out: a record that was changed comes out as it is, for the verifier to find.
 * `counts` is filled as the bundle grows.
 */
export async function* writeBundle(options: {
  readonly source: EvidenceSource;
  readonly manifest: Manifest;
  /** The deployment's key: it seals the bundle. */
  readonly key: Signer;
  readonly counts: BundleCounts;
}): AsyncGenerator<Buffer, void, void> {
  const { source, manifest, key, counts } = options;
  const digest = new BundleDigest();
  for await (const file of filesOf(source, manifest, counts)) {
    digest.file(file.name, file.content.length);
    digest.content(file.content);
    yield* tarFile(file);
  }
  const seal = Buffer.from(signSeal(manifest.deployment, digest.end(), key));
  yield* tarFile({ name: bundleNames.seal, content: seal });
  yield tarEnd();
}

type BundleFile = { readonly name: string; readonly content: Buffer };

function* tarFile({ name, content }: BundleFile): Generator<Buffer, void, void> {
  yield tarHeader(name, content.length);
  if (content.length > 0) yield content;
  const padding = tarPadding(content.length);
  if (padding.length > 0) yield padding;
}

async function* filesOf(
  source: EvidenceSource,
  manifest: Manifest,
  counts: BundleCounts,
): AsyncGenerator<BundleFile, void, void> {
  const { scope } = manifest;
  yield { name: bundleNames.manifest, content: Buffer.from(`${JSON.stringify(manifest)}\n`) };
  yield { name: bundleNames.anchors, content: ndjson(await source.anchors()) };
  if (scope.kind === 'approval' || scope.kind === 'requests') {
    yield* provenStreams(source, scope, counts);
    return;
  }
  // Before the streams: what the ledger says of them was true before they are read.
  yield* ledgerParts(source, counts);
  yield* wholeStreams(source, scope, counts);
}

async function* ledgerParts(
  source: EvidenceSource,
  counts: BundleCounts,
): AsyncGenerator<BundleFile, void, void> {
  let part = 1;
  for (let rows = await source.ledgerPage(0); rows.length > 0;) {
    counts.ledgerEntries += rows.length;
    const lines = rows.map(({ seq, kind, at, bytes }) =>
      writeLedgerLine({ seq, kind, at, bytes: bytes.toString('utf8') }),
    );
    yield* partFiles(
      bundleNames.ledger,
      part,
      rows,
      lines.map((line) => Buffer.from(line)),
    );
    part += 1;
    rows = await source.ledgerPage((rows.at(-1)?.seq ?? 0) + 1);
  }
}

async function* wholeStreams(
  source: EvidenceSource,
  scope: EvidenceScope,
  counts: BundleCounts,
): AsyncGenerator<BundleFile, void, void> {
  const seen = new Set<string>();
  for (const epoch of await source.days()) {
    if (!isInScope(scope, epoch)) continue;
    for (const stream of await source.streamsOf(epoch)) {
      const folder = streamFolder(stream);
      // A second day of one stream was put there by somebody: it goes into a folder of its own, which nothing vouches for.
      const own = seen.has(folder) ? `${folder}-${epoch}` : folder;
      seen.add(own);
      counts.streams += 1;
      yield* wholeStream(source, { epoch, stream }, own, counts);
    }
  }
}

async function* wholeStream(
  source: EvidenceSource,
  place: StreamPlace,
  folder: string,
  counts: BundleCounts,
): AsyncGenerator<BundleFile, void, void> {
  let part = 1;
  for (let rows = await source.page(place, 0); rows.length > 0;) {
    const certificate = part === 1 ? certificateIn(rows[0]) : null;
    if (certificate !== null) yield certificateFile(folder, certificate);
    counts.records += rows.length;
    yield* partFiles(
      folder,
      part,
      rows,
      rows.map(({ bytes }) => bytes),
    );
    part += 1;
    rows = await source.page(place, (rows.at(-1)?.seq ?? 0) + 1);
  }
}

function* partFiles(
  folder: string,
  part: number,
  rows: readonly EvidenceRow[],
  lines: readonly Buffer[],
): Generator<BundleFile, void, void> {
  const names = partNames(folder, part);
  yield { name: names.checkpoints, content: ndjson(thinned(rows)) };
  yield { name: names.hashes, content: Buffer.concat(rows.map(storedHash)) };
  yield { name: names.leaves, content: linesFile(lines) };
}

function thinned(rows: readonly EvidenceRow[]): { size: number; note: string }[] {
  const kept: { size: number; note: string }[] = [];
  const signed = rows.filter(({ checkpoint }) => checkpoint !== null);
  let size = rows[0]?.seq ?? 0;
  signed.forEach(({ seq, checkpoint }, index) => {
    const isLast = index === signed.length - 1;
    if (!isLast && seq + 1 - size < checkpointEveryLeaves) return;
    size = seq + 1;
    kept.push({ size, note: (checkpoint ?? '').slice(0, noteCharsMax) });
  });
  return kept;
}

async function* provenStreams(
  source: EvidenceSource,
  scope: Extract<EvidenceScope, { kind: 'approval' | 'requests' }>,
  counts: BundleCounts,
): AsyncGenerator<BundleFile, void, void> {
  const of =
    scope.kind === 'approval' ? { approval: scope.approval } : { requests: scope.requests };
  const found = await source.placesOf(of, provenRecordsMax + 1);
  if (found.length > provenRecordsMax) {
    throw new Error(`they have over ${provenRecordsMax} records; export their days instead`);
  }
  const places = new Map<string, StreamPlace & { readonly seqs: number[] }>();
  for (const { epoch, stream, seq } of found) {
    const folder = streamFolder(stream);
    const place = places.get(folder) ?? { epoch, stream, seqs: [] };
    // Of a stream that two days claim the first is taken: the other one has no proof.
    if (place.epoch === epoch && place.stream === stream) place.seqs.push(seq);
    places.set(folder, place);
  }
  for (const [folder, { seqs, ...place }] of places) {
    counts.streams += 1;
    yield* provenStream(
      source,
      place,
      folder,
      seqs.toSorted((a, b) => a - b),
      counts,
    );
  }
}

async function* provenStream(
  source: EvidenceSource,
  place: StreamPlace,
  folder: string,
  seqs: readonly number[],
  counts: BundleCounts,
): AsyncGenerator<BundleFile, void, void> {
  const [first] = await source.rows(place, [0]);
  const certificate = certificateIn(first);
  if (certificate !== null) yield certificateFile(folder, certificate);
  // One signed tree for all: that which ends at the last of them.
  const signed = await source.checkpointFrom(place, seqs.at(-1) ?? 0);
  const size = signed === null ? 0 : signed.seq + 1;
  const proofs = await proofsOf(seqs, size, async (from, limit) =>
    (await source.hashes(place, from, limit)).map(({ leaf }) => leaf),
  );
  const checkpoints = signed === null ? [] : [{ size, note: signed.checkpoint }];
  for (let at = 0; at < seqs.length; at += partLeavesMax) {
    const names = partNames(folder, at / partLeavesMax + 1);
    const rows = await source.rows(place, seqs.slice(at, at + partLeavesMax));
    counts.records += rows.length;
    yield { name: names.checkpoints, content: ndjson(checkpoints) };
    const lines = rows.map(({ seq }) => ({
      seq,
      size,
      hashes: (proofs.get(seq) ?? []).map((hash) => hash.toString('base64')),
    }));
    yield { name: names.proofs, content: ndjson(lines) };
    yield { name: names.leaves, content: linesFile(rows.map(({ bytes }) => bytes)) };
  }
}

const certificateFile = (folder: string, note: string): BundleFile => ({
  name: `${folder}/certificate.note`,
  content: Buffer.from(note),
});

/** The certificate in the first record of a stream; null where it has none. */
function certificateIn(row: EvidenceRow | undefined): string | null {
  if (row?.seq !== 0) return null;
  try {
    const leaf: unknown = JSON.parse(row.bytes.toString('utf8'));
    const has = typeof leaf === 'object' && leaf !== null && 'certificate' in leaf;
    return has && typeof leaf.certificate === 'string' ? leaf.certificate : null;
  } catch {
    return null;
  }
}

const lineFeed = Buffer.from('\n');

/** A leaf has no line feed: where one was put in, what stands in its place has another hash, and is found by that. */
const linesFile = (lines: readonly Buffer[]): Buffer =>
  Buffer.concat(
    lines.flatMap((line) => [line.includes(lineFeed) ? withoutLineFeeds(line) : line, lineFeed]),
  );

const withoutLineFeeds = (line: Buffer): Buffer =>
  Buffer.from(line.map((byte) => (byte === lineFeed[0] ? 0x20 : byte)));

/** Something else than a hash in its column counts as a wrong one. */
const storedHash = ({ leaf }: EvidenceRow): Buffer =>
  leaf.length === hashBytes ? leaf : Buffer.alloc(hashBytes);

const ndjson = (values: readonly object[]): Buffer =>
  Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
