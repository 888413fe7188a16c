import { describe, expect, test } from 'vitest';
import { createApprovals } from '../../src/hold/approvals.ts';
import { dueRules } from '../../src/hold/state-machine.ts';
import { silentLog } from '../../src/base/log.ts';
import { randomIds } from '../../src/base/ids.ts';
import type { RecordEntry } from '../../src/record/index.ts';
import { createApprovalStore, type Store } from '../../src/store/index.ts';
import { holdRequest, person } from './hold-fixtures.ts';

const limits = { decideWithinSeconds: 600, openMax: 3, due: dueRules };
const toApproved = () => ({
  kind: 'counted' as const,
  to: 'APPROVED' as const,
  outcome: 'approved',
});
const approve = (who: string) => ({ by: person(who), vote: 'approve' as const, reason: '' });

/** The guarantees of approvals on a real database: the same on the embedded one and on PostgreSQL. */
export function approvalStoreSuite(name: string, open: () => Store): void {
  const approvals = () => createApprovalStore(open());
  /** Moves a clock of a row into the past: the tests wait for nobody. */
  const over = (id: string, column: 'decide_by' | 'spend_by' | 'lease_until') =>
    open().general.raw(
      (sql) =>
        sql`update approvals set ${sql(column)} = now() - interval '1 second' where id = ${id}`,
    );
  let next = 0;
  const opened = async (subject = 'agent-1') => {
    next += 1;
    const made = await approvals().open(
      `${name}-${next}`,
      holdRequest(`sha256:${name}-${next}`, subject),
      { ...limits, openMax: 1000 },
    );
    if (made === null) throw new Error('not opened');
    return made.approval;
  };
  const approved = async () => {
    const { id } = await opened();
    await approvals().vote(id, approve('anna'), 900, toApproved);
    return id;
  };

  describe(`approvals on ${name}`, () => {
    test('an identical request joins the open approval, another one does not', async () => {
      const one = await approvals().open('join-1', holdRequest('sha256:join'), {
        ...limits,
        openMax: 1000,
      });
      const again = await approvals().open('join-2', holdRequest('sha256:join'), {
        ...limits,
        openMax: 1000,
      });
      const other = await approvals().open('join-3', holdRequest('sha256:join', 'agent-2'), {
        ...limits,
        openMax: 1000,
      });
      expect([one, again, other].map((made) => [made?.approval.id, made?.joined])).toEqual([
        ['join-1', false],
        ['join-1', true],
        ['join-3', false],
      ]);
    });

    test('identical requests at the same moment open one approval', async () => {
      const all = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          approvals().open(`race-${index}`, holdRequest('sha256:race'), {
            ...limits,
            openMax: 1000,
          }),
        ),
      );
      expect(new Set(all.map((made) => made?.approval.id)).size).toBe(1);
      expect(all.filter((made) => made?.joined === false)).toHaveLength(1);
    });

    test('a requester with too many open approvals opens no more', async () => {
      for (let index = 0; index < limits.openMax; index += 1) {
        await approvals().open(
          `flood-${index}`,
          holdRequest(`sha256:flood-${index}`, 'flooder'),
          limits,
        );
      }
      expect(
        await approvals().open('flood-x', holdRequest('sha256:flood-x', 'flooder'), limits),
      ).toBeNull();
    });

    test('of a hundred votes at once by one person exactly one counts', async () => {
      const { id } = await opened();
      const judge = (row: { readonly votes: readonly unknown[]; readonly state: string }) =>
        row.votes.length > 0 || row.state !== 'PENDING'
          ? { kind: 'refused' as const, refusal: 'late' }
          : toApproved();
      const all = await Promise.all(
        Array.from({ length: 100 }, () => approvals().vote(id, approve('anna'), 900, judge)),
      );
      expect(all.filter((one) => one?.kind === 'counted')).toHaveLength(1);
      expect((await approvals().read(id))?.votes).toHaveLength(1);
    });

    test('of twenty claims at once exactly one succeeds, and no later one does', async () => {
      const id = await approved();
      const all = await Promise.all(
        Array.from({ length: 20 }, (_, index) => approvals().claim(id, `request-${index}`, 60)),
      );
      expect(all.filter((claim) => claim !== null)).toHaveLength(1);
      expect(await approvals().claim(id, 'late', 60)).toBeNull();
      expect((await approvals().read(id))?.state).toBe('EXECUTING');
    });

    test('an approval that nobody used in time cannot be claimed, and lapses', async () => {
      const id = await approved();
      await over(id, 'spend_by');
      expect(await approvals().claim(id, 'late', 60)).toBeNull();
      await approvals().sweep(dueRules);
      expect((await approvals().read(id))?.state).toBe('LAPSED');
    });

    test('what nobody decided in time expires, and a vote that comes then finds it due', async () => {
      const { id } = await opened();
      await over(id, 'decide_by');
      let sawDue = false;
      await approvals().vote(id, approve('anna'), 900, (_row, due) => {
        sawDue = due;
        return { kind: 'refused', refusal: 'due' };
      });
      expect(sawDue).toBe(true);
      const swept = await approvals().sweep(dueRules);
      expect(swept.find((one) => one.approval.id === id)).toMatchObject({
        from: 'PENDING',
        approval: { state: 'EXPIRED' },
      });
    });

    test('an execution whose holder went away is UNKNOWN, and its late holder ends nothing', async () => {
      const id = await approved();
      const claim = await approvals().claim(id, 'request', 60);
      await over(id, 'lease_until');
      await approvals().sweep(dueRules);
      expect((await approvals().read(id))?.state).toBe('UNKNOWN');
      expect(await approvals().renew(id, claim?.fence ?? 0, 60)).toBe(false);
      expect(await approvals().finish(id, claim?.fence ?? 0, 'EXECUTED', 'late')).toBeNull();
    });

    test('only the holder of the fence renews and ends an execution', async () => {
      const id = await approved();
      const claim = await approvals().claim(id, 'request', 60);
      const fence = claim?.fence ?? 0;
      expect(await approvals().renew(id, fence + 1, 60)).toBe(false);
      expect(await approvals().renew(id, fence, 60)).toBe(true);
      expect(await approvals().finish(id, fence, 'EXECUTED', 'done')).toMatchObject({
        state: 'EXECUTED',
        outcome: 'done',
        executedBy: 'request',
      });
    });

    test('transactions and queries that crowd the connections all end, each with its own answer', async () => {
      const { general } = open();
      const all = await Promise.all(
        Array.from({ length: 200 }, (_, index) =>
          general.raw<readonly { readonly n: number }[]>((sql) =>
            index % 2 === 0
              ? sql<{ n: number }[]>`select 0 as n`
              : sql.begin((tx) => tx<{ n: number }[]>`select ${index}::int as n`),
          ),
        ),
      );
      expect(all.map(([row]) => row?.n)).toEqual(all.map((_, index) => (index % 2) * index));
    });

    test('the list is newest first, by state and by page', async () => {
      const ids = [(await opened()).id, (await opened()).id];
      const page = await approvals().list({ states: ['PENDING'], limit: 1 });
      expect(page.map((one) => one.id)).toEqual([ids[1]]);
      const after = await approvals().list({ states: ['PENDING'], limit: 1, before: ids[1] ?? '' });
      expect(after.map((one) => one.id)).toEqual([ids[0]]);
    });
  });

  doorSuite(name, open);
}

/** The door on a real store: waiting, recording, and what happens where recording fails. */
function doorSuite(name: string, open: () => Store): void {
  const world = () => {
    const records: RecordEntry[] = [];
    const broken = { recorder: false };
    const door = createApprovals({
      store: createApprovalStore(open()),
      groups: new Map([['oncall', [person('anna')]]]),
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
      pollMs: 50,
    });
    return { records, broken, door };
  };
  const waiting = (
    gone = new AbortController().signal,
    draining = new AbortController().signal,
  ) => ({ waitMs: 10_000, gone, draining });
  const ballot = {
    by: { ...person('anna'), actor: [] },
    vote: 'approve' as const,
    reason: 'fine',
    version: null,
  };
  let next = 0;
  const openOne = async (door: ReturnType<typeof createApprovals>) => {
    next += 1;
    const made = await door.open(holdRequest(`sha256:door-${name}-${next}`));
    if (!made.ok) throw new Error(made.error.message);
    return made.value.id;
  };

  describe(`held calls on ${name}`, () => {
    test('a waiting call learns of the vote, claims once, and every change is on record', async () => {
      const { door, records } = world();
      const id = await openOne(door);
      const end = door.wait(id, waiting());
      await door.vote(id, ballot);
      expect(await end).toMatchObject({ kind: 'decided', approval: { state: 'APPROVED' } });
      const claim = await door.claim(id, 'request-1');
      const second = await door.claim(id, 'request-2');
      expect([claim.ok, second.ok ? '' : second.error.code]).toEqual([true, 'HOLDGATE_HOLD_SPENT']);
      if (claim.ok) await door.finish(claim.value, 'EXECUTED', 'the cluster answered 200');
      expect(
        records.map((entry) => (entry.kind === 'hold' ? `${entry.from}>${entry.to}` : '')),
      ).toEqual(['>PENDING', 'PENDING>APPROVED', 'APPROVED>EXECUTING', 'EXECUTING>EXECUTED']);
      await door.close();
    });

    test('a claim that cannot be recorded is not a right to execute', async () => {
      const { door, broken } = world();
      const id = await openOne(door);
      await door.vote(id, ballot);
      broken.recorder = true;
      await expect(door.claim(id, 'request-1')).rejects.toThrow('down');
      expect((await door.show(id))?.state).toBe('FAILED');
      await door.close();
    });

    test.each(['gone', 'draining'] as const)(
      'a call whose connection is %s stops waiting, and the approval stays pending',
      async (which) => {
        const { door } = world();
        const id = await openOne(door);
        const abort = new AbortController();
        const end =
          which === 'gone'
            ? door.wait(id, waiting(abort.signal))
            : door.wait(id, waiting(undefined, abort.signal));
        abort.abort();
        expect(await end).toMatchObject({
          kind: which === 'gone' ? 'client-gone' : 'draining',
          approval: { state: 'PENDING' },
        });
        await door.close();
      },
    );

    test('the window closes on a call, not on its approval', async () => {
      const { door } = world();
      const id = await openOne(door);
      expect(await door.wait(id, { ...waiting(), waitMs: 0 })).toMatchObject({
        kind: 'window-over',
        approval: { state: 'PENDING' },
      });
      await door.close();
    });
  });
}
