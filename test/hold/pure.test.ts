import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { afterImageDigest } from '../../src/hold/after-image.ts';
import { approvalStates, type Approval } from '../../src/hold/approval.ts';
import { judgeVote } from '../../src/hold/judge.ts';
import { requestDigest, type DigestParts } from '../../src/hold/digest.ts';
import { heldRefusal } from '../../src/hold/messages.ts';
import { approvalEvents, nextState, type ApprovalEvent } from '../../src/hold/state-machine.ts';
import { parseTarget } from '../../src/kube/target.ts';
import { approvalOf, person, requirement } from '../support/hold-fixtures.ts';

describe('the state machine', () => {
  test('executes at most once, only after an approval, and never leaves an end', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...approvalEvents), { maxLength: 40 }), (events) => {
        let state: Approval['state'] = 'PENDING';
        const before: string[] = [];
        for (const event of events) {
          const next = nextState(state, event);
          if (next === null) continue;
          if (next === 'EXECUTING') before.push(state);
          state = next;
        }
        expect([[], ['APPROVED']]).toContainEqual(before);
      }),
    );
  });

  test.each(
    approvalStates.filter((state) => !['PENDING', 'APPROVED', 'EXECUTING'].includes(state)),
  )('%s is an end', (state) => {
    for (const event of approvalEvents) expect(nextState(state, event)).toBeNull();
  });

  test.each<{ state: Approval['state']; event: ApprovalEvent; next: Approval['state'] | null }>([
    { state: 'PENDING', event: 'claim', next: null },
    { state: 'APPROVED', event: 'claim', next: 'EXECUTING' },
    { state: 'EXECUTING', event: 'lost', next: 'UNKNOWN' },
    { state: 'EXECUTING', event: 'expire', next: null },
    { state: 'APPROVED', event: 'deny', next: null },
  ])('$state on $event is $next', ({ state, event, next }) => {
    expect(nextState(state, event)).toBe(next);
  });
});

describe('who may vote, and what it makes of the approval', () => {
  const groups = new Map([
    ['oncall', ['anna', 'ben', 'agent-1', 'robot'].map(person)],
    ['security', ['anna', 'carl'].map(person)],
  ]);
  const two = [requirement('delete', ['oncall'], 2), requirement('prod', ['security'])];
  const voted = (subject: string) => ({
    by: person(subject),
    vote: 'approve' as const,
    reason: '',
    at: '',
  });
  const own = {
    issuer: 'https://people.test',
    subject: 'agent-1',
    username: 'agent-1',
    actor: [{ issuer: 'https://people.test', subject: 'robot' }],
  };

  test.each<{
    name: string;
    approval?: Partial<Approval>;
    voter: string;
    actor?: string;
    version?: number;
    due?: boolean;
    vote?: 'deny';
    result: string;
  }>([
    { name: 'a member of the group', voter: 'anna', result: 'APPROVED' },
    { name: 'somebody else', voter: 'dora', result: 'HOLDGATE_HOLD_VOTE_REFUSED' },
    {
      name: 'who asked',
      approval: { requester: own },
      voter: 'agent-1',
      result: 'HOLDGATE_HOLD_VOTE_REFUSED',
    },
    {
      name: 'who acted in the asking',
      approval: { requester: own },
      voter: 'robot',
      result: 'HOLDGATE_HOLD_VOTE_REFUSED',
    },
    {
      name: 'somebody for whom the requester acts',
      approval: { requester: own },
      voter: 'anna',
      actor: 'agent-1',
      result: 'HOLDGATE_HOLD_VOTE_REFUSED',
    },
    {
      name: 'the same person again',
      approval: { requirements: two, votes: [voted('anna')] },
      voter: 'anna',
      result: 'HOLDGATE_HOLD_VOTE_REFUSED',
    },
    {
      name: 'the first of several',
      approval: { requirements: two },
      voter: 'anna',
      result: 'PENDING',
    },
    {
      name: 'the last, of a person who counts in two',
      approval: { requirements: two, votes: [voted('anna')] },
      voter: 'ben',
      result: 'APPROVED',
    },
    {
      name: 'one that leaves the other group open',
      approval: { requirements: two, votes: [voted('ben')] },
      voter: 'carl',
      result: 'PENDING',
    },
    { name: 'a denial', voter: 'anna', vote: 'deny', result: 'DENIED' },
    {
      name: 'a vote on an older version',
      voter: 'anna',
      version: 7,
      result: 'HOLDGATE_HOLD_NOT_OPEN',
    },
    { name: 'a vote after the time', voter: 'anna', due: true, result: 'HOLDGATE_HOLD_NOT_OPEN' },
    {
      name: 'a vote on what is decided',
      approval: { state: 'DENIED' },
      voter: 'anna',
      result: 'HOLDGATE_HOLD_NOT_OPEN',
    },
  ])('$name: $result', ({ approval, voter, actor, version, due, vote, result }) => {
    const by = { ...person(voter), actor: actor === undefined ? [] : [person(actor)] };
    const ballot = { by, vote: vote ?? ('approve' as const), reason: '', version: version ?? null };
    const effect = judgeVote(approvalOf(approval), due ?? false, ballot, groups);
    expect(effect.kind === 'refused' ? effect.refusal.code : effect.to).toBe(result);
  });

  test('a group that nobody is in approves nothing', () => {
    const ballot = {
      by: { ...person('anna'), actor: [] },
      vote: 'approve' as const,
      reason: '',
      version: null,
    };
    expect(judgeVote(approvalOf(), false, ballot, new Map()).kind).toBe('refused');
  });
});

describe('the digest binds the exact request', () => {
  const targetOf = (raw: string) => {
    const target = parseTarget(raw);
    if (!target.ok) throw new Error(raw);
    return target.value;
  };
  const base: DigestParts = {
    cluster: 'a',
    server: 'https://a.test',
    identity: { issuer: 'i', subject: 's', actor: [] },
    method: 'POST',
    target: targetOf('/api/v1/namespaces/x/pods/y/exec?command=a&command=b&stdin=1'),
    contentType: 'application/json',
    body: Buffer.from('{}'),
    uids: ['u'],
  };

  test.each<{ name: string; change: Partial<DigestParts>; same: boolean }>([
    { name: 'nothing', change: {}, same: true },
    {
      name: 'the order of other parameters',
      change: { target: targetOf('/api/v1/namespaces/x/pods/y/exec?stdin=1&command=a&command=b') },
      same: true,
    },
    {
      name: 'how long the client waits',
      change: {
        target: targetOf('/api/v1/namespaces/x/pods/y/exec?command=a&command=b&stdin=1&timeout=5s'),
      },
      same: true,
    },
    {
      name: 'the order of an argv',
      change: { target: targetOf('/api/v1/namespaces/x/pods/y/exec?command=b&command=a&stdin=1') },
      same: false,
    },
    { name: 'the cluster', change: { cluster: 'b' }, same: false },
    {
      name: 'the subject',
      change: { identity: { issuer: 'i', subject: 't', actor: [] } },
      same: false,
    },
    {
      name: 'who acts for it',
      change: { identity: { issuer: 'i', subject: 's', actor: [{ issuer: 'i', subject: 'r' }] } },
      same: false,
    },
    {
      name: 'a field border',
      change: { identity: { issuer: 'is', subject: '', actor: [] } },
      same: false,
    },
    { name: 'the method', change: { method: 'PUT' }, same: false },
    { name: 'the content type', change: { contentType: 'application/yaml' }, same: false },
    { name: 'a byte of the body', change: { body: Buffer.from('{ }') }, same: false },
    { name: 'the object', change: { uids: ['v'] }, same: false },
  ])('$name', ({ change, same }) => {
    expect(requestDigest({ ...base, ...change }) === requestDigest(base)).toBe(same);
  });
});

describe('the after-image tells a change from a tick', () => {
  const base = {
    kind: 'Deployment',
    metadata: {
      name: 'a',
      uid: 'u',
      resourceVersion: '1',
      generation: 1,
      managedFields: [],
      annotations: { 'deployment.kubernetes.io/revision': '1' },
    },
    spec: { replicas: 2, template: { a: 1, b: 2 } },
    status: { ready: 1 },
  };
  test.each([
    { name: 'status', object: { ...base, status: { ready: 2 } }, same: true },
    {
      name: 'resourceVersion, generation and managedFields',
      object: {
        ...base,
        metadata: { ...base.metadata, resourceVersion: '9', generation: 3, managedFields: [{}] },
      },
      same: true,
    },
    {
      name: 'the rollout counter',
      object: {
        ...base,
        metadata: { ...base.metadata, annotations: { 'deployment.kubernetes.io/revision': '2' } },
      },
      same: true,
    },
    {
      name: 'the order of keys',
      object: { ...base, spec: { template: { b: 2, a: 1 }, replicas: 2 } },
      same: true,
    },
    { name: 'the spec', object: { ...base, spec: { ...base.spec, replicas: 3 } }, same: false },
    {
      name: 'a label',
      object: { ...base, metadata: { ...base.metadata, labels: { a: 'b' } } },
      same: false,
    },
  ])('$name: same is $same', ({ object, same }) => {
    expect(afterImageDigest(object, false) === afterImageDigest(base, false)).toBe(same);
  });

  test('of a status write, the status counts', () => {
    expect(afterImageDigest({ ...base, status: { ready: 2 } }, true)).not.toBe(
      afterImageDigest(base, true),
    );
  });
});

describe('a held call is told the approval, who decides, and what to do', () => {
  test.each<{ state: Approval['state']; code: string; says: string }>([
    { state: 'PENDING', code: 'HOLDGATE_HOLD_PENDING', says: 'run the same command again' },
    { state: 'DENIED', code: 'HOLDGATE_HOLD_DENIED', says: 'ben denied it: not today' },
    { state: 'EXPIRED', code: 'HOLDGATE_HOLD_EXPIRED', says: 'run the same command again' },
    { state: 'STALE', code: 'HOLDGATE_HOLD_STALE', says: 'run the same command again' },
    { state: 'UNKNOWN', code: 'HOLDGATE_HOLD_SPENT', says: 'read the object before you run' },
    { state: 'EXECUTED', code: 'HOLDGATE_HOLD_SPENT', says: 'run the same command again' },
    { state: 'FAILED', code: 'HOLDGATE_HOLD_SPENT', says: 'run the same command again' },
    {
      state: 'APPROVED',
      code: 'HOLDGATE_HOLD_SPENT',
      says: 'not used by 2026-11-20T12:45:00.000Z',
    },
    { state: 'LAPSED', code: 'HOLDGATE_HOLD_SPENT', says: 'not used by 2026-11-20T12:45:00.000Z' },
    { state: 'EXECUTING', code: 'HOLDGATE_HOLD_SPENT', says: 'wait for the end' },
    { state: 'CANCELLED', code: 'HOLDGATE_HOLD_SPENT', says: 'by anna' },
    { state: 'REVOKED', code: 'HOLDGATE_HOLD_SPENT', says: 'by anna' },
  ])('$state', ({ state, code, says }) => {
    const votes = [{ by: person('ben'), vote: 'deny' as const, reason: 'not today', at: '' }];
    const spendBy = '2026-11-20T12:45:00.000Z';
    const outcome = state === 'FAILED' || state === 'UNKNOWN' ? 'dial tcp 10.0.0.1' : 'by anna';
    const refused = heldRefusal(approvalOf({ state, votes, spendBy, outcome }), 'ended');
    expect(refused.message).not.toContain('10.0.0.1');
    expect(refused).toMatchObject({ code, approvalId: 'approval-1' });
    expect(refused.message).toContain('approval-1');
    expect(refused.message).toContain(says);
  });

  test('who may still decide, and until when, is named', () => {
    const { message } = heldRefusal(approvalOf(), 'ended');
    expect(message).toContain('1 of oncall (protected/delete: because)');
    expect(message).toContain('until 2026-11-20T12:30:00.000Z');
    expect(heldRefusal(approvalOf({ state: 'EXPIRED' }), 'ended').message).toContain('oncall');
  });

  test('what cannot wait is told so at once', () => {
    expect(heldRefusal(approvalOf(), 'cannot-wait').code).toBe('HOLDGATE_HOLD_CANNOT_WAIT');
  });
});
