import { TarProblem } from '../bundle/tar.ts';
import type { Verifier } from '../signing/signed-note.ts';
import { ledgerOrigin, openCertificate, streamOrigin } from '../signing/stream-certificate.ts';
import type { Anchor } from './anchors.ts';
import type { Findings } from './findings.ts';
import { checkpointIn, parseLedgerLine, type LedgerLine } from '../bundle/ledger-line.ts';
import { TreeCheck, type CarriedCheckpoint, type TreeWords } from './tree-check.ts';

/** What the ledger says of a stream. */
export type LedgerStream = {
  readonly stream: string;
  /** The certificate in the ledger; null where the ledger has checkpoints of the stream only. */
  readonly certificate: string | null;
  readonly openedAt: string | null;
  /** The most records that it ever had, and the entry that says so. */
  readonly size: number;
  readonly lastEntry: number;
  readonly checkpoints: readonly LedgerCheckpoint[];
};

export type LedgerCheckpoint = {
  readonly size: number;
  readonly root: Buffer;
  readonly entry: number;
  /** When it came into the ledger. Milliseconds since the Unix epoch. */
  readonly atMs: number;
};

type Growing = { -readonly [Key in keyof LedgerStream]: LedgerStream[Key] } & {
  checkpoints: LedgerCheckpoint[];
};

/** Streams of a ledger: some for each process and day. */
const streamsCountMax = 200_000;

/**
 * Checkpoints that are kept of a stream to be compared: beyond it every second one is dropped. Nothing is lost that
 * could hide a change, as the newest one is over all records before it.
 */
const checkpointsCountMax = 4096;

const words: TreeWords = {
  edited: 'ledger-changed',
  changed: 'ledger-changed',
  missing: 'ledger-changed',
  outOfOrder: 'ledger-changed',
  foreign: 'ledger-changed',
  unsigned: 'ledger-changed',
};

export type LedgerSummary = {
  readonly entries: number;
  readonly streams: number;
  readonly from: string | null;
  readonly to: string | null;
  /** Anchors that were given, are of this ledger and were found in it. */
  readonly anchorsFound: number;
  /** Anchors made after the bundle was: nothing can be said of them. */
  readonly anchorsNewer: number;
};

/** Checks the whole ledger, as it comes, and keeps what it says of each stream. */
export class LedgerCheck {
  readonly #deployment: string;
  readonly #key: Verifier;
  readonly #findings: Findings;
  readonly #tree: TreeCheck;
  readonly #anchors: readonly Anchor[];
  readonly #madeAtMs: number;
  readonly #streams = new Map<string, Growing>();
  #from: string | null = null;
  #to: string | null = null;
  #anchorsDiffer = 0;
  #lines = new Map<Buffer, LedgerLine>();

  constructor(options: {
    readonly deployment: string;
    readonly key: Verifier;
    readonly findings: Findings;
    /** Of this deployment, their signatures checked. */
    readonly anchors: readonly Anchor[];
    /** When the bundle was made. RFC 3339. */
    readonly madeAt: string;
  }) {
    this.#deployment = options.deployment;
    this.#key = options.key;
    this.#findings = options.findings;
    this.#anchors = options.anchors.toSorted((one, other) => one.size - other.size);
    this.#madeAtMs = Date.parse(options.madeAt);
    this.#tree = new TreeCheck({
      stream: null,
      origin: ledgerOrigin(options.deployment),
      verifier: options.key,
      words,
      findings: options.findings,
      seqOf: (leaf) => this.#lines.get(leaf)?.seq ?? null,
      onLeaf: (leaf) => {
        const line = this.#lines.get(leaf);
        if (line !== undefined) this.#entry(line);
      },
      marks: this.#anchors.map((anchor) => ({
        size: anchor.size,
        root: anchor.root,
        differs: (found) => this.#differs(anchor, found),
      })),
    });
  }

  get streams(): ReadonlyMap<string, LedgerStream> {
    return this.#streams;
  }

  expectCheckpoints(carried: readonly CarriedCheckpoint[]): void {
    this.#tree.expectCheckpoints(carried);
  }

  add(lines: readonly Buffer[], stored: Buffer, at: number): void {
    this.#lines = new Map(lines.map((line, index) => leafIn(line, at + index)));
    this.#tree.add([...this.#lines.keys()], stored, at);
  }

  /** To be called after the last entry. */
  end(): LedgerSummary {
    this.#tree.end();
    const { size } = this.#tree;
    const beyond = this.#anchors.filter((anchor) => anchor.size > size);
    const newer = beyond.filter(({ atMs }) => atMs !== null && atMs > this.#madeAtMs);
    for (const anchor of beyond) {
      if (newer.includes(anchor)) continue;
      this.#findings.add(
        'ledger-rolled-back',
        { seq: size },
        `${anchor.size} entries or more, as the anchor in line ${anchor.line} says${anchor.atMs === null ? '' : ` (${isoOf(anchor.atMs)})`}`,
        `${size} entries: the database was restored from an older state, or its end was cut off${anchor.atMs === null ? ', or the anchor, which has no time, is newer than the bundle' : ''}`,
      );
    }
    return {
      entries: size,
      streams: this.#streams.size,
      from: this.#from,
      to: this.#to,
      anchorsFound: this.#anchors.length - beyond.length - this.#anchorsDiffer,
      anchorsNewer: newer.length,
    };
  }

  #differs(anchor: Anchor, found: Buffer): void {
    this.#anchorsDiffer += 1;
    this.#findings.add(
      'anchor-differs',
      { seq: Math.max(0, anchor.size - 1) },
      `the root ${anchor.root.toString('base64')} at ${anchor.size} entries, as the anchor in line ${anchor.line} says`,
      `the root ${found.toString('base64')}: the ledger was rewritten`,
    );
  }

  #entry(line: LedgerLine): void {
    this.#from ??= line.at;
    this.#to = line.at;
    if (line.kind === 'certificate') this.#opened(line);
    if (line.kind === 'checkpoint') this.#grown(line);
  }

  #streamOf(stream: string): Growing | null {
    const known = this.#streams.get(stream);
    if (known !== undefined) return known;
    if (this.#streams.size >= streamsCountMax) {
      this.#findings.add('bundle-malformed', {}, `at most ${streamsCountMax} streams`, 'more');
      return null;
    }
    const made: Growing = {
      stream,
      certificate: null,
      openedAt: null,
      size: 0,
      lastEntry: 0,
      checkpoints: [],
    };
    this.#streams.set(stream, made);
    return made;
  }

  #opened({ seq, bytes: note }: LedgerLine): void {
    const certificate = openCertificate(note, this.#key);
    if (!certificate.ok) {
      this.#findings.add('ledger-changed', { seq }, 'a certificate', certificate.error);
      return;
    }
    const { stream, openedAt } = certificate.value;
    const known = this.#streamOf(stream);
    if (known === null) return;
    if (known.certificate !== null && known.certificate !== note) {
      const found = 'another certificate of the same stream';
      this.#findings.add('fork', { stream, seq }, 'one certificate of a stream', found);
      return;
    }
    known.certificate = note;
    known.openedAt = openedAt;
    known.lastEntry = seq;
  }

  #grown({ seq, bytes, at }: LedgerLine): void {
    const checkpoint = checkpointIn(bytes);
    const prefix = streamOrigin(this.#deployment, '');
    if (checkpoint === null || !checkpoint.origin.startsWith(prefix)) {
      const found = checkpoint === null ? 'something else' : `one of ${checkpoint.origin}`;
      this.#findings.add('ledger-changed', { seq }, 'a checkpoint of a stream', found);
      return;
    }
    const { size, root } = checkpoint;
    const stream = checkpoint.origin.slice(prefix.length);
    const known = this.#streamOf(stream);
    if (known === null) return;
    const last = known.checkpoints.at(-1);
    if (last !== undefined && size <= last.size) {
      const isSame = size === last.size && root.equals(last.root);
      if (isSame) return;
      const expected = `more than ${last.size} records, as entry ${last.entry} says`;
      const found = `${size} records with the root ${root.toString('base64')}`;
      this.#findings.add('fork', { stream, seq }, expected, found);
      return;
    }
    known.checkpoints.push({ size, root, entry: seq, atMs: Date.parse(at) });
    if (known.checkpoints.length > checkpointsCountMax) {
      known.checkpoints = known.checkpoints.filter(
        (_, index, all) => (all.length - index) % 2 === 1,
      );
    }
    known.size = size;
    known.lastEntry = seq;
  }
}

/** The leaf of a line, with the spare byte before it that a tree check wants. */
function leafIn(bytes: Buffer, at: number): [Buffer, LedgerLine] {
  const line = parseLedgerLine(bytes);
  if (line === null)
    throw new TarProblem('malformed', `entry ${at} of a ledger part cannot be read`);
  const leaf = Buffer.allocUnsafeSlow(1 + Buffer.byteLength(line.bytes)).subarray(1);
  leaf.write(line.bytes, 'utf8');
  return [leaf, line];
}

const isoOf = (ms: number): string => new Date(ms).toISOString();
