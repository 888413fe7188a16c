import { describe, expect, test } from 'vitest';
import type { FakeRequest } from '../support/fake-exchange.ts';
import { decision, flowWorld, scriptedAnswer, type World } from '../support/flow-world.ts';

const POD = '/api/v1/namespaces/shop/pods/a';
const live = {
  kind: 'Pod',
  apiVersion: 'v1',
  metadata: { name: 'a', uid: 'u-1', labels: { tier: 'x' } },
};

const world = (status = 200): World =>
  flowWorld({
    fetchesLive: () => true,
    decide: () => decision(),
    upstream: (request) =>
      scriptedAnswer(
        request.method === 'GET' ? { status, body: live } : { body: { kind: 'Status' } },
      ),
  });

const sentBody = (one: World): unknown => JSON.parse(one.sent.at(-1)?.body?.toString() ?? 'null');

describe('a rule that fetches the live object sees it, and the write is bound to it', () => {
  test.each<{ name: string; request: FakeRequest; body: unknown }>([
    {
      name: 'delete',
      request: { method: 'DELETE', target: `${POD}?gracePeriodSeconds=0` },
      body: {
        kind: 'DeleteOptions',
        gracePeriodSeconds: 0,
        preconditions: { uid: 'u-1' },
      },
    },
    {
      name: 'a merge patch',
      request: {
        method: 'PATCH',
        target: POD,
        body: '{"spec":{}}',
        headers: { 'content-type': 'application/merge-patch+json' },
      },
      body: { spec: {}, metadata: { uid: 'u-1' } },
    },
    {
      name: 'a JSON patch',
      request: {
        method: 'PATCH',
        target: POD,
        body: '[{"op":"remove","path":"/x"}]',
        headers: { 'content-type': 'application/json-patch+json' },
      },
      body: [
        { op: 'test', path: '/metadata/uid', value: 'u-1' },
        { op: 'remove', path: '/x' },
      ],
    },
    {
      name: "an update that names a uid keeps the caller's",
      request: {
        method: 'PUT',
        target: POD,
        body: '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","uid":"mine"}}',
        headers: { 'content-type': 'application/json' },
      },
      body: { kind: 'Pod', apiVersion: 'v1', metadata: { name: 'a', uid: 'mine' } },
    },
  ])('$name', async ({ request, body }) => {
    const one = world();
    const exchange = await one.call(request);
    expect(exchange.answer.status).toBe(200);
    expect(one.inputs[0]?.live).toEqual(live);
    expect(one.records[0]).toMatchObject({ kind: 'attempt', purpose: 'live', target: POD });
    expect(sentBody(one)).toMatchObject(body as object);
  });
});

test('an object that does not exist is null to policy', async () => {
  const one = world(404);
  await one.call({ method: 'DELETE', target: POD });
  expect(one.inputs[0]?.live).toBeNull();
});

test.each([500, 403, 429])(
  'a live object that cannot be read (%i) is a 503, and nothing is sent',
  async (status) => {
    const one = world(status);
    const exchange = await one.call({ method: 'DELETE', target: POD });
    expect(exchange.answer.status).toBe(503);
    expect(one.sent.map((request) => request.method)).toEqual(['GET']);
  },
);
