import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { HoldElement } from '../decide/index.ts';
import type { Approval, Person, Requirement, Vote } from './approval.ts';

type Subject = { readonly issuer: string; readonly subject: string };

/** Who is in which approver group, by the group's name. */
export type ApproverGroups = ReadonlyMap<string, readonly Subject[]>;

const same = (one: Subject, other: Subject): boolean =>
  one.issuer === other.issuer && one.subject === other.subject;

/** What hold elements ask for. */
export const requirementsOf = (holds: readonly HoldElement[]): readonly Requirement[] =>
  holds.map(({ rule, id, reason, approvers, quorum }) => ({
    rule,
    id,
    reason,
    groups: approvers,
    quorum,
  }));

/** Whether somebody is in a group that a requirement names. */
const mayVoteOn = (requirement: Requirement, voter: Subject, groups: ApproverGroups): boolean =>
  requirement.groups.some((name) => (groups.get(name) ?? []).some((member) => same(member, voter)));

/** The requirements that the votes do not yet meet. A person counts once in each requirement. */
export function openRequirements(
  requirements: readonly Requirement[],
  votes: readonly Vote[],
  groups: ApproverGroups,
): readonly Requirement[] {
  const approvals = votes.filter((vote) => vote.vote === 'approve');
  return requirements.filter((requirement) => {
    const voters = new Set(
      approvals
        .filter((vote) => mayVoteOn(requirement, vote.by, groups))
        .map((vote) => JSON.stringify([vote.by.issuer, vote.by.subject])),
    );
    return voters.size < requirement.quorum;
  });
}

export type Voter = Person & { readonly actor: readonly Subject[] };

/** Whether somebody, or anybody who acts for them, asked for it or acted in the asking. */
export function actsInTheAsking({ requester }: Pick<Approval, 'requester'>, who: Voter): boolean {
  const asked = [requester, ...requester.actor];
  return [who, ...who.actor].some((one) => asked.some((other) => same(one, other)));
}

/** Whether somebody is in any group that decides an approval. */
export const mayDecide = (
  { requirements }: Pick<Approval, 'requirements'>,
  who: Subject,
  groups: ApproverGroups,
): boolean => requirements.some((one) => mayVoteOn(one, who, groups));

const refused = (id: string, what: string): Result<never, Refusal> =>
  err(refusal('HOLDGATE_HOLD_VOTE_REFUSED', what, { approvalId: id }));

/**
 * Whether a person may vote: a member of a group of a requirement, who did not ask, does not act for who asked, and is
 * not one of those who acted in the asking (no self-approval by another road).
 */
export function checkVoter(
  approval: Approval,
  voter: Voter,
  groups: ApproverGroups,
): Result<null, Refusal> {
  const { id } = approval;
  if (actsInTheAsking(approval, voter))
    return refused(id, 'who asked for it, or acted in the asking, does not decide it');
  if (approval.votes.some((vote) => same(vote.by, voter))) return refused(id, 'you voted already');
  if (mayDecide(approval, voter, groups)) return ok(null);
  const wanted = [...new Set(approval.requirements.flatMap((one) => one.groups))].join(', ');
  return refused(id, `you are in none of the groups that decide this: ${wanted}`);
}
