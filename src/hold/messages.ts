import { refusal, type ErrorCode, type Refusal } from '../base/errors.ts';
import type { Approval } from './approval.ts';

/** Why a held call does not go on: it cannot wait on its connection, or its waiting ended. */
export type HeldWhy = 'cannot-wait' | 'ended';

const groupsOf = (approval: Approval): string =>
  approval.requirements
    .map(
      (one) => `${one.quorum} of ${one.groups.join(' or ')} (${one.rule}/${one.id}: ${one.reason})`,
    )
    .join('; and ');

const again = 'run the same command again';

function ended(approval: Approval): { readonly code: ErrorCode; readonly says: string } {
  const { state, votes, outcome } = approval;
  switch (state) {
    case 'PENDING':
    case 'APPROVED':
      return {
        code: 'HOLDGATE_HOLD_PENDING',
        says: `it is not decided yet; people may decide until ${approval.decideBy}. When it is approved, ${again}`,
      };
    case 'DENIED': {
      const denial = votes.findLast((vote) => vote.vote === 'deny');
      const reason = denial === undefined || denial.reason === '' ? '' : `: ${denial.reason}`;
      return {
        code: 'HOLDGATE_HOLD_DENIED',
        says: `${denial?.by.username ?? 'a person'} denied it${reason}`,
      };
    }
    case 'EXPIRED':
      return {
        code: 'HOLDGATE_HOLD_EXPIRED',
        says: `nobody decided by ${approval.decideBy}; ${again} to ask anew`,
      };
    case 'STALE':
      return { code: 'HOLDGATE_HOLD_STALE', says: `${outcome}; ${again} to ask anew` };
    case 'CANCELLED':
    case 'LAPSED':
    case 'REVOKED':
    case 'EXECUTING':
    case 'EXECUTED':
    case 'FAILED':
    case 'UNKNOWN':
      return {
        code: 'HOLDGATE_HOLD_SPENT',
        says: `the approval is ${state}; ${again} to ask anew`,
      };
  }
}

/** What the caller of a held request is told: the approval, who decides, until when, and what to do. */
export function heldRefusal(approval: Approval, why: HeldWhy): Refusal {
  const { id } = approval;
  const end = ended(approval);
  const pending = end.code === 'HOLDGATE_HOLD_PENDING';
  const code = pending && why === 'cannot-wait' ? 'HOLDGATE_HOLD_CANNOT_WAIT' : end.code;
  const needs = pending ? ` It needs ${groupsOf(approval)}: holdgate approvals approve ${id}.` : '';
  return refusal(code, `the request is held as approval ${id}, and ${end.says}.${needs}`, {
    approvalId: id,
  });
}
