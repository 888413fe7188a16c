import type { Approval, ApprovalState, HoldRequest, Vote } from './approval.ts';
import type { DueRule } from './state-machine.ts';

/** What a person's act makes of an approval; decided inside the locked transaction, on the row as it stands. */
export type VoteEffect<Refused> =
  | { readonly kind: 'refused'; readonly refusal: Refused }
  | {
      readonly kind: 'counted';
      readonly to: ApprovalState;
      readonly outcome: string;
    };

/** A change of state that was committed. */
export type Transition = { readonly from: ApprovalState; readonly approval: Approval };

/** An act on an approval that is there: refused, or committed. */
export type ActEnd<Refused> =
  | { readonly kind: 'refused'; readonly refusal: Refused }
  | ({ readonly kind: 'counted' } & Transition);

/** What `open` made, and what it ended on the way. */
export type Opening = {
  /** Null where the requester has too many open. */
  readonly opened: { readonly approval: Approval; readonly joined: boolean } | null;
  /** Approvals of the same request that were over by the clock, or no longer about the same outcome. */
  readonly ended: readonly Transition[];
};

/**
 * The rows, as `hold` needs them. Every method is one statement or one transaction on the database's clock, and rejects
 * with a DependencyError when the database is down.
 */
export type ApprovalStore = {
  /**
   * Joins the open approval of the same requester, cluster and digest that still fits; one that does not fit becomes
   * STALE, and a new one is opened.
   */
  readonly open: (
    id: string,
    request: HoldRequest & { readonly requirements: Approval['requirements'] },
    limits: {
      readonly decideWithinSeconds: number;
      readonly openMax: number;
      readonly due: readonly DueRule[];
      /** Why an open approval of the same digest is not about the same any more; null where it is. Default: it is. */
      readonly misfit?: (open: Approval) => string | null;
    },
  ) => Promise<Opening>;
  readonly read: (id: string) => Promise<Approval | null>;
  /** Of these, the ids of those that are PENDING. */
  readonly pending: (ids: readonly string[]) => Promise<readonly string[]>;
  readonly list: (filter: {
    readonly states?: readonly ApprovalState[];
    readonly limit: number;
    readonly before?: string;
  }) => Promise<readonly Approval[]>;
  /** Locks the row, lets `judge` look at it, and commits the vote with its effect. Null: no such approval. */
  readonly vote: <Refused>(
    id: string,
    vote: Omit<Vote, 'at'>,
    spendWithinSeconds: number,
    judge: (approval: Approval, due: boolean) => VoteEffect<Refused>,
  ) => Promise<ActEnd<Refused> | null>;
  /** The same without a vote: somebody takes an open approval back. */
  readonly withdraw: <Refused>(
    id: string,
    judge: (approval: Approval, due: boolean) => VoteEffect<Refused>,
  ) => Promise<ActEnd<Refused> | null>;
  /** APPROVED and not lapsed -> EXECUTING, by one conditional update. Null: somebody else was first, or it is too late. */
  readonly claim: (
    id: string,
    requestId: string,
    leaseSeconds: number,
  ) => Promise<{ readonly approval: Approval; readonly fence: number } | null>;
  /** Prolongs a lease. False: it was lost. */
  readonly renew: (id: string, fence: number, leaseSeconds: number) => Promise<boolean>;
  /** Ends an execution. Null: the lease was lost, and somebody else ended it. */
  readonly finish: (
    id: string,
    fence: number,
    to: ApprovalState,
    outcome: string,
  ) => Promise<Approval | null>;
  /** Ends whatever is due by the database's clock. */
  readonly sweep: (due: readonly DueRule[]) => Promise<readonly Transition[]>;
  readonly notify: (id: string) => Promise<void>;
  readonly onNotify: (listener: (id: string) => void) => () => void;
};
