import { hash } from 'node:crypto';
import { canonicalJson, canonicalSections } from './canonical-json.ts';
import type { RecordEntry } from './entry.ts';

/** Where a leaf stands, and when it was made. */
type LeafPosition = {
  readonly stream: string;
  /** Counts from 0 in its stream, without holes. */
  readonly seq: number;
  /** RFC 3339 with milliseconds: when the entry was appended. */
  readonly ts: string;
  /** Nanoseconds between the opening of the stream and the append: order and distance without the wall clock. */
  readonly monoNs: number;
};

export type Leaf = LeafPosition & {
  readonly entry: RecordEntry;
  /** What is stored and hashed: one line of canonical JSON, without a line break at its end. */
  readonly text: string;
  /** Length of `text` in UTF-8. */
  readonly bytesLength: number;
  /** The RFC 6962 leaf hash: SHA-256(0x00 || bytes). */
  readonly hash: Buffer;
};

/** The version of the leaf's form. */
const leafVersion = 1;

/** One text inside a leaf; messages, selectors and names are far shorter. UTF-16 units. */
const leafTextCharsMax = 4096;

/** RFC 6962 §2.1: the prefix that keeps a leaf from being read as an inner node. */
const leafPrefix = 0x00;

/** The members that a leaf has beside its entry's, sorted; no entry has members of these names. */
const placeKeys = ['mono_ns', 'seq', 'stream', 'ts', 'v'] as const;

/** An entry as it was when it was appended: written once, so that nothing that its caller does later can change it. */
export type SealedEntry = {
  readonly entry: RecordEntry;
  /** Its members, those before, between and after the members of its place. */
  readonly sections: readonly string[];
  /** About what its leaf will take, in UTF-8. */
  readonly bytesLength: number;
};

/** Bytes that version, stream, sequence and times add to an entry. */
const positionBytes = 160;

/** Writes an entry's part of its leaf. */
export function sealEntry(entry: RecordEntry): SealedEntry {
  const sections = canonicalSections(entry, placeKeys, leafTextCharsMax);
  let bytesLength = positionBytes;
  for (const section of sections) bytesLength += Buffer.byteLength(section);
  return { entry, sections, bytesLength };
}

/** Makes the leaf of an entry: the same entry at the same position always has the same bytes. */
export function makeLeaf({ entry, sections }: SealedEntry, position: LeafPosition): Leaf {
  const { stream, seq, ts, monoNs } = position;
  const [toMonoNs = '', toSeq = '', toStream = '', toTs = '', toVersion = '', rest = ''] = sections;
  const json = (value: string | number): string => canonicalJson(value, leafTextCharsMax);
  const text =
    `{${toMonoNs}"mono_ns":${json(monoNs)},${toSeq}"seq":${json(seq)},` +
    `${toStream}"stream":${json(stream)},${toTs}"ts":${json(ts)},${toVersion}"v":${leafVersion}${rest}}`;
  const bytesLength = Buffer.byteLength(text);
  const prefixed = Buffer.allocUnsafe(bytesLength + 1);
  prefixed[0] = leafPrefix;
  prefixed.write(text, 1, 'utf8');
  return { stream, seq, ts, monoNs, entry, text, bytesLength, hash: prefixedHash(prefixed) };
}

/** RFC 6962 §2.1: the hash of a leaf's bytes. */
export function leafHash(bytes: Uint8Array): Buffer {
  const prefixed = Buffer.allocUnsafe(bytes.length + 1);
  prefixed[0] = leafPrefix;
  prefixed.set(bytes, 1);
  return prefixedHash(prefixed);
}

function prefixedHash(prefixed: Buffer): Buffer {
  // By way of hex: a Buffer of its own for the digest costs more than the hash of a small leaf.
  return Buffer.from(hash('sha256', prefixed, 'hex'), 'hex');
}
