import { describe, expect, test } from 'vitest';
import { randomIds } from '../../src/base/ids.ts';
import { silentLog } from '../../src/base/log.ts';
import { createApprovals } from '../../src/hold/approvals.ts';
import type { Approvals } from '../../src/hold/index.ts';
import type { RecordEntry } from '../../src/record/index.ts';
import { createApprovalStore, type Store } from '../../src/store/index.ts';
import { holdRequest, person } from './hold-fixtures.ts';

const crowd = Array.from({ length: 100 }, (_, index) => `person-${index}`);

/** A gateway's door on a store, with what it recorded and what can be broken of it. */
function openDoor(store: Store, hints = true) {
  const records: RecordEntry[] = [];
  const broken = { recorder: false };
  const members = ['anna', 'agent-1', 'robot', ...crowd].map(person);
  const groups = new Map([['oncall', members]]);
  const approvals = createApprovalStore(store);
  const door = createApprovals({
    store: hints ? approvals : { ...approvals, onNotify: () => () => {} },
    groups,
    clocks: { decideWithinSeconds: 600, spendWithinSeconds: 600, leaseSeconds: 60 },
    recorder: {
      append: (entry) => {
        if (broken.recorder) return Promise.reject(new Error('down'));
        records.push(entry);
        return Promise.resolve();
      },
    },
    ids: randomIds,
    log: silentLog,
    pollMs: hints ? 60_000 : 20,
  });
  const changes = (id: string): readonly string[] =>
    records.flatMap((entry) =>
      entry.kind === 'hold' && entry.approvalId === id ? [`${entry.from}>${entry.to}`] : [],
    );
  return { door, records, broken, groups, changes };
}

const never = new AbortController().signal;
const waiting = { waitMs: 10_000, gone: never, draining: never };

const ballot = (who = 'anna', vote: 'approve' | 'deny' = 'approve') => ({
  by: { ...person(who), actor: [] },
  vote,
  reason: 'fine',
  version: null,
});

/** The door on a real store: waiting, recording, claiming, and what happens where recording fails. */
export function approvalDoorSuite(name: string, store: () => Store): void {
  let next = 0;
  const requestOf = () => {
    next += 1;
    return holdRequest(`sha256:door-${name}-${next}`);
  };
  const openOne = async (door: Approvals, request = requestOf()) => {
    const made = await door.open(request);
    if (!made.ok) throw new Error(made.error.message);
    return made.value.id;
  };
  /** Runs a test with a door, and closes it. */
  const withDoor =
    (work: (world: ReturnType<typeof openDoor>) => Promise<void>): (() => Promise<void>) =>
    async () => {
      const world = openDoor(store());
      await work(world);
      await world.door.close();
    };

  describe(`held calls on ${name}`, () => {
    test(
      'a waiting call learns of the vote, claims once, and every change is on record',
      withDoor(async ({ door, changes }) => {
        const id = await openOne(door);
        const end = door.wait(id, waiting);
        // The hint may come before the call sleeps; a second one wakes it.
        await door.vote(id, ballot());
        await createApprovalStore(store()).notify(id);
        expect(await end).toMatchObject({ kind: 'decided', approval: { state: 'APPROVED' } });
        const claim = await door.claim(id, 'request-1');
        const second = await door.claim(id, 'request-2');
        expect([claim.ok, second.ok ? '' : second.error.code]).toEqual([
          true,
          'HOLDGATE_HOLD_SPENT',
        ]);
        if (claim.ok) await door.finish(claim.value, 'EXECUTED', 'the cluster answered 200');
        expect(changes(id)).toEqual([
          '>PENDING',
          'PENDING>APPROVED',
          'APPROVED>EXECUTING',
          'EXECUTING>EXECUTED',
        ]);
      }),
    );

    test('a vote at one replica releases the call that waits at another, hints or not', async () => {
      const [waits, votes] = [openDoor(store(), false), openDoor(store())];
      const id = await openOne(waits.door);
      const end = waits.door.wait(id, waiting);
      await votes.door.vote(id, ballot());
      expect(await end).toMatchObject({ kind: 'decided', approval: { state: 'APPROVED' } });
      await Promise.all([waits.door.close(), votes.door.close()]);
    });

    test(
      'of a hundred approvers at once exactly one approves, and a hundred claims execute once',
      withDoor(async ({ door, changes }) => {
        const id = await openOne(door);
        const votes = await Promise.all(crowd.map((who) => door.vote(id, ballot(who))));
        expect(votes.filter((one) => one.ok)).toHaveLength(1);
        const claims = await Promise.all(crowd.map((who) => door.claim(id, who)));
        expect(claims.filter((one) => one.ok)).toHaveLength(1);
        expect(changes(id)).toEqual(['>PENDING', 'PENDING>APPROVED', 'APPROVED>EXECUTING']);
      }),
    );

    test(
      'who asked, or acted in the asking, approves nothing',
      withDoor(async ({ door }) => {
        const request = requestOf();
        const requester = { ...person('agent-1'), actor: [person('robot')] };
        const id = await openOne(door, { ...request, requester });
        for (const who of ['agent-1', 'robot']) {
          expect(await door.vote(id, ballot(who))).toMatchObject({
            error: { code: 'HOLDGATE_HOLD_VOTE_REFUSED' },
          });
        }
        expect((await door.show(id))?.state).toBe('PENDING');
      }),
    );

    test(
      'an approval is not spent once somebody who gave it has left the group',
      withDoor(async ({ door, groups, changes }) => {
        const id = await openOne(door);
        await door.vote(id, ballot());
        groups.set('oncall', crowd.map(person));
        expect(await door.claim(id, 'request-1')).toMatchObject({
          error: { code: 'HOLDGATE_HOLD_STALE' },
        });
        expect(changes(id).slice(-2)).toEqual(['APPROVED>EXECUTING', 'EXECUTING>STALE']);
      }),
    );

    test(
      'the identical command whose outcome is another now asks anew',
      withDoor(async ({ door, changes }) => {
        const request = requestOf();
        const image = (afterImage: string) => ({
          ...request,
          guard: { kind: 'after-image' as const, uid: 'u-1', afterImage },
        });
        const first = await openOne(door, image('sha256:a'));
        expect(await openOne(door, image('sha256:a'))).toBe(first);
        const second = await openOne(door, image('sha256:b'));
        expect(second).not.toBe(first);
        expect(changes(first)).toEqual(['>PENDING', 'PENDING>STALE']);
      }),
    );
  });

  describe(`where recording fails on ${name}`, () => {
    test(
      'a claim that cannot be recorded is not a right to execute',
      withDoor(async ({ door, broken, changes }) => {
        const id = await openOne(door);
        await door.vote(id, ballot());
        broken.recorder = true;
        await expect(door.claim(id, 'request-1')).rejects.toThrow('down');
        expect((await door.show(id))?.state).toBe('FAILED');
        broken.recorder = false;
        await door.sweep();
        expect(changes(id).slice(-2)).toEqual(['APPROVED>EXECUTING', 'EXECUTING>FAILED']);
      }),
    );

    test(
      'an approval whose vote is not on record is neither claimed nor lost',
      withDoor(async ({ door, broken, changes }) => {
        const id = await openOne(door);
        broken.recorder = true;
        await expect(door.vote(id, ballot())).rejects.toThrow('down');
        await expect(door.claim(id, 'request-1')).rejects.toThrow('not on record');
        expect((await door.show(id))?.state).toBe('APPROVED');
        broken.recorder = false;
        expect((await door.claim(id, 'request-1')).ok).toBe(true);
        expect(changes(id)).toEqual(['>PENDING', 'PENDING>APPROVED', 'APPROVED>EXECUTING']);
      }),
    );
  });

  describe(`what ends a wait or an approval on ${name}`, () => {
    test.each(['gone', 'draining'] as const)(
      'a call whose connection is %s stops waiting, and the approval stays pending',
      async (which) => {
        const { door } = openDoor(store());
        const id = await openOne(door);
        const abort = new AbortController();
        const end = door.wait(id, { ...waiting, [which]: abort.signal });
        abort.abort();
        expect(await end).toMatchObject({
          kind: which === 'gone' ? 'client-gone' : 'draining',
          approval: { state: 'PENDING' },
        });
        await door.close();
      },
    );

    test('a door that closes ends its waits as a drain does', async () => {
      const { door } = openDoor(store());
      const id = await openOne(door);
      const end = door.wait(id, waiting);
      await door.close();
      expect(await end).toMatchObject({ kind: 'draining' });
    });

    test(
      'the window closes on a call, not on its approval',
      withDoor(async ({ door }) => {
        const id = await openOne(door);
        expect(await door.wait(id, { ...waiting, waitMs: 0 })).toMatchObject({
          kind: 'window-over',
          approval: { state: 'PENDING' },
        });
      }),
    );

    test(
      'a pending approval is cancelled, an approved one revoked, and neither is claimed after',
      withDoor(async ({ door, changes }) => {
        const [pending, approved] = [await openOne(door), await openOne(door)];
        await door.vote(approved, ballot());
        const act = { by: ballot('boss').by, isAdmin: true, reason: 'not today' };
        expect(await door.withdraw(pending, act)).toMatchObject({ value: { state: 'CANCELLED' } });
        expect(await door.withdraw(approved, act)).toMatchObject({ value: { state: 'REVOKED' } });
        expect((await door.show(approved))?.endedAt).not.toBeNull();
        expect(await door.claim(approved, 'request-1')).toMatchObject({
          error: { code: 'HOLDGATE_HOLD_SPENT' },
        });
        expect(changes(approved).at(-1)).toBe('APPROVED>REVOKED');
        expect(await door.withdraw(approved, act)).toMatchObject({
          error: { code: 'HOLDGATE_HOLD_NOT_OPEN' },
        });
      }),
    );

    test(
      'what is not there cannot be voted on, claimed or withdrawn',
      withDoor(async ({ door }) => {
        const act = { by: ballot().by, isAdmin: true, reason: '' };
        for (const end of [
          await door.vote('nobody', ballot()),
          await door.claim('nobody', 'request-1'),
          await door.withdraw('nobody', act),
        ])
          expect(end).toMatchObject({ error: { code: 'HOLDGATE_HOLD_UNKNOWN' } });
      }),
    );
  });
}
