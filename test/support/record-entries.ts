import type { PolicyInput } from '../../src/decide/index.ts';
import { recordedInput } from '../../src/record/index.ts';
import type { DecisionEntry, OutcomeEntry } from '../../src/record/index.ts';

/** A policy input: an agent deletes a pod. */
export function somePolicyInput(
  request: Partial<PolicyInput['request']> = {},
  user: Partial<PolicyInput['user']> = {},
): PolicyInput {
  return {
    now: '2026-11-20T12:00:00Z',
    cluster: { name: 'prod', labels: {} },
    user: {
      issuer: 'https://issuer.example',
      subject: 'agent-7',
      username: 'agent:seven',
      uid: '',
      groups: ['agents'],
      groups_complete: true,
      kind: 'agent',
      actor: [],
      claims: {},
      token: { type: '', id: 't1', expires: '', azp: '', acr: '', amr: [], auth_time: '' },
      requested_impersonation: null,
      ...user,
    },
    request: {
      scope: 'namespaced',
      verb: 'delete',
      group: '',
      version: 'v1',
      resource: 'pods',
      kind: '',
      namespace: 'payments',
      name: 'checkout-7b9',
      generate_name: '',
      path: '/api/v1/namespaces/payments/pods/checkout-7b9',
      dry_run: false,
      label_selector: '',
      field_selector: '',
      options: {},
      content_type: '',
      body: 'none',
      object: null,
      patch: null,
      exec: null,
      log: null,
      portforward: null,
      wire: { method: 'DELETE', verb: 'delete' },
      ...request,
    },
    live: null,
    grants: [],
    usage: {},
    source_ip: '192.0.2.7',
    claimed: { client: 'kubectl/v1.35.4', command: 'kubectl delete', task: '', reason: '' },
  };
}

/** A decision; give `requestId` where it matters. */
export function someDecision(
  more: Partial<DecisionEntry> = {},
  request: Partial<PolicyInput['request']> = {},
  user: Partial<PolicyInput['user']> = {},
): DecisionEntry {
  const input = somePolicyInput(request, user);
  const { issuer, subject, username } = input.user;
  return {
    kind: 'decision',
    user: { issuer, subject, username },
    requestId: 'request-1',
    cluster: 'prod',
    verdict: 'allow',
    code: null,
    message: '',
    detail: '',
    method: 'DELETE',
    target: '/api/v1/namespaces/payments/pods/checkout-7b9',
    sourceIp: '192.0.2.7',
    userAgent: 'kubectl/v1.35.4',
    input: recordedInput(input),
    because: [{ rule: 'pipelines', id: 'deploy', reason: 'pipelines may deploy' }],
    mask: [],
    record: [],
    policy: { wasm: 'sha256:aa', sources: 'sha256:bb', compiler: 'opa/0.70.0', revision: 'v1' },
    bodies: [],
    approvalId: null,
    digest: null,
    digestSent: null,
    guard: null,
    ...more,
  };
}

/** How a request ended. */
export function someOutcome(more: Partial<OutcomeEntry> = {}): OutcomeEntry {
  return {
    kind: 'outcome',
    requestId: 'request-1',
    cluster: 'prod',
    status: 200,
    code: null,
    message: '',
    detail: '',
    upstreamStatus: 200,
    session: null,
    bytesSent: 42,
    durationMs: 7,
    complete: true,
    endedBy: 'answer',
    ...more,
  };
}
