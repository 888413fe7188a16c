import { describe, expect, test } from 'vitest';
import { DependencyError, refusal } from '../../src/base/errors.ts';
import { err, ok } from '../../src/base/result.ts';
import type { Decision, HoldElement, PolicyInput } from '../../src/decide/index.ts';
import type { Approval, Approvals } from '../../src/hold/index.ts';
import { clientTimeoutMs } from '../../src/flow/release.ts';
import { approvalOf, requirement } from '../support/hold-fixtures.ts';
import {
  agent,
  decision,
  flowWorld,
  mask,
  scriptedAnswer,
  type World,
  type WorldOptions,
} from '../support/flow-world.ts';

const POD = '/api/v1/namespaces/payments/pods/checkout';
const pod = {
  kind: 'Pod',
  apiVersion: 'v1',
  metadata: { name: 'checkout', uid: 'u-1', resourceVersion: '1' },
};

const hold: HoldElement = {
  rule: 'protected',
  id: 'delete',
  reason: 'because',
  approvers: ['oncall'],
  quorum: 1,
  decideWithinSeconds: 0,
  onlyIfAllowed: false,
  askReason: false,
  risk: '',
};
const held = decision({ verdict: 'hold', because: [hold], holds: [hold] });
const byGrant = (input: PolicyInput): Decision => (input.grants.length > 0 ? decision() : held);

/** Approvals that end as scripted, and remember how they were finished. */
function scripted(state: Approval['state'], more: Partial<Approvals> = {}) {
  const finished: string[] = [];
  const approval = approvalOf({
    state,
    requirements: [requirement('delete', ['oncall'])],
    votes: [],
  });
  const approvals: Partial<Approvals> = {
    open: () => Promise.resolve(ok({ ...approval, state: 'PENDING' as const })),
    wait: () =>
      Promise.resolve({
        kind: state === 'PENDING' ? ('window-over' as const) : ('decided' as const),
        approval,
      }),
    claim: () => Promise.resolve(ok({ approval, fence: 1 })),
    finish: (_claim, end) => {
      finished.push(end);
      return Promise.resolve();
    },
    ...more,
  };
  return { approvals, finished };
}

const cluster =
  (status = 200, headers: Record<string, string> = {}): NonNullable<WorldOptions['upstream']> =>
  (request) =>
    request.method === 'GET'
      ? scriptedAnswer({ body: pod })
      : scriptedAnswer({ status, headers, body: { kind: 'Status' } });

const world = (
  state: Approval['state'],
  options: WorldOptions = {},
  more: Partial<Approvals> = {},
): World & { readonly finished: string[] } => {
  const { approvals, finished } = scripted(state, more);
  return {
    ...flowWorld({ decide: byGrant, upstream: cluster(), approvals, ...options }),
    finished,
  };
};

const deletes = (one: World) => one.sent.filter((request) => request.method === 'DELETE');
const remove = { method: 'DELETE', target: POD };

test('an approved call is recorded as released, sent once with its guard, and its outcome is on record before the answer', async () => {
  const one = world('APPROVED');
  const exchange = await one.call(remove);
  expect(exchange.answer.status).toBe(200);
  expect(deletes(one)).toHaveLength(1);
  expect(JSON.parse(deletes(one)[0]?.body?.toString() ?? '')).toMatchObject({
    preconditions: { uid: 'u-1' },
  });
  const kinds = one.records.map((entry) => entry.kind).filter((kind) => kind !== 'attempt');
  expect(kinds).toEqual(['decision', 'release', 'outcome']);
  expect(one.records.find((entry) => entry.kind === 'decision')).toMatchObject({
    verdict: 'hold',
    approvalId: 'approval-1',
  });
  expect(one.inputs.at(-1)?.grants).toEqual([
    { id: 'approval-1', covers: [{ rule: 'protected', id: 'delete' }], approvers: [] },
  ]);
  expect(one.finished).toEqual(['EXECUTED']);
});

describe('a held call that is not approved is never sent', () => {
  test.each<{ state: Approval['state']; code: string }>([
    { state: 'PENDING', code: 'HOLDGATE_HOLD_PENDING' },
    { state: 'DENIED', code: 'HOLDGATE_HOLD_DENIED' },
    { state: 'EXPIRED', code: 'HOLDGATE_HOLD_EXPIRED' },
    { state: 'EXECUTED', code: 'HOLDGATE_HOLD_SPENT' },
  ])('$state: $code', async ({ state, code }) => {
    const one = world(state);
    const exchange = await one.call(remove);
    expect(exchange.answer.status).toBe(403);
    expect(exchange.text()).toContain(code);
    expect(exchange.text()).toContain('approval-1');
    expect(deletes(one)).toEqual([]);
  });

  test('whose client left while it waited', async () => {
    const one = world(
      'PENDING',
      {},
      {
        wait: () => Promise.resolve({ kind: 'client-gone', approval: approvalOf() }),
      },
    );
    await one.call(remove);
    expect(deletes(one)).toEqual([]);
    expect(one.records.at(-1)).toMatchObject({
      kind: 'outcome',
      endedBy: 'client',
      complete: false,
    });
  });

  test('whose claim somebody else took', async () => {
    const one = world(
      'APPROVED',
      {},
      { claim: () => Promise.resolve(err(refusal('HOLDGATE_HOLD_SPENT', 'taken'))) },
    );
    const exchange = await one.call(remove);
    expect(exchange.text()).toContain('HOLDGATE_HOLD_SPENT');
    expect(deletes(one)).toEqual([]);
  });
});

describe('after the wait', () => {
  test('nothing begins under a token that expired meanwhile, and the approval stays', async () => {
    let claims = 0;
    const identity = { ...agent, expiresAtMs: Date.parse('2026-11-20T11:59:59Z') };
    const one = world(
      'APPROVED',
      { identify: () => Promise.resolve(ok(identity)) },
      {
        claim: () => {
          claims += 1;
          return Promise.reject(new Error('not to be claimed'));
        },
      },
    );
    const exchange = await one.call(remove);
    expect(exchange.answer.status).toBe(401);
    expect(String(exchange.json()['message'])).toContain('HOLDGATE_IDENTIFY_TOKEN_EXPIRED');
    expect(claims).toBe(0);
    expect(deletes(one)).toEqual([]);
  });

  test('the answer is masked as policy says now, not as it said before', async () => {
    const masked = decision({ mask: [mask('data.*')] });
    const decide = (input: PolicyInput): Decision => (input.grants.length > 0 ? masked : held);
    const secret = {
      kind: 'Secret',
      apiVersion: 'v1',
      metadata: { name: 's' },
      data: { k: 'dg==' },
    };
    const upstream = () => scriptedAnswer({ body: secret });
    const read = approvalOf({ state: 'APPROVED', guard: { kind: 'none' } });
    const claim = () => Promise.resolve(ok({ approval: read, fence: 1 }));
    const one = world('APPROVED', { decide, upstream }, { claim });
    const exchange = await one.call({ target: '/api/v1/namespaces/payments/secrets/s' });
    expect(exchange.answer.status).toBe(200);
    expect(exchange.text()).toContain('"k"');
    expect(exchange.text()).not.toContain('dg==');
  });

  test('a call that policy now masks in a way that cannot be kept is not sent', async () => {
    const masked = decision({ mask: [mask('spec.*')] });
    const one = world('APPROVED', { decide: (input) => (input.grants.length > 0 ? masked : held) });
    const exchange = await one.call(remove);
    expect(String(exchange.json()['message'])).toContain('HOLDGATE_MASK_UNMASKABLE');
    expect(one.finished).toEqual(['STALE']);
    expect(deletes(one)).toEqual([]);
  });
});

describe('an approval is about a cluster and its server', () => {
  const before = { server: 'https://one.test', labels: { environment: 'test' } };

  test.each<{ name: string; after: ReturnType<NonNullable<WorldOptions['clusterNow']>> }>([
    { name: 'removed', after: 'removed' },
    { name: 'another server under the same name', after: { server: 'https://two.test' } },
  ])('$name while the call was held: it is refused and nothing is sent', async ({ after }) => {
    let waited = false;
    const { approvals } = scripted('APPROVED');
    const one = world(
      'APPROVED',
      { clusterNow: () => (waited ? after : before) },
      {
        wait: async (...args) => {
          waited = true;
          return approvals.wait!(...args);
        },
      },
    );
    const exchange = await one.call(remove);
    expect(exchange.answer.status).toBe(403);
    expect(exchange.text()).toContain('HOLDGATE_HOLD_STALE');
    expect(deletes(one)).toEqual([]);
    expect(one.finished).toEqual(['STALE']);
  });

  test('with new labels and the same server it runs, and policy decides by the new labels', async () => {
    let waited = false;
    const { approvals } = scripted('APPROVED');
    const after = { ...before, labels: { environment: 'production' } };
    const one = world(
      'APPROVED',
      { clusterNow: () => (waited ? after : before) },
      {
        wait: async (...args) => {
          waited = true;
          return approvals.wait!(...args);
        },
      },
    );
    const exchange = await one.call(remove);
    expect(exchange.answer.status).toBe(200);
    expect(deletes(one)).toHaveLength(1);
    expect(one.inputs[0]?.cluster.labels).toEqual({ environment: 'test' });
    expect(one.inputs.at(-1)?.cluster.labels).toEqual({ environment: 'production' });
  });

  test('a call keeps the clusters that it used open until its end, and no longer', async () => {
    let open = 0;
    let openAtSend = 0;
    const one = world('APPROVED', {
      clusterNow: () => ({
        use: () => {
          open += 1;
          return () => {
            open -= 1;
          };
        },
      }),
      upstream: (request) => {
        openAtSend = open;
        return cluster()(request);
      },
    });
    await one.call(remove);
    expect(openAtSend).toBe(2);
    expect(open).toBe(0);
  });
});

describe('policy has the last word at the release', () => {
  const other: HoldElement = { ...hold, quorum: 2 };
  test.each<{ name: string; decide: (input: PolicyInput, call: number) => Decision }>([
    {
      name: 'it denies now',
      decide: (_input, call) => (call === 1 ? held : decision({ verdict: 'deny' })),
    },
    {
      name: 'it asks for more people now',
      decide: (_input, call) =>
        call === 1 ? held : decision({ verdict: 'hold', because: [other], holds: [other] }),
    },
    { name: 'it holds in spite of the approval', decide: () => held },
  ])('$name: STALE, nothing sent', async ({ decide }) => {
    let call = 0;
    const one = world('APPROVED', {
      decide: (input) => {
        call += 1;
        return decide(input, call);
      },
    });
    const exchange = await one.call(remove);
    expect(exchange.text()).toContain('HOLDGATE_HOLD_STALE');
    expect(deletes(one)).toEqual([]);
    expect(one.finished).toEqual(['STALE']);
  });
});

test('an object that was exchanged under the approval: STALE, nothing sent, and the caller learns what to do', async () => {
  const other = { ...pod, metadata: { ...pod.metadata, uid: 'u-2' } };
  const one = world('APPROVED', { upstream: () => scriptedAnswer({ body: other }) });
  const exchange = await one.call(remove);
  expect(exchange.answer.status).toBe(403);
  expect(exchange.text()).toContain(
    'no longer fits: another object has taken its name. Run the same command again to ask anew',
  );
  expect(deletes(one)).toEqual([]);
  expect(one.finished).toEqual(['STALE']);
});

describe('never twice', () => {
  test("the cluster's 429 to an approved call becomes a 503 without Retry-After", async () => {
    const one = world('APPROVED', { upstream: cluster(429, { 'retry-after': '1' }) });
    const exchange = await one.call(remove);
    expect(exchange.answer.status).toBe(503);
    expect(exchange.answer.headers['retry-after']).toBeUndefined();
    expect(one.finished).toEqual(['FAILED']);
  });

  test('a connection that breaks leaves the approval UNKNOWN', async () => {
    const one = world('APPROVED', {
      upstream: (request) => (request.method === 'GET' ? scriptedAnswer({ body: pod }) : 'broken'),
    });
    const exchange = await one.call(remove);
    expect(exchange.answer.status).toBe(502);
    expect(deletes(one)).toHaveLength(1);
    expect(one.finished).toEqual(['UNKNOWN']);
  });

  test('an outcome that cannot be recorded is told as executed', async () => {
    const one = world(
      'APPROVED',
      {},
      {
        finish: () => Promise.reject(new DependencyError('HOLDGATE_RECORD_UNAVAILABLE', 'down')),
      },
    );
    const exchange = await one.call(remove);
    expect(exchange.answer.status).toBe(500);
    expect(exchange.text()).toContain('HOLDGATE_FORWARD_OUTCOME_UNKNOWN');
    expect(exchange.text()).toContain('was executed');
    expect(deletes(one)).toHaveLength(1);
  });

  test('a recorder that breaks after the claim ends it, unexecuted', async () => {
    const one = world(
      'APPROVED',
      { readsObject: true },
      {
        claim: () => {
          one.broken.recorder = true;
          return Promise.resolve(ok({ approval: approvalOf({ state: 'EXECUTING' }), fence: 1 }));
        },
      },
    );
    const patch = {
      method: 'PATCH',
      target: POD,
      body: '{"spec":{}}',
      headers: { 'content-type': 'application/merge-patch+json' },
    };
    const exchange = await one.call(patch);
    expect(exchange.answer.status).toBe(503);
    expect(one.finished).toEqual(['FAILED']);
    expect(
      one.sent.filter(
        (request) => request.method === 'PATCH' && !request.target.includes('dryRun'),
      ),
    ).toEqual([]);
  });

  test('a release that cannot be recorded sends nothing', async () => {
    const one = world(
      'APPROVED',
      {},
      {
        claim: () => {
          one.broken.recorder = true;
          return Promise.resolve(ok({ approval: approvalOf({ state: 'EXECUTING' }), fence: 1 }));
        },
      },
    );
    const exchange = await one.call(remove);
    expect(exchange.answer.status).toBe(503);
    expect(deletes(one)).toEqual([]);
  });
});

describe('what cannot wait is answered at once, and never passes', () => {
  test.each([
    { name: 'a watch', request: { target: '/api/v1/pods?watch=1' } },
    {
      name: 'a lease',
      request: {
        method: 'POST',
        target: '/apis/coordination.k8s.io/v1/namespaces/x/leases',
        body: '{"kind":"Lease","apiVersion":"coordination.k8s.io/v1","metadata":{"name":"l"}}',
        headers: { 'content-type': 'application/json' },
      },
    },
    {
      name: 'an access review',
      request: {
        method: 'POST',
        target: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
        body: '{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","spec":{}}',
        headers: { 'content-type': 'application/json' },
      },
    },
  ])('$name', async ({ request }) => {
    const one = world('PENDING', { decide: () => held });
    const exchange = await one.call(request);
    expect(exchange.text()).toContain('HOLDGATE_HOLD_CANNOT_WAIT');
    expect(one.sent).toEqual([]);
  });
});

describe("the client's own timeout is read from the query", () => {
  test.each([
    { timeout: undefined, ms: Number.POSITIVE_INFINITY },
    { timeout: '5s', ms: 5000 },
    { timeout: '1m30s', ms: 90_000 },
    { timeout: '1.5h', ms: 5_400_000 },
    { timeout: '250ms', ms: 250 },
    { timeout: '0s', ms: Number.POSITIVE_INFINITY },
    { timeout: 'soon', ms: Number.POSITIVE_INFINITY },
  ])('$timeout', ({ timeout, ms }) => {
    const options: Record<string, readonly string[]> =
      timeout === undefined ? {} : { timeout: [timeout] };
    const attributes = { options } as unknown as Parameters<typeof clientTimeoutMs>[0];
    expect(clientTimeoutMs(attributes)).toBe(ms);
  });
});
