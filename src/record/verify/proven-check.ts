import { leafHash } from '../leaf.ts';
import { isIncluded } from '../merkle/proofs.ts';
import { openCheckpoint } from '../signing/checkpoint.ts';
import { streamOrigin } from '../signing/stream-certificate.ts';
import type { Findings } from './findings.ts';
import { leafFacts } from './leaf-facts.ts';
import type { CarriedProof } from './part-reader.ts';
import type { OpenedCertificate, StreamSummary } from './stream-check.ts';
import type { CarriedCheckpoint } from './tree-check.ts';

/** Checks single records of a stream, each by its proof into a signed checkpoint. */
export class ProvenCheck {
  readonly #certificate: OpenedCertificate;
  readonly #findings: Findings;
  #roots = new Map<number, Buffer>();
  #records = 0;
  #lastSeq: number | null = null;
  #from: string | null = null;
  #to: string | null = null;

  constructor(certificate: OpenedCertificate, findings: Findings) {
    this.#certificate = certificate;
    this.#findings = findings;
  }

  expectCheckpoints(carried: readonly CarriedCheckpoint[]): void {
    const { stream, deployment, verifier } = this.#certificate;
    this.#roots = new Map();
    for (const { size, note } of carried) {
      const checkpoint = openCheckpoint(note, verifier, streamOrigin(deployment, stream));
      if (checkpoint.ok && checkpoint.value.size === size) {
        this.#roots.set(size, checkpoint.value.root);
        continue;
      }
      const expected = `a signed checkpoint over ${size} records`;
      const found = checkpoint.ok ? `one over ${checkpoint.value.size}` : checkpoint.error;
      this.#findings.add(
        'checkpoint-wrong',
        { stream, seq: Math.max(0, size - 1) },
        expected,
        found,
      );
    }
  }

  add(lines: readonly Buffer[], proofs: readonly CarriedProof[], at: number): void {
    lines.forEach((line, index) => {
      const proof = proofs[at + index];
      if (proof !== undefined) this.#one(line, proof);
    });
  }

  end(): StreamSummary {
    const { stream, replica, openedAt } = this.#certificate;
    return {
      stream,
      replica,
      openedAt,
      records: this.#records,
      lastSeq: this.#lastSeq,
      from: this.#from,
      to: this.#to,
      end: 'partial',
    };
  }

  #one(line: Buffer, { seq, size, hashes }: CarriedProof): void {
    const { stream } = this.#certificate;
    this.#records += 1;
    const facts = leafFacts(line);
    if (facts === null || facts.stream !== stream || facts.seq !== seq) {
      const found = facts === null ? 'no record' : `record ${facts.seq} of ${facts.stream}`;
      this.#findings.add('record-foreign', { stream, seq }, `record ${seq} of ${stream}`, found);
      return;
    }
    if (this.#lastSeq !== null && seq <= this.#lastSeq) {
      const expected = `a record behind ${this.#lastSeq}`;
      this.#findings.add('record-out-of-order', { stream, seq }, expected, `record ${seq}`);
    }
    const root = this.#roots.get(size);
    const isProven =
      root !== undefined &&
      isIncluded({ leaf: leafHash(line), index: seq, size, root, proof: hashes });
    if (!isProven) {
      const expected = `a proof that it is in the signed tree of ${size} records`;
      const found = root === undefined ? 'no signed checkpoint of that size' : 'it is not';
      this.#findings.add('proof-wrong', { stream, seq }, expected, found);
    }
    this.#lastSeq = seq;
    if (this.#from === null || facts.ts < this.#from) this.#from = facts.ts;
    if (this.#to === null || facts.ts > this.#to) this.#to = facts.ts;
  }
}
