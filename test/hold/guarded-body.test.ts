import { expect, test } from 'vitest';
import { boundToLive } from '../../src/flow/bind-live.ts';
import type { Passing } from '../../src/flow/passing.ts';
import { guardedBody, uidBoundBody } from '../../src/hold/guarded-body.ts';
import type { JsonObject } from '../../src/kube/request.ts';
import { attributesOf } from '../support/kube-requests.ts';

const PROTOBUF = 'application/vnd.kubernetes.protobuf';
const pod = '/api/v1/namespaces/payments/pods/x';

/** A request whose body came as protobuf. */
const sent = (method: string, path: string, value: JsonObject) => ({
  attributes: attributesOf(method, path),
  body: {
    kind: 'parsed' as const,
    value,
    bytes: Buffer.from('k8s\0...'),
    contentType: PROTOBUF,
  },
  deleteOptions: null,
});

const json = (bytes: Buffer | null): unknown => JSON.parse(bytes?.toString() ?? 'null');

/** Protobuf bytes take no guard: the object that was read from them is sent in their place, and says that it is JSON. */
test('a guarded update that came as protobuf is sent as JSON', () => {
  const update = sent('PUT', pod, { kind: 'Pod', metadata: { name: 'x' } });
  const guarded = guardedBody(update, '7');
  expect(guarded.contentType).toBe('application/json');
  expect(json(guarded.bytes)).toEqual({
    kind: 'Pod',
    metadata: { name: 'x', resourceVersion: '7' },
  });
});

test('an update with its own resourceVersion is sent in the bytes in which it came', () => {
  const update = sent('PUT', pod, { metadata: { resourceVersion: '3' } });
  const guarded = guardedBody(update, '7');
  expect(guarded).toMatchObject({ bytes: update.body.bytes, contentType: PROTOBUF, ours: false });
});

test('an eviction that came as protobuf is bound to its pod as JSON', () => {
  const bound = uidBoundBody(sent('POST', `${pod}/eviction`, { kind: 'Eviction' }), 'u1');
  expect(bound?.contentType).toBe('application/json');
  expect(json(bound?.bytes ?? null)).toEqual({
    kind: 'Eviction',
    deleteOptions: { preconditions: { uid: 'u1' } },
  });
});

test('an update that is bound to the object that policy saw is sent as JSON', () => {
  const request = sent('PUT', pod, { kind: 'Pod', metadata: { name: 'x' } });
  const passing = { examined: { liveUid: 'u1' }, request } as unknown as Passing;
  const plain = { body: request.body.bytes, contentType: PROTOBUF };
  const bound = boundToLive(passing, plain);
  expect(bound.contentType).toBe('application/json');
  expect(json(bound.body)).toEqual({ kind: 'Pod', metadata: { name: 'x', uid: 'u1' } });
});
