import type { Findings } from './findings.ts';
import { leafFacts } from './leaf-facts.ts';
import type { StreamSummary } from './stream-check.ts';

/** A stream without a certificate: of a version before streams were signed, or put there by somebody. Only counted. */
export class UnsignedCheck {
  readonly #folder: string;
  readonly #findings: Findings;
  #stream: string | null = null;
  #records = 0;
  #lastSeq: number | null = null;
  #from: string | null = null;
  #to: string | null = null;

  constructor(folder: string, findings: Findings) {
    this.#folder = folder;
    this.#findings = findings;
  }

  add(lines: readonly Buffer[]): void {
    for (const line of lines) {
      this.#records += 1;
      const facts = leafFacts(line);
      if (facts === null) continue;
      this.#stream ??= facts.stream;
      this.#lastSeq = facts.seq;
      if (this.#from === null || facts.ts < this.#from) this.#from = facts.ts;
      if (this.#to === null || facts.ts > this.#to) this.#to = facts.ts;
    }
  }

  end(): StreamSummary {
    const stream = this.#stream ?? this.#folder;
    this.#findings.add(
      'stream-unsigned',
      { stream, seq: this.#records === 0 ? null : 0 },
      'the certificate of the stream',
      `none: its ${this.#records} records are from before streams were signed, or forged`,
    );
    return {
      stream,
      replica: '',
      openedAt: '',
      records: this.#records,
      lastSeq: this.#lastSeq,
      from: this.#from,
      to: this.#to,
      end: 'unsigned',
    };
  }
}
