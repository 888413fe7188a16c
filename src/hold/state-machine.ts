import type { ApprovalState } from './approval.ts';

/** What can happen to an approval. */
export const approvalEvents = [
  'approve',
  'deny',
  'expire',
  'cancel',
  'claim',
  'lapse',
  'revoke',
  'stale',
  'executed',
  'failed',
  'lost',
] as const;
export type ApprovalEvent = (typeof approvalEvents)[number];

/**
 * The transitions of design §6, as data. What is not here cannot happen: EXECUTING is reached once, by a claim of an
 * APPROVED, and leaves only to an end; UNKNOWN (a crash in flight) is an end, never retried.
 */
export const transitions: Readonly<
  Partial<Record<ApprovalState, Readonly<Partial<Record<ApprovalEvent, ApprovalState>>>>>
> = {
  PENDING: {
    approve: 'APPROVED',
    deny: 'DENIED',
    expire: 'EXPIRED',
    cancel: 'CANCELLED',
    stale: 'STALE',
  },
  APPROVED: { claim: 'EXECUTING', lapse: 'LAPSED', revoke: 'REVOKED', stale: 'STALE' },
  EXECUTING: { executed: 'EXECUTED', failed: 'FAILED', lost: 'UNKNOWN', stale: 'STALE' },
};

/** The state after an event; null where the event cannot happen in this state. */
export const nextState = (state: ApprovalState, event: ApprovalEvent): ApprovalState | null =>
  transitions[state]?.[event] ?? null;

/** What time ends by itself: when the row's clock is over, the state changes. */
export type DueRule = {
  readonly from: ApprovalState;
  readonly to: ApprovalState;
  readonly clock: 'decide_by' | 'spend_by' | 'lease_until';
  readonly outcome: string;
};

function dueRule(
  from: 'PENDING' | 'APPROVED' | 'EXECUTING',
  event: ApprovalEvent,
  clock: DueRule['clock'],
  outcome: string,
): DueRule {
  const to = nextState(from, event);
  if (to === null) throw new TypeError(`${event} cannot happen to ${from}`);
  return { from, to, clock, outcome };
}

/** The clocks of design §6. A lapsed lease is a crash in flight: UNKNOWN, never retried. */
export const dueRules: readonly DueRule[] = [
  dueRule('PENDING', 'expire', 'decide_by', 'nobody decided in time'),
  dueRule('APPROVED', 'lapse', 'spend_by', 'approved, and not used in time'),
  dueRule(
    'EXECUTING',
    'lost',
    'lease_until',
    'the gateway that executed it went away; whether it ran is unknown',
  ),
];
