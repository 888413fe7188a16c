/** The API server's own audit log held against the record: events and leaves in, findings out. */
export { differences } from './differences.ts';
export { readAuditLog, type AuditLogItem } from './read-audit-log.ts';
export { Reconciliation, type Finding as CallFinding, type Reconciled } from './reconciliation.ts';
export { RecordedCalls } from './recorded-calls.ts';
