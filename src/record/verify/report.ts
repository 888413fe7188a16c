import type { EvidenceScope } from '../bundle/manifest.ts';
import type { Finding, Severity } from './findings.ts';
import type { LedgerSummary } from './ledger-check.ts';
import type { StreamSummary } from './stream-check.ts';

/** What a verifier says of a bundle. */
export type VerifyReport = {
  /** `unverifiable`: nothing that is there is wrong, but not all could be checked. */
  readonly verdict: 'verified' | 'tampered' | 'unverifiable';
  readonly deployment: string | null;
  readonly madeAt: string | null;
  readonly madeBy: string | null;
  readonly scope: EvidenceScope | null;
  readonly counts: {
    readonly records: number;
    readonly checkpoints: number;
    readonly streams: number;
    readonly findings: Readonly<Record<Severity, number>>;
  };
  /** Of the records; null without any. RFC 3339. */
  readonly from: string | null;
  readonly to: string | null;
  /** Null in a bundle of single requests. */
  readonly ledger: LedgerSummary | null;
  /** Where the gateway says that it anchored its ledger last, by kind. */
  readonly anchoredAt: readonly {
    readonly kind: string;
    readonly ref: string;
    readonly ledgerSize: number;
    readonly at: string;
  }[];
  /** Those without an orderly end first, then as in the bundle. */
  readonly streams: readonly StreamSummary[];
  /** The first thousand. */
  readonly findings: readonly Finding[];
};
