import { refusal, type Refusal } from '../base/errors.ts';
import type { Ids } from '../base/ids.ts';
import { heldRequestsMax, openHoldsPerCallerMax } from '../base/limits.ts';
import { errorText, type Log } from '../base/log.ts';
import { err, ok } from '../base/result.ts';
import type { HoldTransitionEntry, Recorder } from '../record/index.ts';
import type { Approval, Approvals, Claim, HoldRequest, Person } from './approval.ts';
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

/** Keeps the leases of executions alive until they end. */
class Leases {
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #options: Pick<ApprovalsOptions, 'store' | 'clocks' | 'log'>;

  constructor(options: ApprovalsOptions) {
    this.#options = options;
  }

  keep({ approval: { id }, fence }: Claim): void {
    const { store, clocks, log } = this.#options;
    const renew = async (): Promise<void> => {
      try {
        if (await store.renew(id, fence, clocks.leaseSeconds)) return;
        log.error('the lease of an execution was lost', { approval: id });
        this.end(id);
      } catch (cause) {
        log.warn('a lease could not be renewed', { approval: id, cause: errorText(cause) });
      }
    };
    // Three tries a lease: one lost query must not make an execution UNKNOWN.
    this.#timers.set(
      id,
      setInterval(() => void renew(), (clocks.leaseSeconds * 1000) / 3),
    );
  }

  end(id: string): void {
    clearInterval(this.#timers.get(id));
    this.#timers.delete(id);
  }

  close(): void {
    for (const timer of this.#timers.values()) clearInterval(timer);
    this.#timers.clear();
  }
}

/**
 * The row in the database is the truth: a change of state is committed there first and recorded next, and a call is
 * executed only after its claim is recorded too.
 */
class DurableApprovals implements Approvals {
  readonly #options: ApprovalsOptions;
  readonly #waiters: Waiters;
  readonly #leases: Leases;

  constructor(options: ApprovalsOptions) {
    this.#options = options;
    this.#leases = new Leases(options);
    this.#waiters = new Waiters({
      read: (id) => options.store.read(id),
      onNotify: (listener) => options.store.onNotify(listener),
      pollMs: options.pollMs ?? pollMsDefault,
    });
  }

  #record(approval: Approval, from: string, by: Person | null, reason: string): Promise<void> {
    return this.#options.recorder.append(transitionEntry(approval, from, by, reason));
  }

  /** A hint that gets lost costs a waiting call a second, no more. */
  #hint(id: string): void {
    const { store, log } = this.#options;
    store.notify(id).catch((cause: unknown) => {
      log.warn('a hint was not sent', { cause: errorText(cause) });
    });
  }

  async open(request: HoldRequest): ReturnType<Approvals['open']> {
    const { store, clocks, ids } = this.#options;
    const requirements = requirementsOf(request.holds);
    const opened = await store.open(
      ids.next(),
      { ...request, requirements },
      {
        decideWithinSeconds: decideWithin(request.holds, clocks.decideWithinSeconds),
        openMax: openHoldsPerCallerMax,
        due: dueRules,
      },
    );
    if (opened === null) return err(tooMany());
    const { approval, joined } = opened;
    if (!joined) await this.#record(approval, '', request.requester, 'asked for');
    return ok(approval);
  }

  wait(id: string, waiting: Parameters<Approvals['wait']>[1]): ReturnType<Approvals['wait']> {
    const full = this.#waiters.count >= heldRequestsMax;
    return this.#waiters.wait(id, full ? { ...waiting, waitMs: 0 } : waiting);
  }

  async vote(id: string, ballot: Parameters<Approvals['vote']>[1]): ReturnType<Approvals['vote']> {
    const { store, clocks, groups } = this.#options;
    const { issuer, subject, username } = ballot.by;
    const person = { issuer, subject, username };
    const cast = { by: person, vote: ballot.vote, reason: ballot.reason };
    const counted = await store.vote(id, cast, clocks.spendWithinSeconds, (approval, due) =>
      judgeVote(approval, due, ballot, groups),
    );
    if (counted === null) {
      return err(refusal('HOLDGATE_HOLD_UNKNOWN', `there is no approval "${id.slice(0, 100)}"`));
    }
    if (counted.kind === 'refused') return err(counted.refusal);
    await this.#record(counted.approval, counted.from, person, `${ballot.vote}: ${ballot.reason}`);
    this.#hint(id);
    return ok(counted.approval);
  }

  async claim(id: string, requestId: string): ReturnType<Approvals['claim']> {
    const { store, clocks } = this.#options;
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
      await this.#record(claim.approval, 'APPROVED', null, `claimed by request ${requestId}`);
    } catch (cause) {
      // Not on record, so not executed: the claim ends unused, and the caller learns that recording failed.
      const why = 'not executed: the claim could not be recorded';
      await store.finish(id, claim.fence, 'FAILED', why).catch(() => null);
      throw cause;
    }
    this.#leases.keep(claim);
    return ok(claim);
  }

  async finish(
    { approval: { id }, fence }: Claim,
    state: Parameters<Approvals['finish']>[1],
    outcome: string,
  ): Promise<void> {
    const { store, log } = this.#options;
    this.#leases.end(id);
    const approval = await store.finish(id, fence, state, outcome);
    if (approval === null) {
      log.error('an execution ended after its lease was lost', { approval: id, state, outcome });
      return;
    }
    await this.#record(approval, 'EXECUTING', null, outcome);
  }

  show(id: string): Promise<Approval | null> {
    return this.#options.store.read(id);
  }

  list(filter: Parameters<Approvals['list']>[0]): Promise<readonly Approval[]> {
    return this.#options.store.list(filter);
  }

  async sweep(): Promise<void> {
    for (const { from, approval } of await this.#options.store.sweep(dueRules)) {
      await this.#record(approval, from, null, approval.outcome);
      this.#hint(approval.id);
    }
  }

  close(): Promise<void> {
    this.#waiters.close();
    this.#leases.close();
    return Promise.resolve();
  }
}

/** The door of `hold`. */
export const createApprovals = (options: ApprovalsOptions): Approvals =>
  new DurableApprovals(options);

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
