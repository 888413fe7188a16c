import type { Result } from '../base/result.ts';
import type { Refusal } from '../base/errors.ts';
import type { StopSignal } from '../base/stop-signal.ts';
import type { HoldElement, PolicyIdentity } from '../decide/index.ts';

/** The states of an approval (design §6). */
export const approvalStates = [
  'PENDING',
  'APPROVED',
  'DENIED',
  'EXPIRED',
  'CANCELLED',
  'STALE',
  'EXECUTING',
  'LAPSED',
  'REVOKED',
  'EXECUTED',
  'FAILED',
  'UNKNOWN',
] as const;
export type ApprovalState = (typeof approvalStates)[number];

export type Person = {
  readonly issuer: string;
  readonly subject: string;
  readonly username: string;
};

/** One hold element's need: `quorum` votes from members of any of `groups`. */
export type Requirement = {
  readonly rule: string;
  readonly id: string;
  readonly reason: string;
  readonly groups: readonly string[];
  readonly quorum: number;
};

export type Vote = {
  readonly by: Person;
  readonly vote: 'approve' | 'deny';
  readonly reason: string;
  readonly at: string;
};

/**
 * What keeps the executed call to what the approver saw (design §4.5), fixed when the hold opens.
 * `uid` of the live object; `afterImage` the digest of the normalised dry-run answer (update, patch, apply).
 */
export type DriftGuard =
  | { readonly kind: 'none' }
  | { readonly kind: 'delete'; readonly uid: string }
  | { readonly kind: 'after-image'; readonly uid: string; readonly afterImage: string }
  /** A create on a subresource of an object that is there: an eviction, a binding, a token. */
  | { readonly kind: 'object'; readonly uid: string }
  /** Exec, attach and port-forward: the pod, and what its containers run. */
  | { readonly kind: 'pod'; readonly uid: string; readonly images: string }
  /** A server-side apply that creates: nothing of the name may be there. */
  | { readonly kind: 'absent'; readonly uid: '' };

/** What an approver is shown, in the words of the request; contains no secret and nothing masked. */
export type RequestSummary = {
  readonly cluster: string;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly method: string;
  readonly target: string;
  readonly sourceIp: string;
  readonly claimed: { readonly client: string; readonly command: string; readonly reason: string };
  readonly bodyBytes: number;
};

export type Approval = {
  readonly id: string;
  readonly state: ApprovalState;
  /** Grows with every change: a vote names the version that its voter saw. */
  readonly version: number;
  readonly digest: string;
  readonly requester: Person & {
    readonly actor: readonly { readonly issuer: string; readonly subject: string }[];
  };
  readonly summary: RequestSummary;
  readonly requirements: readonly Requirement[];
  readonly votes: readonly Vote[];
  readonly guard: DriftGuard;
  readonly policy: PolicyIdentity;
  /** The Audit-ID of the request that opened it, and of the one that executed it. */
  readonly openedBy: string;
  readonly executedBy: string | null;
  /** RFC 3339, the database's clock. */
  readonly createdAt: string;
  readonly decideBy: string;
  readonly spendBy: string | null;
  readonly endedAt: string | null;
  /** Why it ended, in one sentence. */
  readonly outcome: string;
};

export type HoldRequest = {
  readonly requestId: string;
  readonly digest: string;
  readonly requester: Approval['requester'];
  readonly summary: RequestSummary;
  readonly holds: readonly HoldElement[];
  readonly guard: DriftGuard;
  readonly policy: PolicyIdentity;
};

/** The right to execute once: held by exactly one request, until its lease ends. */
export type Claim = { readonly approval: Approval; readonly fence: number };

/** What a waiting call learns. */
export type WaitEnd = {
  readonly kind: 'decided' | 'window-over' | 'client-gone' | 'draining';
  readonly approval: Approval;
};

/** The door of `hold`. Every method that touches the database rejects with a DependencyError when it is down. */
export type Approvals = {
  /** Opens an approval, or joins the open one of the same requester and digest. */
  readonly open: (request: HoldRequest) => Promise<Result<Approval, Refusal>>;
  /** Waits until the approval leaves PENDING, the window is over, the client is gone or the gateway drains. */
  readonly wait: (
    id: string,
    options: {
      readonly waitMs: number;
      readonly gone: StopSignal;
      readonly draining: AbortSignal;
    },
  ) => Promise<WaitEnd>;
  /** APPROVED -> EXECUTING, once. The lease is kept alive until `finish`. */
  readonly claim: (id: string, requestId: string) => Promise<Result<Claim, Refusal>>;
  /** EXECUTING -> EXECUTED | FAILED | UNKNOWN | STALE (only before anything was sent). */
  readonly finish: (
    claim: Claim,
    state: 'EXECUTED' | 'FAILED' | 'UNKNOWN' | 'STALE',
    outcome: string,
  ) => Promise<void>;
  readonly vote: (
    id: string,
    vote: {
      readonly by: Person & { readonly actor: Approval['requester']['actor'] };
      readonly vote: 'approve' | 'deny';
      readonly reason: string;
      readonly version: number | null;
    },
  ) => Promise<Result<Approval, Refusal>>;
  /**
   * Takes an open approval back: PENDING -> CANCELLED, APPROVED -> REVOKED. Who asked for it may, and administrators;
   * what was approved may also be revoked by whoever could have approved it.
   */
  readonly withdraw: (
    id: string,
    act: {
      readonly by: Person & { readonly actor: Approval['requester']['actor'] };
      readonly isAdmin: boolean;
      readonly reason: string;
    },
  ) => Promise<Result<Approval, Refusal>>;
  readonly show: (id: string) => Promise<Approval | null>;
  readonly list: (filter: {
    readonly states?: readonly ApprovalState[];
    readonly limit: number;
    readonly before?: string;
  }) => Promise<readonly Approval[]>;
  /** Expires, lapses and marks UNKNOWN what is due: called on a timer by every replica, and at start. */
  readonly sweep: () => Promise<void>;
  readonly close: () => Promise<void>;
};
