import { createHash } from 'node:crypto';
import { canonicalMembers, joinMembers, type CanonicalMember } from './canonical-json.ts';
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
const leafPrefix = Buffer.from([0x00]);

/** An entry as it was when it was appended: written once, so that nothing that its caller does later can change it. */
export type SealedEntry = {
  readonly entry: RecordEntry;
  readonly members: readonly CanonicalMember[];
  /** About what its leaf will take, in UTF-8. */
  readonly bytesLength: number;
};

/** Bytes that version, stream, sequence and times add to an entry. */
const positionBytes = 160;

/** Writes an entry's part of its leaf. */
export function sealEntry(entry: RecordEntry): SealedEntry {
  const members = canonicalMembers(entry, leafTextCharsMax);
  const bytesLength = members.reduce((sum, { text }) => sum + Buffer.byteLength(text) + 1, 0);
  return { entry, members, bytesLength: bytesLength + positionBytes };
}

/** Makes the leaf of an entry: the same entry at the same position always has the same bytes. */
export function makeLeaf({ entry, members }: SealedEntry, position: LeafPosition): Leaf {
  const { stream, seq, ts, monoNs } = position;
  const place = { v: leafVersion, stream, seq, ts, mono_ns: monoNs };
  const text = joinMembers([...members, ...canonicalMembers(place, leafTextCharsMax)]);
  const bytes = Buffer.from(text, 'utf8');
  return { ...position, entry, text, bytesLength: bytes.length, hash: leafHash(bytes) };
}

/** RFC 6962 §2.1: the hash of a leaf's bytes. */
export function leafHash(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(leafPrefix).update(bytes).digest();
}
