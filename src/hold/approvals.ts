import { refusal, type Refusal } from '../base/errors.ts';
import type { Ids } from '../base/ids.ts';
import { heldRequestsMax, openHoldsPerCallerMax } from '../base/limits.ts';
import { errorText, type Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Recorder } from '../record/index.ts';
import type { Approval, Approvals, Claim, HoldRequest, Person } from './approval.ts';
import type { ActEnd, ApprovalStore } from './approval-store.ts';
import { judgeVote, judgeWithdrawal, misfit, stillApproved } from './judge.ts';
import { Leases } from './leases.ts';
import { heldRefusal } from './messages.ts';
import { requirementsOf, type ApproverGroups } from './requirements.ts';
import { dueRules } from './state-machine.ts';
import { TransitionLog } from './transition-log.ts';
import { Waiters } from './waiters.ts';

export type ApprovalsOptions = {
  readonly store: ApprovalStore;
  /** Read at each vote and claim: membership may change while the gateway runs. */
  readonly groups: ApproverGroups;
  readonly clocks: {
    readonly decideWithinSeconds: number;
    readonly spendWithinSeconds: number;
    readonly leaseSeconds: number;
  };
  readonly recorder: Pick<Recorder, 'append'>;
  readonly ids: Ids;
  readonly log: Log;
  /** How often the rows of waiting calls are looked at. Milliseconds; default 1,000. */
  readonly pollMs?: number;
};

const pollMsDefault = 1000;

/**
 * The row in the database is the truth: a change of state is committed there first and recorded next. Recording comes
 * before execution all the same: a claim takes the approval (so that nobody else can), is recorded, and only then is
 * the right to execute; where recording fails it ends unused.
 */
class DurableApprovals implements Approvals {
  readonly #options: ApprovalsOptions;
  readonly #waiters: Waiters;
  readonly #leases: Leases;
  readonly #transitions: TransitionLog;

  constructor(options: ApprovalsOptions) {
    const { store, clocks, recorder, log } = options;
    this.#options = options;
    this.#transitions = new TransitionLog(recorder, log);
    this.#leases = new Leases({
      renew: (...lease) => store.renew(...lease),
      leaseSeconds: clocks.leaseSeconds,
      log,
    });
    this.#waiters = new Waiters({
      read: (id) => store.read(id),
      pending: (ids) => store.pending(ids),
      onNotify: (listener) => store.onNotify(listener),
      pollMs: options.pollMs ?? pollMsDefault,
    });
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
    const now = { guard: request.guard, requirements };
    const { opened, ended } = await store.open(
      ids.next(),
      { ...request, requirements },
      {
        decideWithinSeconds: decideWithin(request.holds, clocks.decideWithinSeconds),
        openMax: openHoldsPerCallerMax,
        due: dueRules,
        misfit: (open) => misfit(open, now),
      },
    );
    for (const transition of ended) {
      await this.#transitions.appendLater(transition, null, transition.approval.outcome);
      this.#hint(transition.approval.id);
    }
    if (opened === null) return err(tooMany());
    const { approval, joined } = opened;
    if (!joined) {
      await this.#transitions.append({ from: '', approval }, request.requester, 'asked for');
    }
    return ok(approval);
  }

  wait(id: string, waiting: Parameters<Approvals['wait']>[1]): ReturnType<Approvals['wait']> {
    const full = this.#waiters.count >= heldRequestsMax;
    return this.#waiters.wait(id, full ? { ...waiting, waitMs: 0 } : waiting);
  }

  async vote(id: string, ballot: Parameters<Approvals['vote']>[1]): ReturnType<Approvals['vote']> {
    const { store, clocks, groups } = this.#options;
    const cast = { by: personOf(ballot.by), vote: ballot.vote, reason: ballot.reason };
    const end = await store.vote(id, cast, clocks.spendWithinSeconds, (approval, due) =>
      judgeVote(approval, due, ballot, groups),
    );
    return this.#acted(id, end, cast.by, `${ballot.vote}: ${ballot.reason}`);
  }

  async withdraw(
    id: string,
    act: Parameters<Approvals['withdraw']>[1],
  ): ReturnType<Approvals['withdraw']> {
    const { store, groups } = this.#options;
    const end = await store.withdraw(id, (approval, due) =>
      judgeWithdrawal(approval, due, act, groups),
    );
    return this.#acted(id, end, personOf(act.by), `withdrawn: ${act.reason}`);
  }

  /** Records what a person did, after its commit, and wakes who waits for it. */
  async #acted(
    id: string,
    end: ActEnd<Refusal> | null,
    by: Person,
    reason: string,
  ): Promise<Result<Approval, Refusal>> {
    if (end === null) {
      return err(refusal('HOLDGATE_HOLD_UNKNOWN', `there is no approval "${id.slice(0, 100)}"`));
    }
    if (end.kind === 'refused') return err(end.refusal);
    await this.#transitions.append(end, by, reason);
    this.#hint(id);
    return ok(end.approval);
  }

  async claim(id: string, requestId: string): ReturnType<Approvals['claim']> {
    const { store, clocks, groups } = this.#options;
    await this.#transitions.requireRecorded(id);
    const claim = await store.claim(id, requestId, clocks.leaseSeconds);
    if (claim === null) {
      const now = await store.read(id);
      return err(
        now === null
          ? refusal('HOLDGATE_HOLD_UNKNOWN', 'the approval is gone')
          : heldRefusal(now, 'ended'),
      );
    }
    const { approval } = claim;
    try {
      const reason = `claimed by request ${requestId}; ${approval.outcome}`;
      await this.#transitions.append({ from: 'APPROVED', approval }, null, reason);
    } catch (cause) {
      // Not on record, so not executed: the claim ends unused, and the caller learns that recording failed.
      await this.#endUnused(claim, 'FAILED', 'not executed: the claim could not be recorded');
      throw cause;
    }
    if (!stillApproved(approval, groups)) {
      const why = 'somebody who approved it is no longer in a group that may';
      const ended = await this.#endUnused(claim, 'STALE', why);
      return err(heldRefusal(ended ?? { ...approval, state: 'STALE', outcome: why }, 'ended'));
    }
    this.#leases.keep(claim);
    return ok(claim);
  }

  /** Ends a claim under which nothing was sent. Where the database is down, its lease runs out instead. */
  async #endUnused(
    { approval: { id }, fence }: Claim,
    to: 'FAILED' | 'STALE',
    why: string,
  ): Promise<Approval | null> {
    const approval = await this.#options.store.finish(id, fence, to, why).catch(() => null);
    if (approval !== null) {
      await this.#transitions.appendLater({ from: 'EXECUTING', approval }, null, why);
    }
    return approval;
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
    await this.#transitions.append({ from: 'EXECUTING', approval }, null, outcome);
  }

  show(id: string): Promise<Approval | null> {
    return this.#options.store.read(id);
  }

  list(filter: Parameters<Approvals['list']>[0]): Promise<readonly Approval[]> {
    return this.#options.store.list(filter);
  }

  async sweep(): Promise<void> {
    await this.#transitions.flush();
    for (const transition of await this.#options.store.sweep(dueRules)) {
      const { id, outcome } = transition.approval;
      this.#hint(id);
      await this.#transitions.appendLater(transition, null, outcome);
    }
  }

  async close(): Promise<void> {
    this.#waiters.close();
    this.#leases.close();
    await this.#transitions.flush();
    this.#transitions.close();
  }
}

/** The door of `hold`. */
export const createApprovals = (options: ApprovalsOptions): Approvals =>
  new DurableApprovals(options);

const personOf = ({ issuer, subject, username }: Person): Person => ({ issuer, subject, username });

/** The shortest time that a hold gives; the default where none says. */
function decideWithin(
  holds: readonly { readonly decideWithinSeconds: number }[],
  fallback: number,
): number {
  const said = holds.map((hold) => hold.decideWithinSeconds).filter((count) => count > 0);
  return said.length === 0 ? fallback : Math.min(...said);
}

const tooMany = (): Refusal =>
  refusal('HOLDGATE_HOLD_TOO_MANY', `you have ${openHoldsPerCallerMax} open approvals already`);
