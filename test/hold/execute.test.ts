import { describe, expect, test } from 'vitest';
import { refusal } from '../../src/base/errors.ts';
import { err, ok } from '../../src/base/result.ts';
import { afterImageDigest } from '../../src/hold/after-image.ts';
import type { DriftGuard } from '../../src/hold/approval.ts';
import { executeGuarded, type Execution } from '../../src/hold/execute.ts';
import { openGuard, type GuardedRequest, type GuardReader } from '../../src/hold/guard.ts';
import { readBody } from '../../src/kube/bodies.ts';
import { requestAttributes } from '../../src/kube/attributes.ts';
import { requestInfo } from '../../src/kube/request-info.ts';
import type { JsonObject } from '../../src/kube/request.ts';
import { parseTarget } from '../../src/kube/target.ts';
import { scriptedAnswer, type Scripted } from '../support/flow-world.ts';

const PATH = '/apis/apps/v1/namespaces/shop/deployments/web';

const object = (resourceVersion: string, replicas = 2, uid = 'u-1'): JsonObject => ({
  kind: 'Deployment',
  apiVersion: 'apps/v1',
  metadata: { name: 'web', uid, resourceVersion },
  spec: { replicas },
});

function request(method: string, body = '', contentType = 'application/json'): GuardedRequest {
  const target = parseTarget(PATH);
  const info = target.ok ? requestInfo(method, target.value) : target;
  if (!target.ok || !info.ok) throw new Error('target');
  const attributes = requestAttributes(method, target.value, info.value);
  if (!attributes.ok) throw new Error('attributes');
  const read = readBody({
    attributes: attributes.value,
    method,
    contentType,
    contentEncoding: '',
    bytes: Buffer.from(body),
  });
  if (!read.ok) throw new Error(read.error.message);
  return {
    attributes: attributes.value,
    body: read.value,
    deleteOptions: method === 'DELETE' ? {} : null,
  };
}

const merge = request('PATCH', '{"spec":{"replicas":3}}', 'application/merge-patch+json');
const AFTER = afterImageDigest(object('0', 3), false);
const changed: DriftGuard = { kind: 'after-image', uid: 'u-1', afterImage: AFTER };

type Script = {
  readonly guard: DriftGuard;
  readonly request: GuardedRequest;
  /** The live object at each read; the last one repeats. Null: it is gone. */
  readonly live: readonly (JsonObject | null)[];
  readonly after?: JsonObject;
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
      return Promise.resolve(
        ok({ status: now === null ? 404 : 200, object: now, body: Buffer.alloc(0) }),
      );
    },
    dryRun: () =>
      Promise.resolve(
        ok({ status: 200, object: script.after ?? object('0', 3), body: Buffer.alloc(0) }),
      ),
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

describe('what an approval is about is fixed when it opens', () => {
  const reader = (live: JsonObject | null, dryRunStatus = 200): GuardReader => ({
    live: () =>
      Promise.resolve(
        ok({ status: live === null ? 404 : 200, object: live, body: Buffer.alloc(0) }),
      ),
    dryRun: () =>
      Promise.resolve(ok({ status: dryRunStatus, object: object('0', 3), body: Buffer.alloc(0) })),
  });
  test.each<{
    name: string;
    request: GuardedRequest;
    live: JsonObject | null;
    dryRun?: number;
    guard: unknown;
  }>([
    {
      name: 'a delete',
      request: request('DELETE'),
      live: object('5'),
      guard: { kind: 'delete', uid: 'u-1' },
    },
    { name: 'a patch', request: merge, live: object('5'), guard: changed },
    {
      name: 'a delete of nothing',
      request: request('DELETE'),
      live: null,
      guard: 'HOLDGATE_HOLD_TARGET_MISSING',
    },
    {
      name: 'a patch that the cluster refuses',
      request: merge,
      live: object('5'),
      dryRun: 422,
      guard: 'HOLDGATE_HOLD_TARGET_MISSING',
    },
    {
      name: 'an apply that creates',
      request: request('PATCH', '{}', 'application/apply-patch+yaml'),
      live: null,
      guard: { kind: 'none' },
    },
  ])('$name', async ({ request: guarded, live, dryRun, guard }) => {
    const made = await openGuard(guarded, reader(live, dryRun));
    expect(made.ok ? made.value : made.error.code).toEqual(guard);
  });
});
