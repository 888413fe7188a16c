/** What of evidence bundles others use: making them, and checking them. */
export type {
  EvidenceRow,
  EvidenceSource,
  LedgerRow as EvidenceLedgerRow,
  StreamPlace,
} from './bundle/evidence-source.ts';
export type { EvidenceScope } from './bundle/manifest.ts';
export { createEvidenceExports, type EvidenceExports } from './export-evidence.ts';
export type { Finding } from './verify/findings.ts';
export type { VerifyReport } from './verify/report.ts';
export { verifyBundle } from './verify/verify-bundle.ts';
