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
  /** The RFC 6962 leaf hash: SHA-256(0x00 || bytes). */
  readonly hash: Buffer;
};

/** The version of the leaf's form. */
const leafVersion = 1;

/** One text inside a leaf; messages, selectors and names are far shorter. UTF-16 units. */
const leafTextCharsMax = 4096;

/** RFC 6962 §2.1: the prefix that keeps a leaf from being read as an inner node. */
const leafPrefix = '\0';

/** The members that a leaf has beside its entry's, sorted; no entry has members of these names. */
const placeKeys = ['mono_ns', 'seq', 'stream', 'ts', 'v'] as const;

/** An entry as it was when it was appended: written once, so that nothing that its caller does later can change it. */
export type SealedEntry = {
  readonly entry: RecordEntry;
  /** Its members, those before, between and after the members of its place. */
  readonly sections: readonly string[];
  /** UTF-16 units that its leaf will take at most: nearly always its bytes too, and counted without another look at it. */
  readonly charsLength: number;
};

/** Units that version, stream, sequence and times add to an entry. */
const positionChars = 160;

/** Writes an entry's part of its leaf. */
export function sealEntry(entry: RecordEntry): SealedEntry {
  const sections = canonicalSections(entry, placeKeys, leafTextCharsMax);
  let charsLength = positionChars;
  for (const section of sections) charsLength += section.length;
  return { entry, sections, charsLength };
}

/** Makes the leaf of an entry: the same entry at the same position always has the same bytes. */
export function makeLeaf({ entry, sections }: SealedEntry, position: LeafPosition): Leaf {
  const { stream, seq, ts, monoNs } = position;
  const [toMonoNs = '', toSeq = '', toStream = '', toTs = '', toVersion = '', rest = ''] = sections;
  const json = (value: string | number): string => canonicalJson(value, leafTextCharsMax);
  const text =
    `{${toMonoNs}"mono_ns":${json(monoNs)},${toSeq}"seq":${json(seq)},` +
    `${toStream}"stream":${json(stream)},${toTs}"ts":${json(ts)},${toVersion}"v":${leafVersion}${rest}}`;
  return { stream, seq, ts, monoNs, entry, text, hash: sha256(`${leafPrefix}${text}`) };
}

/** RFC 6962 §2.1: the hash of a leaf's bytes. */
export function leafHash(bytes: Uint8Array): Buffer {
  const prefixed = Buffer.allocUnsafe(bytes.length + 1);
  prefixed.write(leafPrefix, 'latin1');
  prefixed.set(bytes, 1);
  return sha256(prefixed);
}

/** Of bytes, or of a text in UTF-8. */
function sha256(data: string | Uint8Array): Buffer {
  // By way of hex: a Buffer of its own for the digest costs more than the hash of a small leaf.
  return Buffer.from(hash('sha256', data, 'hex'), 'hex');
}
