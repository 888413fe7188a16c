/** How a finding counts: `tampered` makes exit code 1, `unverifiable` 2, a `note` none. */
export type Severity = 'tampered' | 'unverifiable' | 'note';

/**
 * Every kind of finding, and how it counts. Tampered is only what cannot come from a crash, from a late replica or from a
 * bundle that is merely incomplete.
 */
const severities = {
  /** A record's bytes do not have the hash that was stored beside them. */
  'record-edited': 'tampered',
  /** The tree over the records is not the one that was signed: one of a range was changed, hash and all. */
  'records-changed': 'tampered',
  /** A number of the stream is missing. */
  'record-missing': 'tampered',
  /** A number stands twice, or before a lower one. */
  'record-out-of-order': 'tampered',
  /** A line that no recorder writes, or one of another stream. */
  'record-foreign': 'tampered',
  /** Records behind the last signed checkpoint: a batch and its signature are committed together. */
  'record-unsigned': 'tampered',
  /** A record's time does not fit its place. */
  'record-backdated': 'tampered',
  /** A clock was set back: possible without anybody's will, so for people to judge. */
  'clock-set-back': 'note',
  /** A proof does not lead from the record to the signed checkpoint. */
  'proof-wrong': 'tampered',
  'certificate-wrong': 'tampered',
  'checkpoint-wrong': 'tampered',
  /** The ledger knows more records of a stream than there are. */
  'stream-truncated': 'tampered',
  /** The ledger knows a stream that is not there. */
  'stream-deleted': 'tampered',
  /** Two signed trees of one size. */
  fork: 'tampered',
  'ledger-changed': 'tampered',
  'ledger-rolled-back': 'tampered',
  'anchor-differs': 'tampered',
  /** The bundle as a whole is not the one that the gateway sealed. */
  'bundle-changed': 'tampered',
  'anchor-unreadable': 'unverifiable',
  'bundle-truncated': 'unverifiable',
  'bundle-malformed': 'unverifiable',
  'version-unknown': 'unverifiable',
  'key-foreign': 'unverifiable',
  'stream-unsigned': 'unverifiable',
  /** An operator went on with a database that was not the one before: what is missing was acknowledged. */
  'database-restored': 'note',
  /** Nothing outside vouches for the newest part, or the scope leaves it out. */
  'stream-not-in-ledger': 'note',
} as const satisfies Record<string, Severity>;

export type FindingKind = keyof typeof severities;

/** One thing that was found, in plain words. */
export type Finding = {
  readonly kind: FindingKind;
  readonly severity: Severity;
  /** The stream that it is about; null for the ledger and the bundle as a whole. */
  readonly stream: string | null;
  /** The first record that it is about; null where it is about none. */
  readonly seq: number | null;
  readonly expected: string;
  readonly found: string;
};

/** A bundle can hold millions of things that are wrong; the first of them say enough. */
const findingsCountMax = 1000;

/** Collects findings up to a bound, and counts the rest. */
export class Findings {
  readonly list: Finding[] = [];
  /** By severity, those beyond the bound included. */
  readonly counts: Record<Severity, number> = { tampered: 0, unverifiable: 0, note: 0 };

  add(
    kind: FindingKind,
    where: { readonly stream?: string | null; readonly seq?: number | null },
    expected: string,
    found: string,
  ): void {
    const severity = severities[kind];
    this.counts[severity] += 1;
    // A note never takes the place of what is tampered.
    const countMax = severity === 'note' ? findingsCountMax / 10 : findingsCountMax;
    if (this.list.length >= countMax) return;
    this.list.push({
      kind,
      severity,
      stream: where.stream ?? null,
      seq: where.seq ?? null,
      expected: expected.slice(0, textCharsMax),
      found: found.slice(0, textCharsMax),
    });
  }
}

/** Texts of a hostile bundle are quoted in findings; they stay readable. */
const textCharsMax = 500;
