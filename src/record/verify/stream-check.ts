import { z } from 'zod';
import type { StreamCertificate } from '../signing/stream-certificate.ts';
import { streamOrigin } from '../signing/stream-certificate.ts';
import type { Verifier } from '../signing/signed-note.ts';
import type { Findings } from './findings.ts';
import { leafFacts, type LeafFacts } from './leaf-facts.ts';
import type { LedgerStream } from './ledger-check.ts';
import { TreeCheck, type CarriedCheckpoint, type Mark, type TreeWords } from './tree-check.ts';

/** The version of leaves that this verifier reads. */
const leafVersion = 1;

/** How far the clocks of a process and of whoever wrote the ledger may be apart. Milliseconds. */
const skewMsMax = 5 * 60_000;

/** How long before its stream's opening an entry may have been made: it waited for a commit. Milliseconds. */
const waitMsMax = 60_000;

const words: TreeWords = {
  edited: 'record-edited',
  changed: 'records-changed',
  missing: 'record-missing',
  outOfOrder: 'record-out-of-order',
  foreign: 'record-foreign',
  unsigned: 'record-unsigned',
};

/** What is known of a stream at its end. */
export type StreamSummary = {
  readonly stream: string;
  readonly replica: string;
  readonly openedAt: string;
  /** Records of it in the bundle. */
  readonly records: number;
  /** The last number that was seen; null for none. */
  readonly lastSeq: number | null;
  /** First and last time of its records, RFC 3339; null without records. */
  readonly from: string | null;
  readonly to: string | null;
  /** `open`: no orderly end, so its process runs, or ended without one. `unsigned`: from before streams were signed. */
  readonly end: 'closed' | 'open' | 'abandoned' | 'partial' | 'unsigned';
};

/** What another process said of a stream whose process was gone. */
export type Abandoned = { readonly stream: string; readonly size: number; readonly root: Buffer };

const certificateLeaf = z.object({ certificate: z.string() });
const restoredLeaf = z.object({ seen: z.string(), found: z.string() });
const abandonedLeaf = z.object({
  abandoned: z.string(),
  size: z.number().int().min(0),
  root: z.base64(),
});

export type OpenedCertificate = StreamCertificate & {
  readonly verifier: Verifier;
  readonly note: string;
};

/** Checks one whole stream, as it comes. */
export class StreamCheck {
  readonly #certificate: OpenedCertificate;
  readonly #findings: Findings;
  readonly #known: LedgerStream | null;
  readonly #tree: TreeCheck;
  readonly #onAbandoned: (one: Abandoned) => void;
  readonly #openedMs: number;
  #records = 0;
  #last: LeafFacts | null = null;
  #from: string | null = null;
  #to: string | null = null;
  #isClosed = false;
  #wasSetBack = false;
  #mark = 0;
  /** The facts of the line that the tree looks at. */
  #facts: LeafFacts | null = null;

  constructor(options: {
    readonly certificate: OpenedCertificate;
    readonly known: LedgerStream | null;
    readonly findings: Findings;
    readonly onAbandoned: (one: Abandoned) => void;
  }) {
    const { certificate, known, findings } = options;
    this.#certificate = certificate;
    this.#known = known;
    this.#findings = findings;
    this.#onAbandoned = options.onAbandoned;
    this.#openedMs = Date.parse(certificate.openedAt);
    this.#tree = new TreeCheck({
      stream: certificate.stream,
      origin: streamOrigin(certificate.deployment, certificate.stream),
      verifier: certificate.verifier,
      words,
      findings,
      seqOf: (line) => {
        this.#facts = leafFacts(line);
        return this.#facts?.stream === certificate.stream ? this.#facts.seq : null;
      },
      onLeaf: (line, seq) => {
        if (this.#facts !== null) this.#leaf(line, seq, this.#facts);
      },
      marks: (known?.checkpoints ?? []).map((one) => this.#markOf(one)),
    });
  }

  get stream(): string {
    return this.#certificate.stream;
  }

  expectCheckpoints(carried: readonly CarriedCheckpoint[]): void {
    this.#tree.expectCheckpoints(carried);
  }

  add(lines: readonly Buffer[], stored: Buffer, at: number): void {
    this.#records += lines.length;
    this.#tree.add(lines, stored, at);
  }

  /** The root of all its records, where it is known. */
  root(): Buffer | null {
    return this.#tree.root();
  }

  get size(): number {
    return this.#tree.size;
  }

  /** To be called after the last record. */
  end(): StreamSummary {
    this.#tree.end();
    const { stream, replica, openedAt } = this.#certificate;
    const knownSize = this.#known?.size ?? 0;
    if (knownSize > this.#tree.size) {
      this.#findings.add(
        'stream-truncated',
        { stream, seq: this.#tree.size },
        `${knownSize} records, as the ledger says (its entry ${this.#known?.lastEntry ?? 0})`,
        `${this.#tree.size} records`,
      );
    }
    return {
      stream,
      replica,
      openedAt,
      records: this.#records,
      lastSeq: this.#last?.seq ?? null,
      from: this.#from,
      to: this.#to,
      end: this.#isClosed ? 'closed' : 'open',
    };
  }

  #markOf({ size, root, entry }: LedgerStream['checkpoints'][number]): Mark {
    const { stream } = this.#certificate;
    return {
      size,
      root,
      // Two roots of one size that were both signed are two histories; else one was changed afterwards.
      differs: (found, isSigned, from) =>
        this.#findings.add(
          isSigned ? 'fork' : 'records-changed',
          { stream, seq: isSigned ? size - 1 : from },
          `the root ${root.toString('base64')} at ${size} records, as entry ${entry} of the ledger says`,
          isSigned
            ? `the root ${found.toString('base64')}, signed too`
            : `the root ${found.toString('base64')}: one of the records ${from} to ${size - 1} was changed`,
        ),
    };
  }

  #leaf(line: Buffer, seq: number, facts: LeafFacts): void {
    const where = { stream: this.#certificate.stream, seq };
    if (facts.v !== leafVersion) {
      const expected = `a record of version ${leafVersion}`;
      this.#findings.add('version-unknown', where, expected, `version ${facts.v}`);
    }
    if (this.#isClosed) {
      this.#findings.add(
        'record-foreign',
        where,
        'nothing behind the end of the stream',
        facts.kind,
      );
    }
    if (seq === 0) this.#first(line);
    this.#times(facts, where);
    if (facts.kind === 'stream-closed') this.#isClosed = true;
    if (facts.kind === 'stream-abandoned') this.#abandoned(line);
    if (facts.kind === 'restored') this.#restored(line, where);
    this.#last = facts;
    if (this.#from === null || facts.ts < this.#from) this.#from = facts.ts;
    if (this.#to === null || facts.ts > this.#to) this.#to = facts.ts;
  }

  #first(line: Buffer): void {
    const said = certificateLeaf.safeParse(jsonOf(line)).data?.certificate;
    if (said === this.#certificate.note) return;
    const where = { stream: this.#certificate.stream, seq: 0 };
    const expected = 'the certificate of the stream as its first record';
    this.#findings.add('certificate-wrong', where, expected, said ?? 'another record');
  }

  #times(facts: LeafFacts, where: { readonly stream: string; readonly seq: number }): void {
    const { ts, monoNs, seq } = facts;
    const findings = this.#findings;
    if (this.#last !== null && monoNs < this.#last.monoNs) {
      const expected = `${this.#last.monoNs} ns or more since the opening, as the record before`;
      findings.add('record-backdated', where, expected, `${monoNs} ns`);
    }
    const atMs = Date.parse(ts);
    if (atMs < this.#openedMs - waitMsMax) {
      const expected = `a time after the opening of the stream, ${this.#certificate.openedAt}`;
      findings.add('record-backdated', where, expected, ts);
    }
    const driftMs = atMs - this.#openedMs - monoNs / 1e6;
    if (driftMs < -waitMsMax && !this.#wasSetBack) {
      this.#wasSetBack = true;
      const expected = `about ${new Date(this.#openedMs + monoNs / 1e6).toISOString()} by the process's steady clock`;
      findings.add('clock-set-back', where, expected, ts);
    }
    const checkpoints = this.#known?.checkpoints ?? [];
    while ((checkpoints[this.#mark]?.size ?? Infinity) <= seq) this.#mark += 1;
    const [before, after] = [checkpoints[this.#mark - 1], checkpoints[this.#mark]];
    if (before !== undefined && atMs < before.atMs - skewMsMax) {
      const expected = `a time after ${isoOf(before.atMs)}: the ledger had ${before.size} records then`;
      findings.add('record-backdated', where, expected, ts);
    }
    if (after !== undefined && atMs > after.atMs + skewMsMax) {
      const expected = `a time before ${isoOf(after.atMs)}: the ledger has it since then`;
      findings.add('record-backdated', where, expected, ts);
    }
  }

  #restored(line: Buffer, where: { readonly stream: string; readonly seq: number }): void {
    const said = restoredLeaf.safeParse(jsonOf(line)).data;
    const size = (note: string | undefined): string => note?.split('\n')[1] ?? 'unknown';
    const expected = `the ledger of ${size(said?.seen)} entries that the gateway saw last`;
    const found = `one of ${said?.found === '' ? '0' : size(said?.found)}, which an operator acknowledged`;
    this.#findings.add('database-restored', where, expected, found);
  }

  #abandoned(line: Buffer): void {
    const said = abandonedLeaf.safeParse(jsonOf(line)).data;
    if (said === undefined) return;
    const { abandoned: stream, size } = said;
    this.#onAbandoned({ stream, size, root: Buffer.from(said.root, 'base64') });
  }
}

const isoOf = (ms: number): string => new Date(ms).toISOString();

function jsonOf(line: Buffer): unknown {
  try {
    return JSON.parse(line.toString('utf8'));
  } catch {
    return null;
  }
}
