import { describe, expect, test } from 'vitest';
import { refusal } from '../../src/base/errors.ts';
import { err, ok } from '../../src/base/result.ts';
import { afterImageDigest } from '../../src/hold/after-image.ts';
import type { DriftGuard } from '../../src/hold/approval.ts';
import { executeGuarded, type Execution } from '../../src/hold/execute.ts';
import type { GuardedRequest } from '../../src/hold/guard.ts';
import type { GuardReader } from '../../src/hold/live-object.ts';
import type { JsonObject } from '../../src/kube/request.ts';
import { scriptedAnswer, type Scripted } from '../support/flow-world.ts';
import {
  aggregated,
  apply,
  deployment as object,
  eviction,
  guardedRequest as request,
  merge,
} from '../support/guarded-requests.ts';

const BEFORE = afterImageDigest(object('0'), false);
const AFTER = afterImageDigest(object('0', 3), false);
const changed: DriftGuard = { kind: 'after-image', uid: 'u-1', afterImage: AFTER };

type Script = {
  readonly guard: DriftGuard;
  readonly request: GuardedRequest;
  /** The live object at each read; the last one repeats. Null: it is gone. */
  readonly live: readonly (JsonObject | 'unreadable' | null)[];
  readonly after?: JsonObject;
  /** The dry run's answer where the cluster refuses it. */
  readonly refused?: { readonly status: number; readonly message: string };
  /** The dry run that must not be made. */
  readonly noDryRun?: true;
  /** The cluster's answers, or how sending fails. */
  readonly answers: readonly (Scripted | 'unreachable' | 'broken')[];
};

async function execute(script: Script) {
  const sent: { body: unknown; guard: string; attempt: number }[] = [];
  let reads = 0;
  const reader: GuardReader = {
    live: () => {
      const now = script.live[Math.min(reads, script.live.length - 1)] ?? null;
      reads += 1;
      const read =
        now === 'unreadable'
          ? { status: 500, object: null }
          : { status: now === null ? 404 : 200, object: now };
      return Promise.resolve(ok({ ...read, body: Buffer.alloc(0) }));
    },
    dryRun: () => {
      if (script.noDryRun === true) throw new Error('a dry run was made');
      const { refused } = script;
      const answer: JsonObject =
        refused === undefined
          ? (script.after ?? object('0', 3))
          : { kind: 'Status', message: refused.message };
      const body = Buffer.from(JSON.stringify(answer));
      return Promise.resolve(ok({ status: refused?.status ?? 200, object: answer, body }));
    },
    crdExists: () => Promise.reject(new Error('not asked for at a release')),
  };
  const send: Execution['send'] = ({ body, guard, attempt }) => {
    const answer = script.answers[sent.length] ?? 'broken';
    sent.push({ body: body === null ? null : JSON.parse(body.toString()), guard, attempt });
    if (answer === 'unreachable')
      return Promise.resolve(err(refusal('HOLDGATE_FORWARD_UNREACHABLE', 'no')));
    if (answer === 'broken')
      return Promise.resolve(err(refusal('HOLDGATE_FORWARD_BROKEN', 'reset')));
    return Promise.resolve(ok(scriptedAnswer(answer)));
  };
  const end = await executeGuarded({ guard: script.guard, request: script.request, reader, send });
  return { end, sent };
}

const conflict: Scripted = { status: 409, body: { kind: 'Status', reason: 'Conflict' } };
const fieldManager: Scripted = {
  status: 409,
  body: {
    kind: 'Status',
    reason: 'Conflict',
    details: { causes: [{ reason: 'FieldManagerConflict' }] },
  },
};

describe('an approved change runs only as it was approved', () => {
  test.each<{ name: string; script: Script; end: string; sent: number }>([
    {
      name: 'nothing moved',
      script: { guard: changed, request: merge, live: [object('5')], answers: [{ status: 200 }] },
      end: 'answer 200',
      sent: 1,
    },
    {
      name: 'another object has the name',
      script: { guard: changed, request: merge, live: [object('5', 2, 'u-2')], answers: [] },
      end: 'stale',
      sent: 0,
    },
    {
      name: 'the object is gone',
      script: { guard: changed, request: merge, live: [null], answers: [] },
      end: 'stale',
      sent: 0,
    },
    {
      name: 'the outcome would be another',
      script: {
        guard: changed,
        request: merge,
        live: [object('5')],
        after: object('0', 9),
        answers: [],
      },
      end: 'stale',
      sent: 0,
    },
    {
      name: 'one write in between',
      script: {
        guard: changed,
        request: merge,
        live: [object('5'), object('6'), object('6')],
        answers: [conflict, { status: 200 }],
      },
      end: 'answer 200',
      sent: 2,
    },
    {
      name: 'three writes in between',
      script: {
        guard: changed,
        request: merge,
        live: [object('5'), object('6'), object('6'), object('7'), object('7'), object('8')],
        answers: [conflict, conflict, conflict],
      },
      end: 'stale',
      sent: 3,
    },
    {
      name: "a field manager's conflict",
      script: { guard: changed, request: merge, live: [object('5')], answers: [fieldManager] },
      end: 'answer 409',
      sent: 1,
    },
    {
      name: 'a conflict while nobody wrote',
      script: { guard: changed, request: merge, live: [object('5')], answers: [conflict] },
      end: 'answer 409',
      sent: 1,
    },
    {
      name: "a conflict with the client's own resourceVersion",
      script: {
        guard: changed,
        request: request(
          'PUT',
          '{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","resourceVersion":"1"},"spec":{"replicas":3}}',
        ),
        live: [object('5'), object('6')],
        answers: [conflict],
      },
      end: 'answer 409',
      sent: 1,
    },
    {
      name: 'no connection',
      script: { guard: changed, request: merge, live: [object('5')], answers: ['unreachable'] },
      end: 'broken, not sent',
      sent: 1,
    },
    {
      name: 'a broken connection',
      script: { guard: changed, request: merge, live: [object('5')], answers: ['broken'] },
      end: 'broken, sent',
      sent: 1,
    },
    {
      name: 'a delete',
      script: {
        guard: { kind: 'delete', uid: 'u-1' },
        request: request('DELETE'),
        live: [object('5')],
        answers: [{ status: 200 }],
      },
      end: 'answer 200',
      sent: 1,
    },
    {
      name: 'a delete of another object',
      script: {
        guard: { kind: 'delete', uid: 'u-1' },
        request: request('DELETE'),
        live: [object('5', 2, 'u-2')],
        answers: [],
      },
      end: 'stale',
      sent: 0,
    },
    {
      name: 'a delete that lost the race',
      script: {
        guard: { kind: 'delete', uid: 'u-1' },
        request: request('DELETE'),
        live: [object('5'), object('9', 2, 'u-2')],
        answers: [conflict],
      },
      end: 'stale',
      sent: 1,
    },
    {
      name: 'the object cannot be read',
      script: { guard: changed, request: merge, live: ['unreadable'], answers: [] },
      end: 'broken, not sent',
      sent: 0,
    },
    {
      name: "a field manager's conflict that the dry run meets first",
      script: {
        guard: changed,
        request: apply,
        live: [object('5')],
        refused: { status: 409, message: 'Apply failed with 1 conflict' },
        answers: [],
      },
      end: 'answer 409',
      sent: 0,
    },
    {
      name: 'a dry run that fails for no reason of its own',
      script: {
        guard: changed,
        request: merge,
        live: [object('5')],
        refused: { status: 500, message: 'etcd' },
        answers: [],
      },
      end: 'broken, not sent',
      sent: 0,
    },
    {
      name: 'a failed test that nobody else caused',
      script: {
        guard: changed,
        request: merge,
        live: [object('5')],
        answers: [{ status: 422, body: { kind: 'Status', reason: 'Invalid' } }],
      },
      end: 'answer 422',
      sent: 1,
    },
    {
      name: 'an eviction',
      script: {
        guard: { kind: 'object', uid: 'u-1' },
        request: eviction(),
        live: [object('5')],
        answers: [{ status: 201 }],
      },
      end: 'answer 201',
      sent: 1,
    },
    {
      name: 'an eviction of the pod that took the name',
      script: {
        guard: { kind: 'object', uid: 'u-1' },
        request: eviction(),
        live: [object('5', 2, 'u-2')],
        answers: [],
      },
      end: 'stale',
      sent: 0,
    },
    {
      name: "an eviction with another uid of the caller's",
      script: {
        guard: { kind: 'object', uid: 'u-1' },
        request: eviction('{"preconditions":{"uid":"u-9"}}'),
        live: [object('5')],
        answers: [],
      },
      end: 'stale',
      sent: 0,
    },
    {
      name: 'an apply that creates',
      script: {
        guard: { kind: 'absent', uid: '' },
        request: apply,
        live: [null],
        noDryRun: true,
        answers: [{ status: 201 }],
      },
      end: 'answer 201',
      sent: 1,
    },
    {
      name: 'an apply that was to create, and finds an object',
      script: {
        guard: { kind: 'absent', uid: '' },
        request: apply,
        live: [object('5')],
        answers: [],
      },
      end: 'stale',
      sent: 0,
    },
    {
      name: 'an update where no dry run can be made, of an object that stayed',
      script: {
        guard: { kind: 'after-image', uid: 'u-1', afterImage: `live-${BEFORE}` },
        request: aggregated,
        live: [object('5'), object('6')],
        noDryRun: true,
        answers: [{ status: 200 }],
      },
      end: 'answer 200',
      sent: 1,
    },
    {
      name: 'an update where no dry run can be made, of an object that changed',
      script: {
        guard: { kind: 'after-image', uid: 'u-1', afterImage: `live-${BEFORE}` },
        request: aggregated,
        live: [object('5', 7)],
        noDryRun: true,
        answers: [],
      },
      end: 'stale',
      sent: 0,
    },
    {
      name: 'what has no guard',
      script: { guard: { kind: 'none' }, request: merge, live: [], answers: [conflict] },
      end: 'answer 409',
      sent: 1,
    },
  ])('$name: $end', async ({ script, end: expected, sent: times }) => {
    const { end, sent } = await execute(script);
    const said = {
      answer: () => `answer ${end.kind === 'answer' ? end.answer.status : ''}`,
      stale: () => 'stale',
      broken: () => (end.kind === 'broken' && end.sent ? 'broken, sent' : 'broken, not sent'),
    }[end.kind]();
    expect(said).toBe(expected);
    expect(sent).toHaveLength(times);
  });
});

describe('the guard stands in what is sent', () => {
  test.each<{ name: string; request: GuardedRequest; body: unknown }>([
    {
      name: 'a merge patch',
      request: merge,
      body: { spec: { replicas: 3 }, metadata: { resourceVersion: '5' } },
    },
    {
      name: 'a JSON patch',
      request: request(
        'PATCH',
        '[{"op":"replace","path":"/spec/replicas","value":3}]',
        'application/json-patch+json',
      ),
      body: [
        { op: 'test', path: '/metadata/resourceVersion', value: '5' },
        { op: 'replace', path: '/spec/replicas', value: 3 },
      ],
    },
    {
      name: 'a server-side apply',
      request: request(
        'PATCH',
        'kind: Deployment\napiVersion: apps/v1\nmetadata:\n  name: web\nspec:\n  replicas: 3\n',
        'application/apply-patch+yaml',
      ),
      body: {
        kind: 'Deployment',
        apiVersion: 'apps/v1',
        metadata: { name: 'web', resourceVersion: '5' },
        spec: { replicas: 3 },
      },
    },
  ])('$name', async ({ request: guarded, body }) => {
    const { sent } = await execute({
      guard: changed,
      request: guarded,
      live: [object('5')],
      answers: [{ status: 200 }],
    });
    expect(sent[0]).toMatchObject({ body, attempt: 1 });
    expect(sent[0]?.guard).toContain('resourceVersion=5');
  });

  test('an eviction keeps its own options', async () => {
    const { sent } = await execute({
      guard: { kind: 'object', uid: 'u-1' },
      request: eviction('{"gracePeriodSeconds":5,"preconditions":{"resourceVersion":"5"}}'),
      live: [object('5')],
      answers: [{ status: 201 }],
    });
    expect(sent[0]).toMatchObject({
      guard: 'uid=u-1',
      body: {
        kind: 'Eviction',
        deleteOptions: {
          gracePeriodSeconds: 5,
          preconditions: { resourceVersion: '5', uid: 'u-1' },
        },
      },
    });
  });

  test("a client's own resourceVersion stands as it was sent", async () => {
    const { sent } = await execute({
      guard: changed,
      request: request(
        'PUT',
        '{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","resourceVersion":"1"}}',
      ),
      live: [object('5')],
      answers: [{ status: 200 }],
    });
    expect(sent[0]).toMatchObject({
      guard: "the client's resourceVersion",
      body: { metadata: { resourceVersion: '1' } },
    });
  });

  test("a refused dry run is handed on in the cluster's own words", async () => {
    const { end } = await execute({
      guard: changed,
      request: apply,
      live: [object('5')],
      refused: { status: 409, message: 'conflict with "helm"' },
      answers: [],
    });
    const body = end.kind === 'answer' ? end.answer.body.toString() : '';
    expect(JSON.parse(body)).toEqual({ kind: 'Status', message: 'conflict with "helm"' });
  });

  test('a delete', async () => {
    const { sent } = await execute({
      guard: { kind: 'delete', uid: 'u-1' },
      request: request('DELETE'),
      live: [object('5')],
      answers: [{ status: 200 }],
    });
    expect(sent[0]).toMatchObject({ body: { preconditions: { uid: 'u-1' } }, guard: 'uid=u-1' });
  });
});
