import { beforeAll, describe, expect, test } from 'vitest';
import type { DecisionEntry, RecordEntry, StreamRow } from '../../src/record/index.ts';
import {
  createDecisionStore,
  createRecordStore,
  type DecisionFilter,
  type DecisionRow,
  type DecisionStore,
  type Store,
} from '../../src/store/index.ts';
import { someDecision, someOutcome } from './record-entries.ts';
import { leavesOf, someStream } from './record-store-suite.ts';

/** What holds of reading decisions on PostgreSQL and on the embedded database alike. Needs an empty database. */
export function decisionStoreSuite(open: () => Store): void {
  let store: Store;
  let decisions: DecisionStore;
  const record = async (
    stream: StreamRow,
    parts: readonly { readonly ts: string; readonly entry: RecordEntry }[],
  ): Promise<void> => {
    const records = createRecordStore(store);
    await records.openStream(stream);
    const leaves = parts.flatMap(({ ts, entry }, seq) => leavesOf(stream, [entry], seq, ts));
    expect(await records.append(stream, leaves, 'a checkpoint')).toEqual({ kind: 'committed' });
  };
  const at = (minute: number, day = '2026-11-20'): string =>
    `${day}T10:${String(minute).padStart(2, '0')}:00.000Z`;
  const ids = (rows: readonly DecisionRow[]): string[] => rows.map((row) => row.requestId);
  const list = async (filter: DecisionFilter): Promise<string[]> => {
    const page = await decisions.list(filter, { limit: 1000 });
    if (!page.ok) throw new Error(page.error.message);
    return ids(page.value.rows);
  };

  beforeAll(async () => {
    store = open();
    decisions = createDecisionStore(store);
    const holds = { verdict: 'hold', approvalId: 'approval-1' } as const;
    const hold = { kind: 'hold', cluster: 'prod', approvalId: 'approval-1', reason: '' } as const;
    const policy = { wasm: '', sources: '', compiler: '', revision: '' };
    const held = [{ rule: 'payments_pods', id: 'delete', reason: 'needs its on-call' }];
    const mask = [
      {
        rule: 'secrets',
        id: 'values',
        reason: 'hidden',
        fields: ['data.*'],
        where: {},
        patterns: [],
      },
    ];
    await record(someStream(), [
      { ts: at(1), entry: someDecision({ requestId: 'a' }) },
      { ts: at(2), entry: someOutcome({ requestId: 'a', status: 201, durationMs: 9 }) },
      {
        ts: at(3),
        entry: someDecision({ requestId: 'b', ...holds, because: held }, { namespace: 'web' }),
      },
      { ts: at(4), entry: { ...hold, requestId: 'b', from: '', to: 'PENDING', by: null } },
      {
        ts: at(5),
        entry: {
          ...hold,
          requestId: 'approver',
          from: 'PENDING',
          to: 'APPROVED',
          by: { issuer: 'i', subject: 's', username: 'u' },
        },
      },
      {
        ts: at(6),
        entry: {
          kind: 'release',
          requestId: 'b',
          cluster: 'prod',
          approvalId: 'approval-1',
          attempt: 1,
          because: held,
          policy,
          digest: 'd',
          digestSent: 'd',
          guard: 'uid',
        },
      },
    ]);
    await record(someStream(), [
      {
        ts: at(7),
        entry: someDecision(
          { requestId: 'c', mask, because: [] },
          { verb: 'get', resource: 'secrets' },
          { username: 'person' },
        ),
      },
      {
        ts: at(7),
        entry: {
          kind: 'attempt',
          requestId: 'c',
          cluster: 'prod',
          attemptId: 'c1',
          purpose: 'live',
          method: 'GET',
          target: '/x',
          user: { issuer: 'i', subject: 's', username: 'person' },
        },
      },
    ]);
    // Over midnight: the outcome is in the next day's stream.
    await record(someStream('2026-11-20'), [
      { ts: '2026-11-20T23:59:59.999Z', entry: someDecision({ requestId: 'd', cluster: 'test' }) },
    ]);
    await record(someStream('2026-11-21'), [
      { ts: at(1, '2026-11-21'), entry: someOutcome({ requestId: 'd' }) },
      {
        ts: at(2, '2026-11-21'),
        entry: someDecision({
          requestId: 'e',
          verdict: 'deny',
          user: null,
          input: null,
          because: [],
          policy: null,
          code: 'HOLDGATE_IDENTIFY_TOKEN_MISSING',
        }),
      },
    ]);
  });

  describe('decisions', () => {
    test.each([
      { name: 'no filter: all, newest first', filter: {}, shown: ['e', 'd', 'c', 'b', 'a'] },
      { name: 'since is inclusive', filter: { since: at(7) }, shown: ['e', 'd', 'c'] },
      { name: 'until is exclusive', filter: { until: at(7) }, shown: ['b', 'a'] },
      {
        name: 'a range over midnight',
        filter: { since: '2026-11-20T23:00:00Z', until: '2026-11-21T23:00:00Z' },
        shown: ['e', 'd'],
      },
      { name: 'another time zone', filter: { since: '2026-11-21T11:02:00+01:00' }, shown: ['e'] },
      { name: 'user', filter: { username: 'person' }, shown: ['c'] },
      { name: 'cluster', filter: { cluster: 'test' }, shown: ['d'] },
      { name: 'namespace', filter: { namespace: 'web' }, shown: ['b'] },
      { name: 'verb', filter: { verb: 'get' }, shown: ['c'] },
      { name: 'resource', filter: { resource: 'secrets' }, shown: ['c'] },
      { name: 'verdict', filter: { verdict: 'deny' }, shown: ['e'] },
      { name: 'rule that decided', filter: { rule: 'payments_pods' }, shown: ['b'] },
      { name: 'element that decided', filter: { rule: 'pipelines/deploy' }, shown: ['d', 'a'] },
      { name: 'rule that masked', filter: { rule: 'secrets' }, shown: ['c'] },
      { name: 'request', filter: { requestId: 'a' }, shown: ['a'] },
      {
        name: 'several',
        filter: { cluster: 'prod', verb: 'delete', namespace: 'payments' },
        shown: ['a'],
      },
      { name: 'nothing that matches', filter: { username: "x' or true --" }, shown: [] },
    ] satisfies { name: string; filter: DecisionFilter; shown: string[] }[])(
      'are found by $name',
      async ({ filter, shown }) => {
        expect(await list(filter)).toEqual(shown);
      },
    );

    test('a row joins the decision with its outcome', async () => {
      const page = await decisions.list({ requestId: 'a' }, { limit: 1 });
      expect(page.ok && page.value.rows[0]).toMatchObject({
        requestId: 'a',
        at: at(1),
        user: { username: 'agent:seven' },
        verb: 'delete',
        resource: 'pods',
        namespace: 'payments',
        outcome: { endedAt: at(2), status: 201, durationMs: 9, endedBy: 'answer' },
      });
    });

    test('an outcome of the next day is joined; a request still running has none', async () => {
      const page = await decisions.list({}, { limit: 10 });
      const rows = page.ok ? page.value.rows : [];
      expect(rows.map((row) => [row.requestId, row.outcome !== null])).toEqual([
        ['e', false],
        ['d', true],
        ['c', false],
        ['b', false],
        ['a', true],
      ]);
    });

    test('a refusal before the caller was known has no user and no request', async () => {
      const page = await decisions.list({ requestId: 'e' }, { limit: 1 });
      expect(page.ok && page.value.rows[0]).toMatchObject({
        user: null,
        verb: '',
        verdict: 'deny',
        code: 'HOLDGATE_IDENTIFY_TOKEN_MISSING',
      });
    });

    test.each([1, 2, 3, 5])('pages of %i show each row once, in order', async (limit) => {
      const seen: string[] = [];
      let cursor: string | undefined;
      for (let pages = 0; pages < 10; pages += 1) {
        const page = await decisions.list({}, { limit, cursor });
        if (!page.ok) throw new Error(page.error.message);
        seen.push(...ids(page.value.rows));
        if (page.value.next === null) break;
        cursor = page.value.next;
      }
      expect(seen).toEqual(['e', 'd', 'c', 'b', 'a']);
    });

    test.each([
      { name: 'noise', cursor: 'hello' },
      { name: 'another JSON', cursor: Buffer.from('{}').toString('base64url') },
      { name: 'a time that is none', cursor: Buffer.from('["x","y",1]').toString('base64url') },
      {
        name: 'a fraction',
        cursor: Buffer.from('["2026-11-20 10:00:00+00","y",1.5]').toString('base64url'),
      },
    ])('a cursor that is $name is refused', async ({ cursor }) => {
      const page = await decisions.list({}, { limit: 1, cursor });
      expect(page.ok ? null : page.error.code).toBe('HOLDGATE_CONSOLE_REQUEST_INVALID');
    });

    test('are streamed, all that match', async () => {
      const seen: string[] = [];
      for await (const row of decisions.stream({ verb: 'delete' })) seen.push(row.requestId);
      expect(seen).toEqual(['d', 'b', 'a']);
    });
  });

  describe('one request', () => {
    test('shows its decision, attempts, approval, releases and outcome as recorded', async () => {
      const shown = await decisions.show('b');
      expect(shown?.decision).toMatchObject({
        kind: 'decision',
        verdict: 'hold',
        seq: 2,
        ts: at(3),
      });
      expect(shown?.holds.map((hold) => hold.to)).toEqual(['PENDING', 'APPROVED']);
      expect(shown?.releases.map((release) => release.guard)).toEqual(['uid']);
      expect(shown?.outcome).toBeNull();
      expect((await decisions.show('c'))?.attempts.map((one) => one.attemptId)).toEqual(['c1']);
      expect((await decisions.show('a'))?.outcome?.status).toBe(201);
    });

    test('the decision is the leaf, field for field', async () => {
      const { v, stream, seq, ts, mono_ns, ...entry } = (await decisions.show('a'))?.decision ?? {};
      expect(entry).toEqual(someDecision({ requestId: 'a' }) satisfies DecisionEntry);
      expect([v, seq, ts, mono_ns]).toEqual([1, 0, at(1), 0]);
      expect(stream).toMatch(/^stream-/);
    });

    test('an unknown one is null', async () => {
      expect(await decisions.show('nope')).toBeNull();
    });
  });
}
