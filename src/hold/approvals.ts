import { refusal, type Refusal } from '../base/errors.ts';
import type { Ids } from '../base/ids.ts';
import { heldRequestsMax, openHoldsPerCallerMax } from '../base/limits.ts';
import { errorText, type Log } from '../base/log.ts';
import { err, ok } from '../base/result.ts';
import type { HoldTransitionEntry, Recorder } from '../record/index.ts';
import type { Approval, Approvals, Claim, Person } from './approval.ts';
import type { ApprovalStore, VoteEffect } from './approval-store.ts';
import { heldRefusal } from './messages.ts';
import {
  checkVoter,
  openRequirements,
  requirementsOf,
  type ApproverGroups,
  type Voter,
} from './requirements.ts';
import { dueRules, nextState } from './state-machine.ts';
import { Waiters } from './waiters.ts';

export type ApprovalsOptions = {
  readonly store: ApprovalStore;
  /** Read at each vote: membership may change while the gateway runs. */
  readonly groups: ApproverGroups;
  readonly clocks: {
    readonly decideWithinSeconds: number;
    readonly spendWithinSeconds: number;
    readonly leaseSeconds: number;
  };
  readonly recorder: Pick<Recorder, 'append'>;
  readonly ids: Ids;
  readonly log: Log;
  /** How often a waiting call looks at its row by itself. Milliseconds; default 1,000. */
  readonly pollMs?: number;
};

const pollMsDefault = 1000;

/**
 * The door of `hold`. The row in the database is the truth: a change of state is committed there first and recorded
 * next, and a call is executed only after its claim is recorded too.
 */
export function createApprovals(options: ApprovalsOptions): Approvals {
  const { store, groups, clocks, log, ids } = options;
  const waiters = new Waiters({
    read: store.read,
    onNotify: store.onNotify,
    pollMs: options.pollMs ?? pollMsDefault,
  });
  const leases = new Map<string, NodeJS.Timeout>();

  const record = (
    approval: Approval,
    from: string,
    by: Person | null,
    reason: string,
  ): Promise<void> => options.recorder.append(transitionEntry(approval, from, by, reason));

  /** A hint that gets lost costs a waiting call a second, no more. */
  const hint = (id: string): void => {
    store
      .notify(id)
      .catch((cause: unknown) => log.warn('a hint was not sent', { cause: errorText(cause) }));
  };

  const endLease = (id: string): void => {
    clearInterval(leases.get(id));
    leases.delete(id);
  };

  const keepLease = ({ approval: { id }, fence }: Claim): void => {
    const renew = (): void => {
      store.renew(id, fence, clocks.leaseSeconds).then(
        (kept) => {
          if (kept) return;
          log.error('the lease of an execution was lost', { approval: id });
          endLease(id);
        },
        (cause: unknown) =>
          log.warn('a lease could not be renewed', { approval: id, cause: errorText(cause) }),
      );
    };
    leases.set(id, setInterval(renew, (clocks.leaseSeconds * 1000) / 3));
  };

  return {
    open: async (request) => {
      const requirements = requirementsOf(request.holds);
      const decideWithinSeconds = decideWithin(request.holds, clocks.decideWithinSeconds);
      const limits = { decideWithinSeconds, openMax: openHoldsPerCallerMax, due: dueRules };
      const opened = await store.open(ids.next(), { ...request, requirements }, limits);
      if (opened === null) return err(tooMany());
      const { approval, joined } = opened;
      if (!joined) await record(approval, '', request.requester, 'asked for');
      return ok(approval);
    },
    wait: (id, waiting) => {
      const full = waiters.count >= heldRequestsMax;
      return waiters.wait(id, full ? { ...waiting, waitMs: 0 } : waiting);
    },
    vote: async (id, vote) => {
      const { by, reason, version } = vote;
      const person = { issuer: by.issuer, subject: by.subject, username: by.username };
      const judge = (approval: Approval, due: boolean): VoteEffect<Refusal> =>
        judgeVote(approval, due, { ...vote, by, version }, groups);
      const cast = { by: person, vote: vote.vote, reason };
      const counted = await store.vote(id, cast, clocks.spendWithinSeconds, judge);
      if (counted === null)
        return err(refusal('HOLDGATE_HOLD_UNKNOWN', `there is no approval "${id.slice(0, 100)}"`));
      if (counted.kind === 'refused') return err(counted.refusal);
      await record(counted.approval, counted.from, person, `${vote.vote}: ${reason}`);
      hint(id);
      return ok(counted.approval);
    },
    claim: async (id, requestId) => {
      const claim = await store.claim(id, requestId, clocks.leaseSeconds);
      if (claim === null) {
        const now = await store.read(id);
        return err(
          now === null
            ? refusal('HOLDGATE_HOLD_UNKNOWN', 'the approval is gone')
            : heldRefusal(now, 'ended'),
        );
      }
      try {
        await record(claim.approval, 'APPROVED', null, `claimed by request ${requestId}`);
      } catch (cause) {
        // Not on record, so not executed: the claim ends unused, and the caller learns that recording failed.
        await store
          .finish(id, claim.fence, 'FAILED', 'not executed: the claim could not be recorded')
          .catch(() => {});
        throw cause;
      }
      keepLease(claim);
      return ok(claim);
    },
    finish: async ({ approval: { id }, fence }, state, outcome) => {
      endLease(id);
      const approval = await store.finish(id, fence, state, outcome);
      if (approval === null) {
        log.error('an execution ended after its lease was lost', { approval: id, state, outcome });
        return;
      }
      await record(approval, 'EXECUTING', null, outcome);
    },
    show: store.read,
    list: store.list,
    sweep: async () => {
      for (const { from, approval } of await store.sweep(dueRules)) {
        await record(approval, from, null, approval.outcome);
        hint(approval.id);
      }
    },
    close: () => {
      waiters.close();
      for (const id of [...leases.keys()]) endLease(id);
      return Promise.resolve();
    },
  };
}

function transitionEntry(
  approval: Approval,
  from: string,
  by: Person | null,
  reason: string,
): HoldTransitionEntry {
  return {
    kind: 'hold',
    requestId: approval.executedBy ?? approval.openedBy,
    cluster: approval.summary.cluster,
    approvalId: approval.id,
    from,
    to: approval.state,
    by: by === null ? null : { issuer: by.issuer, subject: by.subject, username: by.username },
    reason,
  };
}

/** The shortest time that a hold gives; the default where none says. */
function decideWithin(
  holds: readonly { readonly decideWithinSeconds: number }[],
  fallback: number,
): number {
  const said = holds.map((hold) => hold.decideWithinSeconds).filter((count) => count > 0);
  return said.length === 0 ? fallback : Math.min(...said);
}

type Ballot = {
  readonly by: Voter;
  readonly vote: 'approve' | 'deny';
  readonly reason: string;
  readonly version: number | null;
};

/** What a vote makes of the approval as it stands, inside the locked transaction. Pure. */
export function judgeVote(
  approval: Approval,
  due: boolean,
  ballot: Ballot,
  groups: ApproverGroups,
): VoteEffect<Refusal> {
  const { id, state, version } = approval;
  const closed = (what: string): VoteEffect<Refusal> => ({
    kind: 'refused',
    refusal: refusal('HOLDGATE_HOLD_NOT_OPEN', `approval ${id} ${what}`, { approvalId: id }),
  });
  if (state !== 'PENDING')
    return closed(`is ${state}${approval.outcome === '' ? '' : `: ${approval.outcome}`}`);
  if (due) return closed(`could be decided until ${approval.decideBy}`);
  if (ballot.version !== null && ballot.version !== version) {
    return closed(
      `changed since you looked (version ${version}, you saw ${ballot.version}); show it again`,
    );
  }
  const after = (event: 'approve' | 'deny'): Approval['state'] => nextState(state, event) ?? state;
  const eligible = checkVoter(approval, ballot.by, groups);
  if (!eligible.ok) return { kind: 'refused', refusal: eligible.error };
  const { by, vote, reason } = ballot;
  const because = reason === '' ? '' : `: ${reason}`;
  if (vote === 'deny')
    return { kind: 'counted', to: after('deny'), outcome: `denied by ${by.username}${because}` };
  const votes = [...approval.votes, { by, vote, reason, at: '' }];
  const open = openRequirements(approval.requirements, votes, groups);
  if (open.length > 0) return { kind: 'counted', to: state, outcome: '' };
  return {
    kind: 'counted',
    to: after('approve'),
    outcome: `approved by ${votes.map((one) => one.by.username).join(', ')}`,
  };
}

const tooMany = (): Refusal =>
  refusal('HOLDGATE_HOLD_TOO_MANY', `you have ${openHoldsPerCallerMax} open approvals already`);
