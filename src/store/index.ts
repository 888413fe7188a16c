/**
 * @module store — the database: PostgreSQL or the embedded one, behind the same queries. What is broken about it comes out as
 * a DependencyError; nothing of it is written anywhere else.
 */
export { createApprovalStore } from './approvals.ts';
export { connectStore, type ConnectOptions } from './connect.ts';
export {
  createDecisionStore,
  type DecisionDetail,
  type DecisionFilter,
  type DecisionPage,
  type DecisionStore,
} from './decisions.ts';
export type { DecisionRow, Recorded } from './decision-row.ts';
export { createExportStore, type ExportPage, type ExportRequest } from './export.ts';
export { createEvidenceSource } from './evidence.ts';
export { createLedgerStore } from './ledger.ts';
export { ensureMigrated, migrate, pendingMigrations } from './migrate.ts';
export {
  createPolicySourceStore,
  type PolicySources,
  type PolicySourceStore,
} from './policy-sources.ts';
export { createRecordStore } from './records.ts';
export { createSessionProjection, type SessionProjection } from './sessions/projection.ts';
export { createSessionStore, type SessionStore } from './sessions/session-store.ts';
export { createSinkStore } from './sinks.ts';
export type { Database, Store } from './store.ts';
