import { hash } from 'node:crypto';
import { emptyFrontier, extendFrontier, rootOf, type Frontier } from '../merkle/frontier.ts';
import { hashBytes } from '../merkle/tree-hash.ts';
import { openCheckpoint } from '../signing/checkpoint.ts';
import type { Verifier } from '../signing/signed-note.ts';
import type { FindingKind, Findings } from './findings.ts';

/** Leaves that wait for a root, at most: a bundle without checkpoints cannot fill the memory. */
const windowLeavesMax = 65_536;

/** What a tree's findings are called: those of the ledger have one name. */
export type TreeWords = {
  readonly edited: FindingKind;
  readonly changed: FindingKind;
  readonly missing: FindingKind;
  readonly outOfOrder: FindingKind;
  readonly foreign: FindingKind;
  readonly unsigned: FindingKind;
};

/** A root that the tree has to have at a size, from outside of it: the ledger, or an anchor. */
export type Mark = {
  readonly size: number;
  readonly root: Buffer;
  /**
   * Told that the tree has another root there, whether the tree's own key signed that one too, and the first leaf that
   * no root before it vouches for.
   */
  readonly differs: (root: Buffer, isSigned: boolean, from: number) => void;
};

/** A checkpoint as a bundle carries it. */
export type CarriedCheckpoint = { readonly size: number; readonly note: string };

export type TreeOptions = {
  /** Null for the ledger. */
  readonly stream: string | null;
  readonly origin: string;
  readonly verifier: Verifier;
  readonly words: TreeWords;
  readonly findings: Findings;
  /** The number that a line says it has; null for a line that nobody wrote here. */
  readonly seqOf: (line: Buffer) => number | null;
  /** Told of each line that stands where it says, once it is known what was signed over it. */
  readonly onLeaf: (line: Buffer, seq: number) => void;
  /** By size, ascending. */
  readonly marks: readonly Mark[];
};

/**
 * Rebuilds one tree from its leaves, as they come, and holds it against every checkpoint that was signed over it. Each
 * window of leaves between two checkpoints is kept until its root is known.
 */
export class TreeCheck {
  readonly #options: TreeOptions;
  /** The tree up to the last root that was compared. */
  #frontier: Frontier = emptyFrontier;
  /** Leaves behind it: the hashes of their bytes, and those that were stored beside them. */
  #computed: Buffer[] = [];
  #stored: Buffer[] = [];
  #nextSeq = 0;
  #signedSize = 0;
  #nextMark = 0;
  #checkpoints: readonly { readonly size: number; readonly root: Buffer }[] = [];
  #nextCheckpoint = 0;
  /** Set where a hole or a change makes every later root another one: it is named once. */
  #isBroken = false;
  /** Some leaf of the window has other bytes than were hashed. */
  #hasEdits = false;

  constructor(options: TreeOptions) {
    this.#options = options;
  }

  /** Leaves, the missing ones counted. */
  get size(): number {
    return this.#nextSeq;
  }

  /** The root of all leaves; null where it cannot be known any more. */
  root(): Buffer | null {
    return this.#isBroken ? null : rootOf(extendFrontier(this.#frontier, this.#computed));
  }

  /** Takes the checkpoints of the leaves to come. */
  expectCheckpoints(carried: readonly CarriedCheckpoint[]): void {
    this.#missedCheckpoints();
    const { verifier, origin } = this.#options;
    const opened: { size: number; root: Buffer }[] = [];
    for (const { size, note } of carried) {
      const checkpoint = openCheckpoint(note, verifier, origin);
      if (!checkpoint.ok) this.#wrongCheckpoint(size, checkpoint.error);
      else if (checkpoint.value.size !== size || size <= (opened.at(-1)?.size ?? this.#nextSeq)) {
        this.#wrongCheckpoint(size, `one of ${checkpoint.value.size} records, out of order`);
      } else opened.push(checkpoint.value);
    }
    this.#checkpoints = opened;
    this.#nextCheckpoint = 0;
  }

  /** Takes leaves in the order of the bundle. `stored` holds as many hashes of 32 bytes, from `at` on. */
  add(lines: readonly Buffer[], stored: Buffer, at: number): void {
    const { words, findings, seqOf, onLeaf, stream } = this.#options;
    lines.forEach((line, index) => {
      const start = (at + index) * hashBytes;
      const storedHash = stored.subarray(start, start + hashBytes);
      const computed = hashOfLine(line);
      const seq = this.#nextSeq;
      if (!computed.equals(storedHash)) {
        findings.add(
          words.edited,
          { stream, seq },
          `bytes with the hash ${storedHash.toString('hex')} that was stored with them`,
          `bytes with the hash ${computed.toString('hex')}`,
        );
      } else {
        const said = seqOf(line);
        if (said === null) {
          findings.add(words.foreign, { stream, seq }, `record ${seq}`, quoted(line));
        } else if (said < seq) {
          findings.add(words.outOfOrder, { stream, seq: said }, `record ${seq}`, `record ${said}`);
          return;
        } else if (said > seq) {
          const missing = said - 1 === seq ? `record ${seq}` : `records ${seq} to ${said - 1}`;
          findings.add(words.missing, { stream, seq }, missing, `record ${said} comes next`);
          this.#break(said);
        }
        if (said !== null) onLeaf(line, this.#nextSeq);
      }
      this.#push(computed, storedHash);
    });
  }

  /** To be called after the last leaf. */
  end(): void {
    this.#missedCheckpoints();
    const { words, findings, stream } = this.#options;
    if (this.#signedSize < this.#nextSeq && !this.#isBroken) {
      findings.add(
        words.unsigned,
        { stream, seq: this.#signedSize },
        `a signed checkpoint over all ${this.#nextSeq} records`,
        `the last one covers ${this.#signedSize}`,
      );
    }
  }

  #push(computed: Buffer, stored: Buffer): void {
    this.#nextSeq += 1;
    if (this.#isBroken) {
      this.#skipTo(this.#nextSeq);
      return;
    }
    this.#computed.push(computed);
    this.#stored.push(stored);
    this.#hasEdits ||= !computed.equals(stored);
    const checkpoint = this.#checkpoints[this.#nextCheckpoint];
    if (checkpoint?.size === this.#nextSeq) {
      this.#nextCheckpoint += 1;
      this.#compareCheckpoint(checkpoint.root);
    }
    // Behind an edit the tree is known again at the next checkpoint only.
    const isMarked = this.#options.marks[this.#nextMark]?.size === this.#nextSeq;
    if (isMarked && !this.#isBroken && !this.#hasEdits) this.#compareMarks();
    else if (isMarked) this.#skipTo(this.#nextSeq);
    else if (this.#computed.length >= windowLeavesMax) {
      this.#advance(extendFrontier(this.#frontier, this.#computed));
    }
  }

  #compareCheckpoint(root: Buffer): void {
    const { words, findings, stream } = this.#options;
    const computed = extendFrontier(this.#frontier, this.#computed);
    const isSame = rootOf(computed).equals(root);
    // Where the stored hashes make the signed root, what does not fit them was named already, and they go on the tree.
    const stored = isSame ? computed : extendFrontier(this.#frontier, this.#stored);
    if (!isSame && !rootOf(stored).equals(root)) {
      findings.add(
        words.changed,
        { stream, seq: this.#frontier.size },
        `the tree of ${this.#nextSeq} records with the signed root ${root.toString('base64')}`,
        `${rootOf(computed).toString('base64')}: one of the records ${this.#frontier.size} to ${this.#nextSeq - 1} was changed`,
      );
      this.#break(this.#nextSeq);
      return;
    }
    this.#advance(stored);
    this.#signedSize = this.#nextSeq;
  }

  #compareMarks(): void {
    const { marks } = this.#options;
    const frontier = extendFrontier(this.#frontier, this.#computed);
    const root = rootOf(frontier);
    let isSame = true;
    for (let mark = marks[this.#nextMark]; mark?.size === this.#nextSeq; mark = this.#mark()) {
      if (mark.root.equals(root)) continue;
      mark.differs(root, this.#signedSize === this.#nextSeq, this.#frontier.size);
      isSame = false;
    }
    if (isSame) this.#advance(frontier);
    else this.#break(this.#nextSeq);
  }

  #mark(): Mark | undefined {
    this.#nextMark += 1;
    return this.#options.marks[this.#nextMark];
  }

  #advance(frontier: Frontier): void {
    this.#frontier = frontier;
    this.#computed = [];
    this.#stored = [];
    this.#hasEdits = false;
  }

  /** From here on no root can be compared. */
  #break(nextSeq: number): void {
    this.#isBroken = true;
    this.#computed = [];
    this.#stored = [];
    this.#nextSeq = nextSeq;
    this.#skipTo(nextSeq);
  }

  #skipTo(size: number): void {
    const { marks } = this.#options;
    while ((marks[this.#nextMark]?.size ?? Infinity) <= size) this.#nextMark += 1;
    for (;;) {
      const checkpoint = this.#checkpoints[this.#nextCheckpoint];
      if (checkpoint === undefined || checkpoint.size > size) return;
      this.#nextCheckpoint += 1;
    }
  }

  /** Checkpoints over more records than came. */
  #missedCheckpoints(): void {
    for (const { size } of this.#checkpoints.slice(this.#nextCheckpoint)) {
      const { words, findings, stream } = this.#options;
      if (this.#isBroken) continue;
      const found = `only ${this.#nextSeq} records`;
      findings.add(words.missing, { stream, seq: this.#nextSeq }, `${size} signed records`, found);
      this.#isBroken = true;
    }
    this.#checkpoints = [];
  }

  #wrongCheckpoint(size: number, found: string): void {
    const { findings, stream, origin } = this.#options;
    const seq = Math.max(0, size - 1);
    const expected = `a checkpoint of ${origin} over ${size} records, signed by its key`;
    findings.add(
      stream === null ? 'ledger-changed' : 'checkpoint-wrong',
      { stream, seq },
      expected,
      found,
    );
  }
}

/** RFC 6962 §2.1's leaf hash, with its prefix put into the spare byte before the line (`linesOf`). */
function hashOfLine(line: Buffer): Buffer {
  const prefixed = Buffer.from(line.buffer, line.byteOffset - 1, line.length + 1);
  prefixed[0] = 0;
  return Buffer.from(hash('sha256', prefixed, 'hex'), 'hex');
}

const quoted = (line: Buffer): string => JSON.stringify(line.toString('utf8', 0, 80));
