import { describe, expect, test } from 'vitest';
import { auditEventSchema } from '../../../src/record/reconcile/audit-event.ts';
import { makeLeaf, sealEntry } from '../../../src/record/leaf.ts';
import {
  RecordedCalls,
  Reconciliation,
  type CallFinding,
  type RecordEntry,
} from '../../../src/record/index.ts';
import { someAuditEvent } from '../../support/audit-events.ts';
import { someDecision, someOutcome } from '../../support/record-entries.ts';

const at = (second: number): string =>
  new Date(Date.UTC(2026, 10, 20, 12, 0, second)).toISOString();

type World = {
  readonly records?: readonly RecordEntry[];
  readonly events: readonly object[];
  readonly cluster?: string;
  readonly ignoredUsers?: readonly string[];
  readonly gatewayUsers?: readonly string[];
  readonly reads?: boolean;
  readonly sinceMs?: number;
};

/** Records of second 30, and the log that stands against them. */
function reconcile({ records = [], events, cluster, ...more }: World) {
  const calls = new RecordedCalls(cluster ?? null);
  for (const [seq, entry] of records.entries()) {
    const leaf = makeLeaf(sealEntry(entry), { stream: 's', seq, ts: at(30), monoNs: 0 });
    expect(calls.add(leaf.text)).toBe(true);
  }
  calls.finish();
  const held = new Reconciliation(calls, {
    sinceMs: -Infinity,
    untilMs: Infinity,
    ignoredUsers: ['system:*'],
    gatewayUsers: [],
    reads: false,
    skewMs: 5000,
    ...more,
  });
  for (const event of events) held.add(auditEventSchema.parse(event));
  return held.result();
}

const shown = (findings: readonly CallFinding[]): readonly string[] =>
  findings.map(({ kind, user, verb, what }) => `${kind}: ${user} ${verb} ${what}`);

const call: readonly RecordEntry[] = [someDecision(), someOutcome()];
const event = (more: object = {}): object => someAuditEvent(more);
const stage = (name: string, more: object = {}): object => event({ stage: name, ...more });
const direct = (more: object = {}): object =>
  event({ auditID: 'direct', user: { username: 'mallory' }, ...more });
const pod = 'pods payments/checkout-7b9';
/** The log begins and ends well around second 30. */
const around = [0, 60].map((second) =>
  event({
    auditID: `edge-${second}`,
    verb: 'get',
    user: { username: 'system:edge' },
    requestReceivedTimestamp: at(second),
  }),
);

describe('a call that is on record and in the log', () => {
  test('is no finding, in whatever stages the log has it', () => {
    const events = [
      stage('RequestReceived', { responseStatus: undefined }),
      stage('ResponseStarted'),
      event(),
    ];
    const { findings, counts, gatewayUsers } = reconcile({ records: call, events });
    expect(findings).toEqual([]);
    expect(counts).toMatchObject({ calls: 1, explained: 1 });
    expect(gatewayUsers).toEqual(['gateway']);
  });

  test.each([
    { name: 'verb', more: { verb: 'deletecollection' }, says: 'verb' },
    {
      name: 'object',
      more: {
        objectRef: { resource: 'pods', namespace: 'payments', name: 'other', apiVersion: 'v1' },
      },
      says: 'name',
    },
    {
      name: 'namespace',
      more: {
        objectRef: {
          resource: 'pods',
          namespace: 'kube-system',
          name: 'checkout-7b9',
          apiVersion: 'v1',
        },
      },
      says: 'namespace',
    },
    {
      name: 'status',
      more: { responseStatus: { code: 409 } },
      says: 'status: ours "200", audit "409"',
    },
    { name: 'path', more: { requestURI: '/api/v1/namespaces/payments/pods/x' }, says: 'path' },
  ])('is told where its $name differs', ({ more, says }) => {
    const { findings } = reconcile({ records: call, events: [event(more)] });
    expect(shown(findings)[0]).toMatch(/^different: /);
    expect(findings[0]?.detail).toContain(says);
  });

  test('is told where the record says that it was refused', () => {
    const records = [someDecision({ verdict: 'deny', code: 'HOLDGATE_DECIDE_DENIED' })];
    expect(shown(reconcile({ records, events: [event()] }).findings)).toContain(
      `refused: gateway delete ${pod}`,
    );
  });

  const release = (attempt: number): RecordEntry => ({
    kind: 'release',
    requestId: 'request-1',
    cluster: 'prod',
    approvalId: 'a',
    attempt,
    because: [],
    policy: { wasm: '', sources: '', compiler: '' },
    digest: '',
    digestSent: '',
    guard: '',
  });

  test('is told where it was held and never released, and not where it was released', () => {
    const held = someDecision({ verdict: 'hold' });
    const kinds = (records: readonly RecordEntry[]) =>
      reconcile({ records, events: [event()] }).findings.map(({ kind }) => kind);
    expect(kinds([held])).toEqual(['refused']);
    expect(kinds([held, release(1), someOutcome()])).toEqual([]);
  });

  test('may be in the log as often as it was released', () => {
    const conflict = event({ responseStatus: { code: 409 } });
    const records = [someDecision({ verdict: 'hold' }), release(1), release(2), someOutcome()];
    expect(reconcile({ records, events: [conflict, event()] }).findings).toEqual([]);
  });

  test('is told where somebody sent its Audit-ID again', () => {
    const again = event({ user: { username: 'mallory' } });
    const { findings } = reconcile({ records: call, events: [event(), again] });
    expect(shown(findings)).toEqual([`repeated: mallory delete ${pod}`]);
  });

  test('is told where another user than the gateway made it', () => {
    const events = [event({ user: { username: 'mallory' } })];
    const { findings } = reconcile({ records: call, events, gatewayUsers: ['gateway'] });
    expect(shown(findings)).toEqual([`other-user: mallory delete ${pod}`]);
  });
});

describe("the gateway's own calls", () => {
  const attempt: RecordEntry = {
    kind: 'attempt',
    requestId: 'request-1',
    cluster: 'prod',
    attemptId: 'own-1',
    purpose: 'live',
    method: 'GET',
    target: '/api/v1/namespaces/payments/secrets/a',
    user: { issuer: '', subject: '', username: '' },
  };
  const own = (more: object = {}): object =>
    event({ auditID: 'own-1', verb: 'get', requestURI: attempt.target, ...more });

  test('are explained by their attempts', () => {
    expect(reconcile({ records: [attempt], events: [own()] }).findings).toEqual([]);
  });

  test('are told where they asked for something else', () => {
    const { findings } = reconcile({ records: [attempt], events: [own({ requestURI: '/other' })] });
    expect(findings[0]?.detail).toContain('requestURI');
  });
});

describe('a call that no record explains', () => {
  test.each([
    { name: 'a write', more: {}, found: true },
    {
      name: 'a read of a secret',
      more: { verb: 'get', objectRef: { resource: 'secrets' } },
      found: true,
    },
    {
      name: 'a list of secrets',
      more: { verb: 'list', objectRef: { resource: 'secrets' } },
      found: true,
    },
    {
      name: 'an exec',
      more: { verb: 'get', objectRef: { resource: 'pods', subresource: 'exec' } },
      found: true,
    },
    { name: 'a plain read', more: { verb: 'list' }, found: false },
    {
      name: 'discovery',
      more: { verb: 'get', objectRef: undefined, requestURI: '/api' },
      found: false,
    },
  ])('is told: $name, $found', ({ more, found }) => {
    const { findings, counts } = reconcile({ events: [direct(more)] });
    expect(findings.map(({ kind }) => kind)).toEqual(found ? ['unrecorded'] : []);
    expect(counts.plainReads).toBe(found ? 0 : 1);
  });

  test('is told once, also where the log ends before it did', () => {
    const begun = stage('RequestReceived', { auditID: 'direct', user: { username: 'mallory' } });
    expect(shown(reconcile({ events: [begun] }).findings)).toEqual([
      `unrecorded: mallory delete ${pod}`,
    ]);
    expect(reconcile({ events: [begun, direct()] }).findings).toHaveLength(1);
  });

  test('of an ignored user is counted, not told', () => {
    const events = [direct({ user: { username: 'system:node:a' } })];
    const { findings, counts } = reconcile({ events });
    expect([findings, counts.ignored]).toEqual([[], 1]);
    expect(reconcile({ events, ignoredUsers: [] }).findings).toHaveLength(1);
  });

  test("with the gateway's credential is told, plain reads and ignored names too, whenever that shows", () => {
    const user = { username: 'system:serviceaccount:holdgate:gateway' };
    const events = [
      direct({ verb: 'list', user }),
      direct({ auditID: 'direct-2', user }),
      event({ user }),
    ];
    const { findings } = reconcile({ records: call, events });
    expect(findings.map(({ kind, auditId }) => `${kind} ${auditId}`).toSorted()).toEqual([
      'gateway-credential direct',
      'gateway-credential direct-2',
    ]);
  });

  test('outside the time is not looked at', () => {
    const { findings, counts } = reconcile({ events: [direct()], sinceMs: Date.parse(at(31)) });
    expect([findings, counts.calls]).toEqual([[], 0]);
  });
});

describe('a call that the cluster is on record to have answered', () => {
  const missing = (records: readonly RecordEntry[], more: Partial<World> = {}) =>
    reconcile({ records, events: around, ...more }).findings.map(({ kind }) => kind);

  test('is told where the log does not have it', () => {
    expect(missing(call)).toEqual(['missing']);
  });

  test('is not told where it was not sent, or is a plain read', () => {
    expect(missing([someDecision(), someOutcome({ upstreamStatus: 0 })])).toEqual([]);
    const read = [
      someDecision({}, { verb: 'get', wire: { method: 'GET', verb: 'get' } }),
      someOutcome(),
    ];
    expect(missing(read)).toEqual([]);
    expect(missing(read, { reads: true })).toContain('missing');
  });

  test('is not told at the edges of the log, where clocks differ', () => {
    expect(missing(call, { events: [around[0] ?? {}] })).toEqual([]);
  });

  test("is not told of another cluster, whose calls are in another cluster's log", () => {
    const other = [
      someDecision({ requestId: 'request-2', cluster: 'test' }),
      someOutcome({ requestId: 'request-2', cluster: 'test' }),
    ];
    expect(missing([...call, ...other], { events: [...around, event()] })).toEqual([]);
    expect(missing([...call, ...other], { cluster: 'test' })).toEqual(['missing']);
  });
});
