import { describe, expect, test } from 'vitest';
import { DependencyError, refusal } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/log.ts';
import { err, ok } from '../../src/base/result.ts';
import type { RoleName } from '../../src/config/index.ts';
import { createPeopleApp, type ConsolePorts } from '../../src/console/index.ts';
import { approvalItem, decisionPage, explained } from '../../src/console/schemas.ts';
import { commandPage, sessionDetail, sessionPage } from '../../src/console/session-schemas.ts';
import { requirePerson, requireRole, type Identity } from '../../src/identify/index.ts';
import { exportFormats } from '../../src/record/index.ts';
import type { DecisionRow } from '../../src/store/index.ts';
import { agent } from '../support/flow-world.ts';
import { approvalOf } from '../support/hold-fixtures.ts';
import { someCommandRow, someSessionRow } from '../support/session-rows.ts';

const row: DecisionRow = {
  requestId: 'r-1',
  at: '2026-11-20T12:00:00.000Z',
  cluster: 'test',
  user: { issuer: 'i', subject: 's', username: 'agent' },
  sourceIp: '127.0.0.1',
  method: 'GET',
  target: '/api/v1/pods',
  verb: 'list',
  group: '',
  resource: 'pods',
  namespace: '',
  name: '',
  verdict: 'allow',
  because: [{ rule: 'diagnostics', id: 'read', reason: 'read-only' }],
  masked: false,
  code: null,
  message: '',
  approvalId: null,
  outcome: null,
};

const human = (...groups: string[]): Identity => ({
  ...agent,
  username: 'anna',
  subject: 'anna',
  kind: 'human',
  groups,
});
const roleGroups: Partial<Record<RoleName, readonly string[]>> = {
  viewer: ['viewers'],
  auditor: ['auditors'],
  approver: ['approvers'],
  admin: ['admins'],
};

/** The real role and person checks, on an identity that the Authorization header names. */
const identities: Readonly<Record<string, Identity>> = {
  viewer: human('viewers'),
  auditor: human('auditors'),
  approver: human('approvers'),
  admin: human('admins'),
  nobody: human(),
  agent: { ...agent, groups: ['admins'] },
  delegate: { ...human('admins'), actor: [{ issuer: 'i', subject: 'robot' }] },
};

const noExports: ConsolePorts['exports'] = {
  page: () => Promise.resolve(ok({ rows: [], cursor: 'c-1', more: false })),
  formats: exportFormats,
};

function world(more: Partial<ConsolePorts> = {}) {
  const votes: unknown[] = [];
  const searches: unknown[] = [];
  const asked: unknown[] = [];
  const ports: ConsolePorts = {
    decisions: {
      list: () => Promise.resolve(ok({ rows: [row], next: 'cursor-2' })),
      show: (id) =>
        Promise.resolve(
          id === 'r-1'
            ? ({
                decision: {
                  verdict: 'allow',
                  because: row.because,
                  mask: [],
                  record: [],
                  policy: { wasm: 'w', sources: 'h', compiler: 'opa' },
                },
                attempts: [],
                holds: [],
                releases: [],
                outcome: null,
              } as never)
            : null,
        ),
      // oxlint-disable-next-line require-yield -- two rows
      stream: async function* stream() {
        yield row;
        yield { ...row, requestId: 'r-2' };
      },
    },
    sessions: {
      list: () => Promise.resolve(ok({ rows: [someSessionRow()], next: null })),
      show: (id) =>
        Promise.resolve(id === 's-1' ? { session: someSessionRow(), streams: [] } : null),
      commands: (filter) => {
        searches.push(filter);
        return Promise.resolve(ok({ rows: [someCommandRow()], next: 'cursor-3' }));
      },
    },
    exports: noExports,
    approvals: {
      list: () => Promise.resolve([approvalOf()]),
      show: (id: string) => Promise.resolve(id === 'a-1' ? approvalOf() : null),
      vote: (id: string, vote: object) => {
        votes.push({ id, ...vote });
        return Promise.resolve(
          id === 'a-1'
            ? ok(approvalOf({ state: 'APPROVED' }))
            : err(refusal('HOLDGATE_HOLD_UNKNOWN', 'none')),
        );
      },
    } as unknown as ConsolePorts['approvals'],
    evidence: {
      open: (scope, by) => {
        asked.push({ scope, by });
        return Promise.resolve(
          ok(
            (async function* bundle() {
              yield Buffer.from('one,');
              yield Buffer.from('two');
            })(),
          ),
        );
      },
    },
    locate: () =>
      Promise.resolve(
        ok([
          { rule: 'diagnostics', id: 'read', file: 'rules/diagnostics/diagnostics.rego', line: 7 },
        ]),
      ),
    identifyPerson: (rawHeaders) => {
      const name =
        rawHeaders[rawHeaders.indexOf('authorization') + 1]?.replace('Bearer ', '') ?? '';
      const identity = identities[name];
      return Promise.resolve(
        identity === undefined
          ? err(refusal('HOLDGATE_IDENTIFY_TOKEN_MISSING', 'no token'))
          : requirePerson(identity),
      );
    },
    requireRole: (identity, roles) =>
      roles.map((role) => requireRole(identity, roleGroups, role)).find((one) => one.ok) ??
      requireRole(identity, roleGroups, roles[0] ?? 'admin'),
    readiness: () => [{ part: 'database', ready: true, problem: '' }],
    metrics: () =>
      Promise.resolve({ contentType: 'text/plain', text: 'holdgate_requests_total 1\n' }),
    documents: new Map([['/local-issuer/people/jwks', { keys: [] }]]),
    nextId: () => 'id-1',
    log: silentLog,
    ...more,
  };
  const app = createPeopleApp(ports);
  const call = (
    method: string,
    path: string,
    as: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ) => {
    const rawHeaders = as === '' ? [] : ['authorization', `Bearer ${as}`];
    const init = {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    };
    return app.request(path, init, { incoming: { rawHeaders } });
  };
  return { app, call, votes, searches, asked };
}

const everybody = [
  'viewer',
  'auditor',
  'approver',
  'admin',
  'nobody',
  'agent',
  'delegate',
  '',
] as const;

describe('who may do what', () => {
  const rows: readonly { method: string; path: string; body?: object; may: readonly string[] }[] = [
    { method: 'GET', path: '/api/v1/decisions', may: ['viewer', 'auditor', 'approver', 'admin'] },
    {
      method: 'GET',
      path: '/api/v1/decisions/r-1',
      may: ['viewer', 'auditor', 'approver', 'admin'],
    },
    { method: 'GET', path: '/api/v1/decisions/r-1/explain', may: ['auditor', 'admin'] },
    { method: 'GET', path: '/api/v1/sessions', may: ['viewer', 'auditor', 'approver', 'admin'] },
    {
      method: 'GET',
      path: '/api/v1/sessions/s-1',
      may: ['viewer', 'auditor', 'approver', 'admin'],
    },
    { method: 'GET', path: '/api/v1/commands', may: ['viewer', 'auditor', 'approver', 'admin'] },
    { method: 'GET', path: '/api/v1/decisions/export', may: ['auditor', 'admin'] },
    { method: 'GET', path: '/api/v1/evidence', may: ['auditor', 'admin'] },
    { method: 'GET', path: '/api/v1/approvals', may: ['viewer', 'auditor', 'approver', 'admin'] },
    {
      method: 'GET',
      path: '/api/v1/approvals/a-1',
      may: ['viewer', 'auditor', 'approver', 'admin'],
    },
    { method: 'POST', path: '/api/v1/approvals/a-1/approve', body: {}, may: ['approver', 'admin'] },
    { method: 'POST', path: '/api/v1/approvals/a-1/deny', body: {}, may: ['approver', 'admin'] },
  ];
  const cases = rows.flatMap((one) =>
    everybody.map((as) => ({ ...one, as, allowed: one.may.includes(as) })),
  );
  test.each(cases)(
    '$method $path as "$as": $allowed',
    async ({ method, path, body, as, allowed }) => {
      const { call, votes } = world();
      const answer = await call(method, path, as, body);
      expect(answer.status === 200).toBe(allowed);
      if (allowed) return;
      expect(answer.status).toBe(as === '' ? 401 : 403);
      expect(await answer.json()).toMatchObject({ kind: 'Status', status: 'Failure' });
      expect(votes).toEqual([]);
    },
  );
});

describe('answers hold against the published schemas', () => {
  test('decisions', async () => {
    const answer = await world().call('GET', '/api/v1/decisions?limit=5&verdict=allow', 'viewer');
    expect(decisionPage.parse(await answer.json())).toMatchObject({
      items: [{ requestId: 'r-1' }],
      cursor: 'cursor-2',
    });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  });

  test('decisions, one a line', async () => {
    const answer = await world().call('GET', '/api/v1/decisions', 'viewer', undefined, {
      accept: 'application/x-ndjson',
    });
    expect(answer.headers.get('content-type')).toBe('application/x-ndjson');
    const lines = (await answer.text()).trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as DecisionRow).requestId)).toEqual([
      'r-1',
      'r-2',
    ]);
  });

  test('sessions and commands', async () => {
    const { call, searches } = world();
    const list = await call('GET', '/api/v1/sessions?user=agent', 'viewer');
    expect(sessionPage.parse(await list.json()).items).toHaveLength(1);
    const one = await call('GET', '/api/v1/sessions/s-1', 'viewer');
    expect(sessionDetail.parse(await one.json()).session.id).toBe('s-1');
    const path = '/api/v1/commands?user=agent&command=delete+*&match=glob&folded=true&order=oldest';
    const found = await call('GET', path, 'viewer');
    expect(commandPage.parse(await found.json())).toMatchObject({ cursor: 'cursor-3' });
    expect(searches).toEqual([
      { username: 'agent', folded: true, command: { match: 'glob', text: 'delete *' } },
    ]);
    expect((await call('GET', '/api/v1/sessions/s-2', 'viewer')).status).toBe(404);
  });

  test('an explanation, with file and line', async () => {
    const answer = await world().call('GET', '/api/v1/decisions/r-1/explain', 'auditor');
    expect(explained.parse(await answer.json()).elements[0]?.places).toEqual([
      { file: 'rules/diagnostics/diagnostics.rego', line: 7 },
    ]);
  });

  test('an approval after a vote, cast in the name of the caller and on the version that it saw', async () => {
    const { call, votes } = world();
    const answer = await call('POST', '/api/v1/approvals/a-1/approve', 'approver', {
      reason: 'fine',
      version: 3,
    });
    expect(approvalItem.parse(await answer.json()).state).toBe('APPROVED');
    expect(votes).toEqual([
      {
        id: 'a-1',
        by: { issuer: agent.issuer, subject: 'anna', username: 'anna', actor: [] },
        vote: 'approve',
        reason: 'fine',
        version: 3,
      },
    ]);
  });

  test('OpenAPI 3.1 names every route', async () => {
    const answer = await world().call('GET', '/openapi.json', '');
    const document = (await answer.json()) as { openapi: string; paths: Record<string, object> };
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths).toSorted()).toEqual([
      '/api/v1/approvals',
      '/api/v1/approvals/{id}',
      '/api/v1/approvals/{id}/approve',
      '/api/v1/approvals/{id}/deny',
      '/api/v1/commands',
      '/api/v1/decisions',
      '/api/v1/decisions/export',
      '/api/v1/decisions/{id}',
      '/api/v1/decisions/{id}/explain',
      '/api/v1/evidence',
      '/api/v1/sessions',
      '/api/v1/sessions/{id}',
      '/readyz',
    ]);
  });
});

describe('evidence', () => {
  test.each([
    { query: '', scope: { kind: 'all' } },
    {
      query: '?since=2026-11-20T23:30:00-02:00',
      scope: { kind: 'days', from: '2026-11-21', until: null },
    },
    { query: '?approval=a-1', scope: { kind: 'approval', approval: 'a-1' } },
    { query: '?request=r-1&request=r-2', scope: { kind: 'requests', requests: ['r-1', 'r-2'] } },
  ])('is asked for as $scope.kind, in the name of the caller', async ({ query, scope }) => {
    const { call, asked } = world();
    const answer = await call('GET', `/api/v1/evidence${query}`, 'auditor');
    expect(answer.headers.get('content-type')).toBe('application/x-tar');
    expect(await answer.text()).toBe('one,two');
    const by = { issuer: agent.issuer, subject: 'anna', username: 'anna' };
    expect(asked).toEqual([{ scope, by }]);
  });

  test.each([
    '?approval=a-1&request=r-1',
    '?since=yesterday',
    '?since=2026-11-20T00:00:00Z&approval=a',
  ])('%s is refused', async (query) => {
    const { call, asked } = world();
    expect((await call('GET', `/api/v1/evidence${query}`, 'auditor')).status).toBe(400);
    expect(asked).toEqual([]);
  });

  test('that breaks off does not look whole', async () => {
    const open = () =>
      Promise.resolve(
        ok(
          (async function* bundle() {
            yield Buffer.from('one');
            throw new DependencyError('HOLDGATE_RECORD_UNAVAILABLE', 'down');
          })(),
        ),
      );
    const answer = await world({ evidence: { open } }).call('GET', '/api/v1/evidence', 'auditor');
    await expect(answer.text()).rejects.toThrow('down');
  });
});

describe('bad input is a Status that says what and where', () => {
  test.each([
    {
      name: 'an unknown page',
      method: 'GET',
      path: '/nothing',
      body: undefined,
      status: 404,
      says: 'HOLDGATE_CONSOLE_NOT_FOUND',
    },
    {
      name: 'an unknown decision',
      method: 'GET',
      path: '/api/v1/decisions/zzz',
      body: undefined,
      status: 404,
      says: 'HOLDGATE_RECORD_UNKNOWN',
    },
    {
      name: 'an unknown approval',
      method: 'GET',
      path: '/api/v1/approvals/zzz',
      body: undefined,
      status: 404,
      says: 'HOLDGATE_HOLD_UNKNOWN',
    },
    {
      name: 'a time that is none',
      method: 'GET',
      path: '/api/v1/decisions?since=yesterday',
      body: undefined,
      status: 400,
      says: 'since',
    },
    {
      name: 'a limit too high',
      method: 'GET',
      path: '/api/v1/decisions?limit=100000',
      body: undefined,
      status: 400,
      says: 'limit',
    },
    {
      name: 'an unknown field of a vote',
      method: 'POST',
      path: '/api/v1/approvals/a-1/approve',
      body: { reasons: 'x' },
      status: 400,
      says: 'reasons',
    },
    {
      name: 'a body that is too large',
      method: 'POST',
      path: '/api/v1/approvals/a-1/approve',
      body: { reason: 'x'.repeat(70_000) },
      status: 400,
      says: '65536',
    },
  ])('$name', async ({ method, path, body, status, says }) => {
    const answer = await world().call(method, path, 'admin', body);
    expect(answer.status).toBe(status);
    expect(await answer.text()).toContain(says);
  });

  test('a database that is down is a 503', async () => {
    const down = () =>
      Promise.reject(new DependencyError('HOLDGATE_RECORD_UNAVAILABLE', 'the database is down'));
    const { call } = world({
      decisions: { list: down, show: down, stream: async function* none() {} },
    });
    expect((await call('GET', '/api/v1/decisions', 'viewer')).status).toBe(503);
  });

  test('an unforeseen failure shows nothing of itself', async () => {
    const { call } = world({ locate: () => Promise.reject(new Error('planted detail')) });
    const answer = await call('GET', '/api/v1/decisions/r-1/explain', 'auditor');
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('planted');
  });
});

describe('health', () => {
  test('is open, and names the part that is not ready', async () => {
    const { call } = world({
      readiness: () => [
        { part: 'database', ready: false, problem: 'decisions cannot be recorded' },
      ],
    });
    expect(await (await call('GET', '/healthz', '')).text()).toBe('ok');
    const ready = await call('GET', '/readyz', '');
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ ready: false, parts: [{ part: 'database' }] });
    expect(await (await call('GET', '/metrics', '')).text()).toContain('holdgate_requests_total');
    expect(await (await call('GET', '/local-issuer/people/jwks', '')).json()).toEqual({ keys: [] });
  });
});
