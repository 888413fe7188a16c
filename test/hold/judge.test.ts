import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Approval, DriftGuard } from '../../src/hold/approval.ts';
import { judgeVote, judgeWithdrawal, misfit, stillApproved } from '../../src/hold/judge.ts';
import { approvalOf, person, requirement } from '../support/hold-fixtures.ts';

const names = ['anna', 'ben', 'carl', 'dora', 'eve'];
const groupNames = ['oncall', 'security', 'owners'];

const anyGroups = fc
  .tuple(...groupNames.map(() => fc.subarray(names)))
  .map((members) => new Map(groupNames.map((name, at) => [name, (members[at] ?? []).map(person)])));

const anyRequirements = fc.array(
  fc
    .record({
      groups: fc.subarray(groupNames, { minLength: 1 }),
      quorum: fc.integer({ min: 1, max: 3 }),
    })
    .map(({ groups, quorum }) => requirement('need', groups, quorum)),
  { minLength: 1, maxLength: 3 },
);

const anyBallots = fc.array(
  fc.record({
    who: fc.constantFrom(...names, 'agent-1'),
    vote: fc.constantFrom('approve' as const, 'approve' as const, 'deny' as const),
  }),
  { maxLength: 12 },
);

const requester = { ...person('agent-1'), actor: [person('eve')] };

/** Casts votes one after the other, as the locked transactions do. */
function cast(
  approval: Approval,
  groups: ReadonlyMap<string, readonly ReturnType<typeof person>[]>,
  ballots: readonly { who: string; vote: 'approve' | 'deny' }[],
): Approval {
  let now = approval;
  for (const { who, vote } of ballots) {
    const by = { ...person(who), actor: [] };
    const effect = judgeVote(now, false, { by, vote, reason: '', version: null }, groups);
    if (effect.kind === 'refused') continue;
    const votes = [...now.votes, { by: person(who), vote, reason: '', at: '' }];
    now = { ...now, votes, state: effect.to, version: now.version + 1 };
  }
  return now;
}

describe('whatever the votes', () => {
  test('APPROVED means that each requirement has its quorum of different members, none of whom asked', () => {
    fc.assert(
      fc.property(anyGroups, anyRequirements, anyBallots, (groups, requirements, ballots) => {
        const end = cast(approvalOf({ requirements, requester }), groups, ballots);
        const approvers = end.votes.filter((one) => one.vote === 'approve').map((one) => one.by);
        const met = requirements.every(({ groups: wanted, quorum }) => {
          const members = new Set(
            wanted.flatMap((name) => (groups.get(name) ?? []).map((one) => one.subject)),
          );
          const voters = new Set(
            approvers.map((one) => one.subject).filter((who) => members.has(who)),
          );
          return voters.size >= quorum;
        });
        expect(met || end.state !== 'APPROVED').toBe(true);
        expect(met && end.state === 'PENDING').toBe(false);
        expect(approvers.map((one) => one.subject)).not.toContain('agent-1');
        expect(approvers.map((one) => one.subject)).not.toContain('eve');
      }),
    );
  });

  test('one denial of somebody who may decide ends it, and nothing that follows counts', () => {
    fc.assert(
      fc.property(anyGroups, anyRequirements, anyBallots, (groups, requirements, ballots) => {
        const end = cast(approvalOf({ requirements, requester }), groups, ballots);
        const denials = end.votes.filter((one) => one.vote === 'deny');
        expect(denials).toEqual(end.state === 'DENIED' ? end.votes.slice(-1) : []);
      }),
    );
  });

  test('what is approved stays approved only while those who approved may approve', () => {
    const requirements = [requirement('one', ['oncall'], 2)];
    const votes = ['anna', 'ben'].map((who) => ({
      by: person(who),
      vote: 'approve' as const,
      reason: '',
      at: '',
    }));
    const approved = approvalOf({ state: 'APPROVED', requirements, votes });
    expect(stillApproved(approved, new Map([['oncall', names.map(person)]]))).toBe(true);
    expect(stillApproved(approved, new Map([['oncall', [person('anna')]]]))).toBe(false);
    expect(stillApproved(approved, new Map())).toBe(false);
  });
});

describe('who may take an approval back', () => {
  const groups = new Map([['oncall', [person('anna')]]]);
  test.each<{
    name: string;
    who: string;
    isAdmin?: true;
    state?: Approval['state'];
    due?: true;
    result: string;
  }>([
    { name: 'who asked for it', who: 'agent-1', result: 'CANCELLED' },
    { name: 'who acted in the asking', who: 'eve', result: 'CANCELLED' },
    { name: 'an administrator', who: 'boss', isAdmin: true, result: 'CANCELLED' },
    {
      name: 'an approver, who denies what is pending',
      who: 'anna',
      result: 'HOLDGATE_HOLD_WITHDRAW_REFUSED',
    },
    { name: 'an approver of what is approved', who: 'anna', state: 'APPROVED', result: 'REVOKED' },
    { name: 'who asked, once approved', who: 'agent-1', state: 'APPROVED', result: 'REVOKED' },
    {
      name: 'somebody else',
      who: 'dora',
      state: 'APPROVED',
      result: 'HOLDGATE_HOLD_WITHDRAW_REFUSED',
    },
    {
      name: 'an administrator, while it is executed',
      who: 'boss',
      isAdmin: true,
      state: 'EXECUTING',
      result: 'HOLDGATE_HOLD_NOT_OPEN',
    },
    {
      name: 'an administrator, after its time',
      who: 'boss',
      isAdmin: true,
      due: true,
      result: 'HOLDGATE_HOLD_NOT_OPEN',
    },
  ])('$name: $result', ({ who, isAdmin = false, state = 'PENDING', due = false, result }) => {
    const act = { by: { ...person(who), actor: [] }, isAdmin, reason: '' };
    const effect = judgeWithdrawal(approvalOf({ state, requester }), due, act, groups);
    expect(effect.kind === 'refused' ? effect.refusal.code : effect.to).toBe(result);
  });
});

describe('an open approval fits a request', () => {
  const image = (uid: string, afterImage: string): DriftGuard => ({
    kind: 'after-image',
    uid,
    afterImage,
  });
  const open = {
    guard: image('u-1', 'sha256:a'),
    requirements: [requirement('one', ['oncall', 'owners']), requirement('two', ['security'], 2)],
  };
  test.each<{ name: string; now: Partial<typeof open>; fit: boolean }>([
    { name: 'that is the same', now: {}, fit: true },
    {
      name: 'whose requirements stand in another order',
      now: {
        requirements: [
          requirement('two', ['security'], 2),
          requirement('one', ['owners', 'oncall']),
        ],
      },
      fit: true,
    },
    {
      name: 'whose reason has other words',
      now: {
        requirements: open.requirements.map((one) => ({ ...one, reason: 'in other words' })),
      },
      fit: true,
    },
    { name: 'of another object', now: { guard: image('u-2', 'sha256:a') }, fit: false },
    { name: 'with another outcome', now: { guard: image('u-1', 'sha256:b') }, fit: false },
    {
      name: 'with another guard',
      now: { guard: { kind: 'delete', uid: 'u-1' } as never },
      fit: false,
    },
    {
      name: 'that needs more people',
      now: {
        requirements: [
          requirement('one', ['oncall', 'owners'], 2),
          requirement('two', ['security'], 2),
        ],
      },
      fit: false,
    },
    { name: 'that needs fewer', now: { requirements: open.requirements.slice(1) }, fit: false },
  ])('$name: $fit', ({ now, fit }) => {
    expect(misfit(open, { ...open, ...now }) === null).toBe(fit);
  });
});
