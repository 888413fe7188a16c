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
export type { ActEnd, ApprovalStore, Opening, Transition, VoteEffect } from './approval-store.ts';
export { createApprovals } from './approvals.ts';
export { requestDigest } from './digest.ts';
export { executeGuarded, type ExecutionEnd } from './execute.ts';
export { openGuard, type GuardedRequest } from './guard.ts';
export type { GuardReader } from './live-object.ts';
export { heldRefusal, staleRefusal } from './messages.ts';
export { podDrift } from './pod-guard.ts';
export { requirementsOf } from './requirements.ts';
export type { DueRule } from './state-machine.ts';
