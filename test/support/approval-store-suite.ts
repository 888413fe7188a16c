import { describe, expect, test } from 'vitest';
import { dueRules } from '../../src/hold/state-machine.ts';
import { createApprovalStore, type Store } from '../../src/store/index.ts';
import { approvalDoorSuite } from './approval-door-suite.ts';
import { holdRequest, person } from './hold-fixtures.ts';

const limits = {
  decideWithinSeconds: 600,
  openMax: 1000,
  due: dueRules,
};
const few = { ...limits, openMax: 3 };
const toApproved = () => ({
  kind: 'counted' as const,
  to: 'APPROVED' as const,
  outcome: 'approved',
});
const approve = (who: string) => ({ by: person(who), vote: 'approve' as const, reason: '' });

/** The guarantees of approvals on a real database: the same on the embedded one and on PostgreSQL. */
export function approvalStoreSuite(name: string, store: () => Store): void {
  const approvals = () => createApprovalStore(store());
  /** Moves a clock of a row into the past: the tests wait for nobody. */
  const over = (id: string, column: 'decide_by' | 'spend_by' | 'lease_until') =>
    store().general.raw(
      (sql) =>
        sql`update approvals set ${sql(column)} = now() - interval '1 second' where id = ${id}`,
    );
  const open = async (id: string, request: ReturnType<typeof holdRequest>, more = limits) =>
    (await approvals().open(id, request, more)).opened;
  let next = 0;
  const opened = async () => {
    next += 1;
    const made = await open(`${name}-${next}`, holdRequest(`sha256:${name}-${next}`));
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
      const one = await open('join-1', holdRequest('sha256:join'));
      const again = await open('join-2', holdRequest('sha256:join'));
      const other = await open('join-3', holdRequest('sha256:join', 'agent-2'));
      expect([one, again, other].map((made) => [made?.approval.id, made?.joined])).toEqual([
        ['join-1', false],
        ['join-1', true],
        ['join-3', false],
      ]);
    });

    test('identical requests at the same moment open one approval', async () => {
      const all = await Promise.all(
        Array.from({ length: 10 }, (_, index) => open(`race-${index}`, holdRequest('sha256:race'))),
      );
      expect(new Set(all.map((made) => made?.approval.id)).size).toBe(1);
      expect(all.filter((made) => made?.joined === false)).toHaveLength(1);
    });

    test('an open approval that no longer fits becomes STALE, and a new one opens', async () => {
      const request = holdRequest('sha256:fits');
      await open('fits-1', request);
      await approvals().vote('fits-1', approve('anna'), 900, toApproved);
      const { opened: made, ended } = await approvals().open('fits-2', request, {
        ...limits,
        misfit: () => 'it does not fit',
      });
      expect(made).toMatchObject({ approval: { id: 'fits-2', state: 'PENDING' }, joined: false });
      expect(ended).toMatchObject([
        {
          from: 'APPROVED',
          approval: { id: 'fits-1', state: 'STALE', outcome: 'it does not fit' },
        },
      ]);
      expect(await approvals().claim('fits-1', 'request', 60)).toBeNull();
    });

    test('a request whose approval is over by the clock opens a new one, and the end is told', async () => {
      const request = holdRequest('sha256:over');
      await open('over-1', request);
      await over('over-1', 'decide_by');
      const { opened: made, ended } = await approvals().open('over-2', request, limits);
      expect(made?.approval.id).toBe('over-2');
      expect(ended).toMatchObject([
        { from: 'PENDING', approval: { id: 'over-1', state: 'EXPIRED' } },
      ]);
    });

    test('a requester with too many open approvals opens no more', async () => {
      const request = (index: number) => holdRequest(`sha256:flood-${index}`, 'flooder');
      for (let index = 0; index < few.openMax; index += 1) {
        expect(await open(`flood-${index}`, request(index), few)).not.toBeNull();
      }
      expect(await open('flood-x', request(few.openMax), few)).toBeNull();
      expect(await open('flood-y', request(0), few)).toMatchObject({ joined: true });
    });

    test('identical requests that find a misfit at the same moment open one new approval', async () => {
      const request = holdRequest('sha256:misfits');
      await open('misfits-old', request);
      const all = await Promise.all(
        Array.from({ length: 10 }, (_, index) =>
          approvals().open(`misfits-${index}`, request, {
            ...limits,
            misfit: (one) => (one.id === 'misfits-old' ? 'old' : null),
          }),
        ),
      );
      expect(new Set(all.map((made) => made.opened?.approval.id)).size).toBe(1);
      expect(all.flatMap((made) => made.ended)).toHaveLength(1);
    });

    test('characters that the database cannot hold make no approval and no vote fail', async () => {
      const request = holdRequest('sha256:nul');
      const odd = 'a\0b\ud800c';
      const made = await open('nul-1', { ...request, summary: { ...request.summary, name: odd } });
      expect(made?.approval.summary.name).toBe('a\ufffdb\ufffdc');
      await approvals().vote('nul-1', { ...approve('anna'), reason: odd }, 900, toApproved);
      expect((await approvals().read('nul-1'))?.votes).toMatchObject([
        { reason: 'a\ufffdb\ufffdc' },
      ]);
    });

    test('of many, those that are pending are told', async () => {
      const [one, two] = [await opened(), await approved()];
      expect(await approvals().pending([one.id, two, 'nobody'])).toEqual([one.id]);
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

    test('a vote and the end of its time at once: the clock wins', async () => {
      const { id } = await opened();
      await over(id, 'decide_by');
      const judge = (row: { readonly state: string }, due: boolean) =>
        due || row.state !== 'PENDING'
          ? { kind: 'refused' as const, refusal: 'late' }
          : toApproved();
      const votes = Array.from({ length: 10 }, (_, index) =>
        approvals().vote(id, approve(`person-${index}`), 900, judge),
      );
      const [, ...ends] = await Promise.all([approvals().sweep(dueRules), ...votes]);
      expect(ends.every((end) => end?.kind === 'refused')).toBe(true);
      await approvals().sweep(dueRules);
      expect((await approvals().read(id))?.state).toBe('EXPIRED');
    });

    test('of two sweepers exactly one ends an approval', async () => {
      const { id } = await opened();
      await over(id, 'decide_by');
      const both = await Promise.all([approvals().sweep(dueRules), approvals().sweep(dueRules)]);
      expect(both.flat().filter((one) => one.approval.id === id)).toHaveLength(1);
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
      const { general } = store();
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

  approvalDoorSuite(name, store);
}
