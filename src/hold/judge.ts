import { refusal, type Refusal } from '../base/errors.ts';
import type { Approval, DriftGuard, Requirement } from './approval.ts';
import type { VoteEffect } from './approval-store.ts';
import {
  actsInTheAsking,
  checkVoter,
  mayDecide,
  openRequirements,
  type ApproverGroups,
  type Voter,
} from './requirements.ts';
import { nextState } from './state-machine.ts';

type Effect = VoteEffect<Refusal>;

const refused = (
  code: 'HOLDGATE_HOLD_NOT_OPEN' | 'HOLDGATE_HOLD_WITHDRAW_REFUSED',
  { id }: Approval,
  what: string,
): Effect => ({
  kind: 'refused',
  refusal: refusal(code, `approval ${id} ${what}`, { approvalId: id }),
});

const notOpen = (approval: Approval): Effect => {
  const { state, outcome } = approval;
  const why = outcome === '' ? '' : `: ${outcome}`;
  return refused('HOLDGATE_HOLD_NOT_OPEN', approval, `is ${state}${why}`);
};

const because = (reason: string): string => (reason === '' ? '' : `: ${reason}`);

export type Ballot = {
  readonly by: Voter;
  readonly vote: 'approve' | 'deny';
  readonly reason: string;
  readonly version: number | null;
};

/** What a vote makes of the approval as it stands, inside the locked transaction. Pure; `due`: its time is over. */
export function judgeVote(
  approval: Approval,
  due: boolean,
  ballot: Ballot,
  groups: ApproverGroups,
): Effect {
  const { state, version } = approval;
  if (state !== 'PENDING') return notOpen(approval);
  if (due) {
    const what = `could be decided until ${approval.decideBy}`;
    return refused('HOLDGATE_HOLD_NOT_OPEN', approval, what);
  }
  if (ballot.version !== null && ballot.version !== version) {
    const seen = `version ${version}, you saw ${ballot.version}`;
    const what = `changed since you looked (${seen}); show it again`;
    return refused('HOLDGATE_HOLD_NOT_OPEN', approval, what);
  }
  const eligible = checkVoter(approval, ballot.by, groups);
  if (!eligible.ok) return { kind: 'refused', refusal: eligible.error };
  const after = (event: 'approve' | 'deny'): Approval['state'] => nextState(state, event) ?? state;
  const { by, vote, reason } = ballot;
  if (vote === 'deny') {
    const outcome = `denied by ${by.username}${because(reason)}`;
    return { kind: 'counted', to: after('deny'), outcome };
  }
  const votes = [...approval.votes, { by, vote, reason, at: '' }];
  if (openRequirements(approval.requirements, votes, groups).length > 0)
    return { kind: 'counted', to: state, outcome: '' };
  const outcome = `approved by ${votes.map((one) => one.by.username).join(', ')}`;
  return { kind: 'counted', to: after('approve'), outcome };
}

export type Withdrawal = {
  readonly by: Voter;
  readonly isAdmin: boolean;
  readonly reason: string;
};

/** What taking an approval back makes of it. A pending one is denied, not withdrawn, by whoever may decide it. Pure. */
export function judgeWithdrawal(
  approval: Approval,
  due: boolean,
  { by, isAdmin, reason }: Withdrawal,
  groups: ApproverGroups,
): Effect {
  const { state } = approval;
  if (state !== 'PENDING' && state !== 'APPROVED') return notOpen(approval);
  if (due) return refused('HOLDGATE_HOLD_NOT_OPEN', approval, 'is over: its time has ended');
  const event = state === 'PENDING' ? 'cancel' : 'revoke';
  const may =
    isAdmin ||
    actsInTheAsking(approval, by) ||
    (event === 'revoke' && mayDecide(approval, by, groups));
  if (!may) {
    const what = `is not yours to ${event}`;
    return refused('HOLDGATE_HOLD_WITHDRAW_REFUSED', approval, what);
  }
  const done = event === 'cancel' ? 'cancelled' : 'revoked';
  const outcome = `${done} by ${by.username}${because(reason)}`;
  return { kind: 'counted', to: nextState(state, event) ?? state, outcome };
}

/**
 * Why an open approval is not about what the request would do now, or asks other people than policy asks now; null where
 * it fits. An approver who decided on another object, or on another outcome, has not decided on this one.
 */
export function misfit(
  open: Pick<Approval, 'guard' | 'requirements'>,
  now: { readonly guard: DriftGuard; readonly requirements: readonly Requirement[] },
): string | null {
  if (guardKey(open.guard) !== guardKey(now.guard))
    return 'the same command would now have another outcome';
  return requirementsKey(open.requirements) === requirementsKey(now.requirements)
    ? null
    : 'policy now asks for other approvals';
}

function guardKey(guard: DriftGuard): string {
  const uid = guard.kind === 'none' ? '' : guard.uid;
  const image = guard.kind === 'after-image' ? guard.afterImage : '';
  return JSON.stringify([guard.kind, uid, guard.kind === 'pod' ? guard.images : image]);
}

/** Without the reasons: new words for the same need are no other need. */
const requirementsKey = (requirements: readonly Requirement[]): string =>
  JSON.stringify(
    requirements
      .map(({ rule, id, groups, quorum }) => JSON.stringify([rule, id, groups.toSorted(), quorum]))
      .toSorted(),
  );

/** Whether those who approved may still approve: a membership that ended since takes its vote with it. */
export const stillApproved = (approval: Approval, groups: ApproverGroups): boolean =>
  openRequirements(approval.requirements, approval.votes, groups).length === 0;
