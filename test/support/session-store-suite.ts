import { beforeAll, describe, expect, test } from 'vitest';
import type { RecordEntry, StreamRow } from '../../src/record/index.ts';
import {
  createRecordStore,
  createSessionProjection,
  createSessionStore,
  type SessionProjection,
  type SessionStore,
  type Store,
} from '../../src/store/index.ts';
import { someDecision, someOutcome } from './record-entries.ts';
import { leavesOf } from './record-store-suite.ts';

type Part = { readonly ts: string; readonly entry: RecordEntry };
type Request = Parameters<typeof someDecision>[1];
type Facts = Parameters<typeof someDecision>[0];

/** Today: whether a process may still be there depends on it. */
const day = new Date().toISOString().slice(0, 10);
const at = (seconds: number): string =>
  new Date(Date.parse(`${day}T10:00:00.000Z`) + seconds * 1000).toISOString();

const decided = (
  requestId: string,
  seconds: number,
  more: Facts = {},
  request: Request = {},
): Part => ({
  ts: at(seconds),
  entry: someDecision({ requestId, ...more }, request),
});
const ended = (requestId: string, seconds: number, more: object = {}): Part => ({
  ts: at(seconds),
  entry: someOutcome({ requestId, ...more }),
});

const open = (path: string): Request => ({
  scope: 'nonresource',
  verb: 'get',
  resource: '',
  namespace: '',
  name: '',
  path,
});
const read: Request = { verb: 'get' };
const other = { issuer: 'https://issuer.example', subject: 'agent-8', username: 'agent:eight' };
const uuid = (digit: string): string => `${digit.repeat(8)}-0000-4000-8000-${digit.repeat(12)}`;

/** What holds of sessions and commands on PostgreSQL and on the embedded database alike. Empties both. */
export function sessionStoreSuite(opened: () => Store): void {
  let store: Store;
  let projection: SessionProjection;
  let sessions: SessionStore;
  let streams = 0;

  const record = async (
    parts: readonly Part[],
    more: Partial<StreamRow> = {},
  ): Promise<StreamRow> => {
    streams += 1;
    const id = `sessions-${streams}`;
    const stream = {
      id,
      epoch: day,
      replica: `gateway-${streams}/1`,
      openedAt: at(streams),
      ...more,
    };
    const records = createRecordStore(store);
    await records.openStream(stream);
    const leaves = parts.flatMap(({ ts, entry }, seq) => leavesOf(stream, [entry], seq, ts));
    expect(await records.append(stream, leaves, 'unsigned')).toEqual({ kind: 'committed' });
    return stream;
  };
  const projectAll = async (): Promise<void> => {
    for (;;) {
      const step = await projection.step();
      if (step.kind === 'read' && step.drained) return;
    }
  };
  const list = async (filter: Parameters<SessionStore['list']>[0] = {}) => {
    const page = await sessions.list(filter, { limit: 500 });
    if (!page.ok) throw new Error(page.error.message);
    return page.value.rows;
  };
  const commands = async (filter: Parameters<SessionStore['commands']>[0]) => {
    const page = await sessions.commands(filter, { limit: 500, order: 'oldest' });
    if (!page.ok) throw new Error(page.error.message);
    return page.value.rows;
  };
  const lines = async (filter: Parameters<SessionStore['commands']>[0]): Promise<string[]> =>
    (await commands(filter)).map((row) => row.requestId);
  /** The requests of each session of a user, in their order. */
  const bySession = async (username: string): Promise<string[][]> => {
    const found = await list({ username });
    const each = found.map((session) => lines({ session: session.id, folded: true }));
    return (await Promise.all(each)).toReversed();
  };
  const user = (name: string): Facts => ({ user: { ...other, subject: name, username: name } });

  beforeAll(() => {
    store = opened();
    projection = createSessionProjection(store);
    sessions = createSessionStore(store);
  });

  describe('sessions', () => {
    test.each<{ keys: string; parts: (who: Facts) => Part[]; sessions: string[][] }>([
      {
        keys: 'the sid joins clients, and hours',
        parts: (who) => [
          decided('a1', 0, { ...who, sid: 'run-1' }),
          decided('a2', 90_000, { ...who, sid: 'run-1', userAgent: 'curl', sourceIp: '10.0.0.1' }),
          decided('a3', 90_001, { ...who, sid: 'run-2' }),
        ],
        sessions: [['a1', 'a2'], ['a3']],
      },
      {
        keys: 'half an hour of silence ends a client’s session',
        parts: (who) => [
          decided('b1', 0, who),
          decided('b2', 1799, who),
          decided('b3', 3600, who),
          decided('b4', 3601, { ...who, userAgent: 'curl' }),
        ],
        sessions: [['b1', 'b2'], ['b3'], ['b4']],
      },
      {
        keys: 'twelve hours end it too',
        parts: (who) =>
          Array.from({ length: 50 }, (_, index) => decided(`c${index}`, index * 900, who)),
        sessions: [Array.from({ length: 48 }, (_, index) => `c${index}`), ['c48', 'c49']],
      },
      {
        keys: 'another cluster is another session',
        parts: (who) => [
          decided('d1', 0, { ...who, sid: 's' }),
          decided('d2', 1, { ...who, sid: 's', cluster: 'dev' }),
        ],
        sessions: [['d1'], ['d2']],
      },
    ])('$keys', async ({ keys, parts, sessions: expected }) => {
      await record(parts(user(keys)));
      await projectAll();
      expect(await bySession(keys)).toEqual(expected);
    });

    test('no name that a client chooses joins two identities', async () => {
      const claims = { sid: 'shared', kubectlSession: uuid('5') };
      await record([
        decided('e1', 0, { ...user('ann'), ...claims }),
        decided('e2', 1, { ...user('bob'), ...claims }),
        decided('e3', 2, {
          ...user('ann'),
          user: { ...other, issuer: 'https://evil.example', subject: 'ann', username: 'ann' },
          ...claims,
        }),
      ]);
      await projectAll();
      expect(await bySession('ann')).toEqual([['e1'], ['e3']]);
      expect(await bySession('bob')).toEqual([['e2']]);
      const rows = await commands({ command: { match: 'substring', text: 'checkout' } });
      const ids = rows.filter((row) => /^e\d$/.test(row.requestId)).map((row) => row.commandId);
      expect(new Set(ids).size).toBe(3);
    });

    test('an exec is a session of its own, with what passed in it', async () => {
      const connect: Request = { verb: 'connect', resource: 'pods/exec', exec: null };
      const session = {
        wire: 'channels' as const,
        protocol: 'v5.channel.k8s.io',
        bytes: { 'down/stdout': 12 },
        exitCode: 3,
        failure: '',
        ports: [],
        connections: 1,
        detail: '',
      };
      await record([
        decided('f1', 0, user('exec'), connect),
        ended('f1', 60, { status: 101, session }),
        decided('f2', 61, { ...user('exec'), verdict: 'deny' }, connect),
        ended('f2', 61, { status: 403 }),
        decided('f3', 62, user('exec'), connect),
      ]);
      await projectAll();
      const [parent] = await list({ username: 'exec' });
      const detail = await sessions.show(parent?.id ?? '');
      expect(detail?.streams.map((one) => [one.requestId, one.facts?.exitCode])).toEqual([
        ['f1', 3],
        ['f3', undefined],
      ]);
      expect(detail?.streams[0]?.lastAt).toMatch(/T10:01:00/);
      expect((await commands({ session: parent?.id ?? '' }))[0]?.exitCode).toBe(3);
    });

    test('a session says what is missing of it', async () => {
      const crashed = await record([
        decided('g1', 0, user('crashed')),
        ended('g1', 1),
        decided('g2', 2, user('crashed')),
      ]);
      await record([
        decided('g3', 0, user('cut')),
        ended('g3', 1, { complete: false, endedBy: 'upstream', detail: 'reset' }),
        decided('g4', 0, user('whole')),
        ended('g4', 1),
      ]);
      await projectAll();
      expect((await list({ username: 'whole' }))[0]?.incomplete).toBeNull();
      expect((await list({ username: 'cut' }))[0]?.incomplete).toBe('ended by upstream: reset');
      // Its process runs on as far as anybody knows, until it has another stream on the same day.
      const again = { replica: crashed.replica, openedAt: at(500) };
      await record([decided('g5', 600, user('after'))], again);
      await projectAll();
      expect((await list({ username: 'crashed' }))[0]?.incomplete).toMatch(
        /no outcome is on record/,
      );
      expect((await list({ username: 'after' }))[0]?.incomplete).toBeNull();
    });
  });

  describe('commands', () => {
    test.each<{ folds: string; parts: (who: Facts) => Part[]; shown: Record<string, object> }>([
      {
        folds: 'discovery and the read before a patch, by Kubectl-Session',
        parts: (given) => {
          const who = { ...given, kubectlSession: uuid('1') };
          return [
            decided('h1', 0, who, open('/api')),
            decided('h2', 0, who, open('/apis')),
            decided('h3', 5, who, read),
            decided('h4', 10, who, { verb: 'patch' }),
            decided('h5', 11, who, open('/openapi/v3')),
          ];
        },
        shown: { h4: { discovery: 3, read: 1 } },
      },
      {
        folds: 'what waits for a delete, without a header within two seconds',
        parts: (who) => [
          decided('i1', 0, who, open('/version')),
          decided('i2', 1, who),
          decided('i3', 2.5, who, { verb: 'watch' }),
          decided('i4', 9, who, { verb: 'watch' }),
        ],
        shown: { i2: { discovery: 1, wait: 1 }, i4: {} },
      },
      {
        folds: 'nothing that is not a preparation of the same object',
        parts: (given) => {
          const who = { ...given, kubectlSession: uuid('2') };
          return [
            decided('j1', 0, who, read),
            decided('j2', 0, who, { ...read, name: 'another' }),
            decided('j3', 0, who, { verb: 'delete' }),
            decided('j4', 0, who, { verb: 'delete', name: 'another' }),
            decided('j5', 0, { ...who, verdict: 'deny' }, read),
            decided('j6', 0, who, { ...read, resource: 'secrets' }),
            decided('j7', 0, who, { verb: 'patch', resource: 'secrets' }),
          ];
        },
        shown: { j3: { read: 1 }, j4: { read: 1 }, j5: {}, j6: {}, j7: {} },
      },
      {
        folds: 'the look for the namespace where an object was not found, and only there',
        parts: (given) => {
          const who = { ...given, kubectlSession: uuid('6') };
          const again = { ...given, kubectlSession: uuid('7') };
          const namespace: Request = {
            ...read,
            scope: 'cluster',
            resource: 'namespaces',
            namespace: '',
            name: 'payments',
          };
          return [
            decided('n1', 0, who, read),
            ended('n1', 0, { status: 404 }),
            decided('n2', 0, who, namespace),
            decided('n3', 1, again, read),
            ended('n3', 1, { status: 200 }),
            decided('n4', 1, again, namespace),
          ];
        },
        shown: { n1: { read: 1 }, n3: {}, n4: {} },
      },
      {
        folds: 'discovery alone into its first request',
        parts: (given) => {
          const who = { ...given, kubectlSession: uuid('3') };
          return [decided('k1', 0, who, open('/api')), decided('k2', 1, who, open('/apis'))];
        },
        shown: { k1: { discovery: 1 } },
      },
    ])('fold $folds', async ({ folds, parts, shown }) => {
      await record(parts(user(folds)));
      await projectAll();
      const rows = await commands({ username: folds });
      expect(Object.fromEntries(rows.map((row) => [row.requestId, row.folded]))).toEqual(shown);
      expect(await lines({ username: folds, folded: true })).toHaveLength(
        parts({}).filter(({ entry }) => entry.kind === 'decision').length,
      );
    });

    test('a command that spans batches and steps folds as it does in one', async () => {
      const who = { ...user('slow'), kubectlSession: uuid('4') };
      for (const part of [
        decided('l1', 0, who, open('/api')),
        decided('l2', 1, who, read),
        decided('l3', 2, who, { verb: 'patch' }),
      ]) {
        await record([part]);
        await projectAll();
      }
      const rows = await commands({ username: 'slow' });
      expect(rows.map((row) => [row.requestId, row.folded])).toEqual([
        ['l3', { discovery: 1, read: 1 }],
      ]);
    });

    test('hostile text is stored and found, and never breaks the projection', async () => {
      const name = 'x\u0000\u001b[31m\u202e\ud800"; drop table commands; --';
      await record([
        decided(
          'm1',
          0,
          { ...user('hostile'), userAgent: `a\u0000b${'y'.repeat(5000)}`, sid: '\u0000' },
          { name, namespace: name },
        ),
      ]);
      await projectAll();
      const [row] = await commands({ command: { match: 'substring', text: 'drop table' } });
      expect(row?.requestId).toBe('m1');
      expect(row?.line).toContain(String.raw`\u{1b}[31m\u{202e}`);
    });
  });

  describe('search', () => {
    const mine = { username: 'search' };
    beforeAll(async () => {
      const who = user('search');
      await record([
        decided('s1', 0, who, { verb: 'delete', name: 'checkout-1' }),
        ended('s1', 1),
        decided(
          's2',
          10,
          { ...who, verdict: 'deny', because: [{ rule: 'pods', id: 'no', reason: '' }] },
          { verb: 'delete', name: 'Cart_100%' },
        ),
        decided(
          's3',
          20,
          { ...who, cluster: 'dev' },
          { verb: 'get', namespace: 'web', name: 'cart' },
        ),
        decided('s4', 30, who, { verb: 'list', resource: 'secrets', name: '', namespace: 'web' }),
      ]);
      await projectAll();
    });

    test.each<{ by: string; filter: Parameters<SessionStore['commands']>[0]; found: string[] }>([
      { by: 'cluster', filter: { cluster: 'dev' }, found: ['s3'] },
      { by: 'namespace', filter: { namespace: 'web' }, found: ['s3', 's4'] },
      { by: 'resource', filter: { resource: 'secrets' }, found: ['s4'] },
      { by: 'verb', filter: { verb: 'delete' }, found: ['s1', 's2'] },
      { by: 'verdict', filter: { verdict: 'deny' }, found: ['s2'] },
      { by: 'rule', filter: { rule: 'pods' }, found: ['s2'] },
      { by: 'element', filter: { rule: 'pods/no' }, found: ['s2'] },
      { by: 'group', filter: { group: 'agents' }, found: ['s1', 's2', 's3', 's4'] },
      { by: 'no such group', filter: { group: 'people' }, found: [] },
      { by: 'time', filter: { since: at(10), until: at(30) }, found: ['s2', 's3'] },
      {
        by: 'substring',
        filter: { command: { match: 'substring', text: 'DELETE POD c' } },
        found: ['s1', 's2'],
      },
      {
        by: 'a substring with wildcards',
        filter: { command: { match: 'substring', text: '_100%' } },
        found: ['s2'],
      },
      {
        by: 'glob',
        filter: { command: { match: 'glob', text: 'kubectl * pod cart*' } },
        found: ['s2', 's3'],
      },
      {
        by: 'a glob of the whole line',
        filter: { command: { match: 'glob', text: 'delete*' } },
        found: [],
      },
      {
        by: 'regex',
        filter: { command: { match: 'regex', text: '(delete|get) pod checkout-[0-9]+' } },
        found: ['s1'],
      },
    ])('finds commands by $by', async ({ filter, found }) => {
      expect(await lines({ ...mine, ...filter })).toEqual(found);
    });

    test('pages follow each other in both orders, and cover all', async () => {
      for (const order of ['newest', 'oldest'] as const) {
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await sessions.commands(mine, { limit: 1, order, cursor });
          if (!page.ok) throw new Error(page.error.message);
          seen.push(...page.value.rows.map((row) => row.requestId));
          cursor = page.value.next ?? undefined;
        } while (cursor !== undefined);
        const expected = ['s1', 's2', 's3', 's4'];
        expect(seen).toEqual(order === 'oldest' ? expected : expected.toReversed());
      }
    });

    test.each<{ what: string; match: 'substring' | 'regex'; text: string; says: string }>([
      {
        what: 'longer than a person writes',
        match: 'substring',
        text: 'x'.repeat(129),
        says: '128 characters',
      },
      { what: 'empty', match: 'substring', text: '', says: '1 to 128' },
      {
        what: 'with back references',
        match: 'regex',
        text: String.raw`(a*)*\1`,
        says: 'back references',
      },
      { what: 'with look-around', match: 'regex', text: '(?=a)b', says: 'look-around' },
      {
        what: 'that multiplies counts',
        match: 'regex',
        text: '((a{99}){99}){99}',
        says: 'repeats more than',
      },
      {
        what: 'that is no regular expression',
        match: 'regex',
        text: 'a(b',
        says: 'no regular expression',
      },
    ])('a pattern $what is refused', async ({ match, text, says }) => {
      const page = await sessions.commands(
        { command: { match, text } },
        { limit: 1, order: 'newest' },
      );
      expect(page.ok ? '' : page.error.message).toContain(says);
    });

    test('a cursor that no list gave is refused', async () => {
      for (const page of [
        await sessions.commands({}, { limit: 1, order: 'newest', cursor: 'bm8' }),
        await sessions.list({}, { limit: 1, cursor: 'bm8' }),
      ]) {
        expect(page.ok ? '' : page.error.message).toContain('cursor');
      }
    });
  });

  describe('the projection', () => {
    test('made again from the records it is the same', async () => {
      const all = async () => ({
        sessions: await list(),
        commands: await commands({ folded: true }),
      });
      const before = await all();
      await projection.clear();
      expect(await list()).toEqual([]);
      await projectAll();
      const after = await all();
      expect(after).toEqual(before);
    });

    test('two processes at once write nothing twice', async () => {
      await projection.clear();
      const steps = async (): Promise<number> => {
        let records = 0;
        for (;;) {
          const step = await createSessionProjection(store).step();
          if (step.kind === 'busy') continue;
          records += step.records;
          if (step.drained) return records;
        }
      };
      const [one, two] = await Promise.all([steps(), steps()]);
      const [row] = await store.general.raw(
        (sql) => sql<{ records: number; requests: number; commands: number }[]>`
          select (select count(*)::int from records) as records,
            (select sum(requests)::int from sessions where parent_id is null) as requests,
            (select count(*)::int from commands) as commands`,
      );
      expect(one + two).toBe(row?.records);
      expect(row?.requests).toBe(row?.commands);
    });
  });
}
