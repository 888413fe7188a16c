import { describe, expect, test } from 'vitest';
import type { FakeRequest } from '../support/fake-exchange.ts';
import {
  decision,
  flowWorld,
  mask,
  scriptedAnswer,
  type WorldOptions,
} from '../support/flow-world.ts';

const POD = '/api/v1/namespaces/shop/pods/a';

type Row = {
  readonly name: string;
  readonly request: FakeRequest;
  readonly world?: WorldOptions;
  readonly http: number;
  readonly code: string;
};

const rows: readonly Row[] = [
  {
    name: 'no token',
    request: { target: POD, headers: { authorization: '' } },
    http: 401,
    code: 'HOLDGATE_IDENTIFY_TOKEN_MISSING',
  },
  {
    name: 'an encoded slash',
    request: { target: '/api/v1/namespaces/shop/pods/a%2Fexec' },
    http: 400,
    code: 'HOLDGATE_LISTEN_TARGET_MALFORMED',
  },
  {
    name: 'an absolute target',
    request: { target: 'http://evil/api' },
    http: 400,
    code: 'HOLDGATE_LISTEN_TARGET_MALFORMED',
  },
  {
    name: 'an unknown cluster',
    request: { target: `/clusters/nowhere${POD}` },
    http: 404,
    code: 'HOLDGATE_LISTEN_CLUSTER_UNKNOWN',
  },
  {
    name: 'an unknown method',
    request: { method: 'TRACE', target: POD },
    http: 400,
    code: 'HOLDGATE_LISTEN_METHOD_UNKNOWN',
  },
  {
    name: 'a body that is not JSON',
    request: {
      method: 'POST',
      target: '/api/v1/namespaces/shop/pods',
      body: '{"kind":',
      headers: { 'content-type': 'application/json' },
    },
    http: 400,
    code: 'HOLDGATE_PARSE_BODY_INVALID',
  },
  {
    name: 'a duplicate key',
    request: {
      method: 'POST',
      target: '/api/v1/namespaces/shop/pods',
      body: '{"kind":"Pod","apiVersion":"v1","spec":{"hostPID":true},"spec":{}}',
      headers: { 'content-type': 'application/json' },
    },
    http: 400,
    code: 'HOLDGATE_PARSE_BODY_INVALID',
  },
  {
    name: 'YAML that reads in two ways',
    request: {
      method: 'PATCH',
      target: `${POD}?fieldManager=me`,
      body: 'apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostPID: on}\n',
      headers: { 'content-type': 'application/apply-patch+yaml' },
    },
    http: 400,
    code: 'HOLDGATE_PARSE_BODY_INVALID',
  },
  {
    name: 'a policy that denies',
    request: { method: 'DELETE', target: POD },
    world: {
      decide: () =>
        decision({
          verdict: 'deny',
          because: [{ rule: 'surfaces', id: 'x', reason: 'because', instead: 'ask' }],
        }),
    },
    http: 403,
    code: 'HOLDGATE_DECIDE_DENIED',
  },
  {
    name: 'a policy that fails',
    request: { target: POD },
    world: {
      decide: () =>
        decision({ verdict: 'deny', because: [], failure: 'rules/x/x.rego:3: eval conflict' }),
    },
    http: 403,
    code: 'HOLDGATE_DECIDE_POLICY_FAILED',
  },
  {
    name: 'no policy',
    request: { target: POD },
    world: { noPolicy: true },
    http: 503,
    code: 'HOLDGATE_DECIDE_POLICY_MISSING',
  },
  {
    name: 'exec without an upgrade',
    request: { target: `${POD}/exec?command=ls` },
    http: 400,
    code: 'HOLDGATE_FORWARD_STREAM_UNSUPPORTED',
  },
  {
    name: 'exec over HTTP/2',
    request: { target: `${POD}/exec?command=ls`, upgrade: 'websocket' },
    http: 400,
    code: 'HOLDGATE_FORWARD_STREAM_UNSUPPORTED',
  },
  {
    name: 'an upgrade of a proxied service',
    request: { target: '/api/v1/namespaces/a/services/web/proxy/ws', upgrade: 'websocket' },
    http: 403,
    code: 'HOLDGATE_LISTEN_UPGRADE_REFUSED',
  },
  {
    name: 'a watch over WebSocket',
    request: { target: '/api/v1/pods?watch=1', upgrade: 'websocket' },
    http: 403,
    code: 'HOLDGATE_LISTEN_UPGRADE_REFUSED',
  },
  {
    name: 'a watch of what is masked',
    request: { target: '/api/v1/secrets?watch=1' },
    world: { decide: () => decision({ mask: [mask('data.*')] }) },
    http: 403,
    code: 'HOLDGATE_MASK_UNMASKABLE',
  },
  {
    name: 'a masked read that takes only protobuf',
    request: {
      target: '/api/v1/namespaces/shop/secrets/a',
      headers: { accept: 'application/vnd.kubernetes.protobuf' },
    },
    world: { decide: () => decision({ mask: [mask('data.*')] }) },
    http: 406,
    code: 'HOLDGATE_MASK_NOT_ACCEPTABLE',
  },
];

describe('whatever is refused is recorded, and nothing is forwarded', () => {
  test.each(rows)('$name', async ({ request, world: options, http, code }) => {
    const world = flowWorld(options);
    const exchange = await world.call(request);
    expect(exchange.answer.status).toBe(http);
    expect(exchange.json()).toMatchObject({ kind: 'Status', status: 'Failure', code: http });
    expect(String(exchange.json()['message'])).toContain(code);
    expect(exchange.answer.headers['audit-id']).toBe('id-1');
    expect(world.sent).toEqual([]);
    const kinds = world.records.map((entry) => entry.kind);
    expect(kinds.toSorted()).toEqual(['decision', 'outcome']);
    expect(world.records.find((entry) => entry.kind === 'decision')).toMatchObject({
      code,
      requestId: 'id-1',
    });
    expect(world.records.find((entry) => entry.kind === 'outcome')).toMatchObject({
      status: http,
      code,
    });
  });
});

test('who called is on record, also where the request was refused before policy saw it', async () => {
  const world = flowWorld();
  await world.call({ target: '/clusters/nowhere/api' });
  expect(world.records.find((entry) => entry.kind === 'decision')).toMatchObject({
    user: { username: 'agent-1' },
    input: null,
  });
});

describe('a recorder that is down means 503, and nothing is forwarded', () => {
  test.each([
    { name: 'a write', request: { method: 'DELETE', target: POD }, forwarded: 0 },
    {
      name: 'a read of a secret',
      request: { target: '/api/v1/namespaces/shop/secrets/a' },
      forwarded: 0,
    },
  ])('$name', async ({ request, forwarded }) => {
    const world = flowWorld();
    world.broken.recorder = true;
    const exchange = await world.call(request);
    expect(exchange.answer.status).toBe(503);
    expect(exchange.answer.headers['retry-after']).toBeUndefined();
    expect(world.sent).toHaveLength(forwarded);
  });

  test('a plain read may be asked for, and not a byte of its answer is passed on', async () => {
    const world = flowWorld({ upstream: () => scriptedAnswer({ body: { secretly: 'seen' } }) });
    world.broken.recorder = true;
    const exchange = await world.call({ target: POD });
    expect(exchange.answer.status).toBe(503);
    expect(exchange.text()).not.toContain('seen');
  });

  test('a recorder known to be down refuses before any work is done', async () => {
    const world = flowWorld();
    world.broken.recorderSaysSo = true;
    const exchange = await world.call({ target: POD });
    expect(exchange.answer.status).toBe(503);
    expect(world.inputs).toEqual([]);
    expect(world.sent).toEqual([]);
  });
});

describe('a cluster that fails is told apart from one that may have acted', () => {
  test.each([
    { upstream: 'unreachable', http: 503, code: 'HOLDGATE_FORWARD_UNREACHABLE' },
    { upstream: 'broken', http: 502, code: 'HOLDGATE_FORWARD_BROKEN' },
  ] as const)('$upstream', async ({ upstream, http, code }) => {
    const world = flowWorld({ upstream: () => upstream });
    const exchange = await world.call({ method: 'DELETE', target: POD });
    expect(exchange.answer.status).toBe(http);
    expect(world.records.find((entry) => entry.kind === 'outcome')).toMatchObject({
      code,
      endedBy: 'upstream',
    });
  });
});

test('an unforeseen failure is refused, recorded, and never passes', async () => {
  const world = flowWorld({
    decide: () => {
      throw new Error('a bug');
    },
  });
  const exchange = await world.call({ target: POD });
  expect(exchange.answer.status).toBe(500);
  expect(exchange.text()).not.toContain('a bug');
  expect(world.sent).toEqual([]);
  expect(world.records.find((entry) => entry.kind === 'outcome')).toMatchObject({
    endedBy: 'bug',
    complete: false,
  });
});
