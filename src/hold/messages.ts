import { refusal, type ErrorCode, type Refusal } from '../base/errors.ts';
import type { Approval } from './approval.ts';

/** Why a held call does not go on: it cannot wait on its connection, or its waiting ended. */
export type HeldWhy = 'cannot-wait' | 'ended';

const needsOf = (approval: Approval): string =>
  approval.requirements
    .map(
      (one) => `${one.quorum} of ${one.groups.join(' or ')} (${one.rule}/${one.id}: ${one.reason})`,
    )
    .join('; and ');

const groupsOf = ({ requirements }: Approval): string =>
  [...new Set(requirements.flatMap((one) => one.groups))].join(', ');

const again = 'run the same command again';
const anew = `${again} to ask anew`;

type Ended = { readonly code: ErrorCode; readonly says: string };

const spent = (says: string): Ended => ({ code: 'HOLDGATE_HOLD_SPENT', says });

/** Outcomes of FAILED and UNKNOWN are the operator's: they may name hosts, so they are not repeated here. */
function ended(approval: Approval): Ended {
  const { state, votes, outcome, executedBy, decideBy, spendBy } = approval;
  switch (state) {
    case 'PENDING':
      return {
        code: 'HOLDGATE_HOLD_PENDING',
        says: `it is not decided yet; people may decide until ${decideBy}. When it is approved, ${again}`,
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
        says: `nobody decided by ${decideBy} (it needed ${groupsOf(approval)}); ${anew}`,
      };
    case 'STALE':
      return { code: 'HOLDGATE_HOLD_STALE', says: `${outcome}; ${anew}` };
    // APPROVED is met here only where its time was over before the sweeper came by.
    case 'APPROVED':
    case 'LAPSED':
      return spent(`it was approved, and not used by ${spendBy ?? 'its end'}; ${anew}`);
    case 'CANCELLED':
    case 'REVOKED':
      return spent(`it was ${outcome}; ${anew}`);
    case 'EXECUTING':
      return spent(`request ${executedBy ?? ''} is executing it: wait for the end of that one`);
    case 'EXECUTED':
      return spent(`request ${executedBy ?? ''} has executed it; ${anew}`);
    case 'FAILED':
      return spent(`request ${executedBy ?? ''} used it up and failed; ${anew}`);
    case 'UNKNOWN':
      return spent(
        `whether request ${executedBy ?? ''} executed it is unknown: read the object before you ${anew}`,
      );
  }
}

/** What the caller of a held request is told: the approval, who decides, until when, and what to do. */
export function heldRefusal(approval: Approval, why: HeldWhy): Refusal {
  const { id } = approval;
  const end = ended(approval);
  const pending = end.code === 'HOLDGATE_HOLD_PENDING';
  const code = pending && why === 'cannot-wait' ? 'HOLDGATE_HOLD_CANNOT_WAIT' : end.code;
  const needs = pending ? ` It needs ${needsOf(approval)}: holdgate approvals approve ${id}.` : '';
  return refusal(code, `the request is held as approval ${id}, and ${end.says}.${needs}`, {
    approvalId: id,
  });
}

/** What the caller is told where an approval is not about what would happen now. `why` says what changed. */
export const staleRefusal = (approvalId: string, why: string): Refusal =>
  refusal(
    'HOLDGATE_HOLD_STALE',
    `approval ${approvalId} no longer fits: ${why}. Run the same command again to ask anew`,
    { approvalId },
  );
