/**
 * @module hold — held requests in, people's decisions out, and the right to execute exactly once.
 */
export type {
  Approval,
  Approvals,
  ApprovalState,
  Claim,
  DriftGuard,
  HoldRequest,
  Person,
  RequestSummary,
  Requirement,
  Vote,
  WaitEnd,
} from './approval.ts';
