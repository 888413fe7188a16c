import type { Approval, HoldRequest } from '../../src/hold/index.ts';

const requester = {
  issuer: 'https://issuer.test',
  subject: 'agent-1',
  username: 'agent-1',
  actor: [{ issuer: 'https://issuer.test', subject: 'robot' }],
};

const summary = {
  cluster: 'test',
  verb: 'delete',
  group: '',
  resource: 'pods',
  namespace: 'payments',
  name: 'checkout',
  method: 'DELETE',
  target: '/api/v1/namespaces/payments/pods/checkout',
  sourceIp: '127.0.0.1',
  claimed: { client: 'kubectl', command: 'kubectl delete', reason: '' },
  bodyBytes: 0,
};

const policy = { wasm: 'sha256:a', sources: 'sha256:b', compiler: 'opa/test', revision: '' };

export const requirement = (id: string, groups: readonly string[], quorum = 1) => ({
  rule: 'protected',
  id,
  reason: 'because',
  groups,
  quorum,
});

/** A hold that one of `oncall` may let pass. */
export const holdRequest = (
  digest: string,
  subject = 'agent-1',
): HoldRequest & { readonly requirements: Approval['requirements'] } => ({
  requestId: `request-of-${digest}`,
  digest,
  requester: { ...requester, subject },
  summary,
  holds: [
    {
      rule: 'protected',
      id: 'delete',
      reason: 'because',
      approvers: ['oncall'],
      quorum: 1,
      decideWithinSeconds: 0,
      onlyIfAllowed: false,
      askReason: false,
      risk: '',
    },
  ],
  requirements: [requirement('delete', ['oncall'])],
  guard: { kind: 'delete', uid: 'u-1' },
  policy,
});

/** An approval as it stands, for the pure parts. */
export const approvalOf = (more: Partial<Approval> = {}): Approval => ({
  id: 'approval-1',
  state: 'PENDING',
  version: 1,
  digest: 'sha256:x',
  requester,
  summary,
  requirements: [requirement('delete', ['oncall'])],
  votes: [],
  guard: { kind: 'delete', uid: 'u-1' },
  policy,
  openedBy: 'request-1',
  executedBy: null,
  createdAt: '2026-11-20T12:00:00.000Z',
  decideBy: '2026-11-20T12:30:00.000Z',
  spendBy: null,
  endedAt: null,
  outcome: '',
  ...more,
});

export const person = (subject: string) => ({
  issuer: 'https://people.test',
  subject,
  username: subject,
});
