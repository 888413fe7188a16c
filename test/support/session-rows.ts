import type { SessionStore } from '../../src/store/index.ts';

type SessionRow = NonNullable<Awaited<ReturnType<SessionStore['show']>>>['session'];
type CommandPage = Extract<Awaited<ReturnType<SessionStore['commands']>>, { ok: true }>['value'];
type CommandRow = CommandPage['rows'][number];

/** A session as the store gives it. */
export function someSessionRow(): SessionRow {
  return {
    id: 's-1',
    basis: 'client',
    label: '',
    parentId: null,
    requestId: null,
    user: { issuer: 'i', subject: 's', username: 'agent' },
    groups: ['agents'],
    cluster: 'test',
    userAgent: 'kubectl/v1.35.4',
    sourceIp: '192.0.2.7',
    startedAt: '2026-11-20T12:02:31Z',
    lastAt: '2026-11-20T12:04:00.5Z',
    requests: 9,
    facts: null,
    incomplete: null,
  };
}

/** A command as the store gives it: an approved delete. */
export function someCommandRow(more: Partial<CommandRow> = {}): CommandRow {
  return {
    requestId: 'r-1',
    sessionId: 's-1',
    commandId: 'k-1',
    foldedInto: null,
    fold: null,
    folded: {},
    at: '2026-11-20T12:02:31Z',
    cluster: 'test',
    username: 'agent',
    verb: 'delete',
    resource: 'pods',
    namespace: 'payments',
    name: 'checkout-7b9',
    verdict: 'hold',
    rules: ['payments_pods', 'payments_pods/delete'],
    masked: false,
    code: null,
    approval: {
      id: 'a-1',
      state: 'EXECUTED',
      votes: [{ username: 'ann@corp.example', vote: 'approve' }],
    },
    line: 'kubectl delete pod checkout-7b9 -n payments',
    fidelity: 'header',
    endedAt: '2026-11-20T12:04:00.5Z',
    status: 200,
    exitCode: null,
    incomplete: null,
    ...more,
  };
}
