import { describe, expect, test } from 'vitest';
import { refusal } from '../../src/base/errors.ts';
import { err, ok } from '../../src/base/result.ts';
import type { UpstreamAnswer } from '../../src/forward/index.ts';
import { fakeExchange } from '../support/fake-exchange.ts';
import { agent, decision, flowWorld, mask, scriptedAnswer } from '../support/flow-world.ts';

const POD = '/api/v1/namespaces/shop/pods/a';

test('an allowed read passes unchanged, with our Audit-ID on both legs and the decision beside its outcome', async () => {
  const world = flowWorld({
    upstream: () => scriptedAnswer({ body: 'as it is', headers: { 'content-type': 'text/plain' } }),
  });
  const exchange = await world.call({ target: `${POD}?pretty=true` });
  expect(exchange.answer).toMatchObject({ status: 200, ended: true });
  expect(exchange.text()).toBe('as it is');
  expect(exchange.answer.headers['audit-id']).toBe('id-1');
  expect(world.sent[0]).toMatchObject({
    auditId: 'id-1',
    method: 'GET',
    target: `${POD}?pretty=true`,
  });
  expect(world.records.map((entry) => entry.kind)).toEqual(['decision', 'outcome']);
  expect(world.records[1]).toMatchObject({
    status: 200,
    upstreamStatus: 200,
    complete: true,
    endedBy: 'answer',
    bytesSent: 8,
  });
});

test('the decision of a write is committed before a byte of it leaves', async () => {
  const order: string[] = [];
  const world = flowWorld({
    upstream: () => {
      order.push(`sent after ${world.records.length} record`);
      return scriptedAnswer({});
    },
  });
  await world.call({ method: 'DELETE', target: POD });
  expect(order).toEqual(['sent after 1 record']);
});

test('discovery passes without a policy being asked', async () => {
  const world = flowWorld();
  const exchange = await world.call({ target: '/api' });
  expect(exchange.answer.status).toBe(200);
  expect(world.inputs).toEqual([]);
  expect(world.records[0]).toMatchObject({ because: [{ rule: 'gate', id: 'discovery' }] });
});

test('a YAML body goes upstream as the JSON that policy saw', async () => {
  const world = flowWorld();
  await world.call({
    method: 'PATCH',
    target: `${POD}?fieldManager=me`,
    body: 'apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n',
    headers: { 'content-type': 'application/apply-patch+yaml' },
  });
  expect(JSON.parse(world.sent[0]?.body?.toString() ?? '')).toEqual({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a' },
  });
  expect(world.inputs[0]?.request.patch).toEqual({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'a' },
  });
});

describe('a patch is decided on the object that it would make', () => {
  const patch = {
    method: 'PATCH',
    target: `${POD}?fieldManager=me`,
    body: '{"metadata":{"labels":{"a":"b"}}}',
    headers: { 'content-type': 'application/merge-patch+json' },
  };
  const stored = { kind: 'Pod', apiVersion: 'v1', metadata: { name: 'a', labels: { a: 'b' } } };

  test('by a dry run that is recorded before it is made', async () => {
    const order: string[] = [];
    const world = flowWorld({
      readsObject: true,
      upstream: (request) => {
        order.push(`${request.target} after ${world.records.map((entry) => entry.kind).join('+')}`);
        return scriptedAnswer({ body: stored });
      },
    });
    const exchange = await world.call(patch);
    expect(exchange.answer.status).toBe(200);
    expect(order).toEqual([
      `${POD}?fieldManager=me&dryRun=All after attempt`,
      `${POD}?fieldManager=me after attempt+decision`,
    ]);
    expect(world.inputs[0]?.request.object).toEqual(stored);
  });

  test.each([
    { status: 404, mayGet: true, http: 404, hidden: false },
    { status: 422, mayGet: true, http: 422, hidden: false },
    { status: 409, mayGet: false, http: 403, hidden: true },
    { status: 500, mayGet: true, http: 503, hidden: true },
    { status: 429, mayGet: true, http: 503, hidden: true },
  ])(
    'a dry run that ends in $status, for a caller who may get it: $mayGet',
    async ({ status, mayGet, http, hidden }) => {
      const world = flowWorld({
        readsObject: true,
        decide: (input) =>
          decision({ verdict: input.request.verb === 'get' && mayGet ? 'allow' : 'deny' }),
        upstream: () =>
          scriptedAnswer({
            status,
            body: { kind: 'Status', reason: 'NotFound', message: 'the cluster says' },
          }),
      });
      const exchange = await world.call(patch);
      expect(exchange.answer.status).toBe(http);
      expect(exchange.text().includes('the cluster says')).toBe(!hidden);
      expect(world.sent).toHaveLength(1);
    },
  );

  test('of an API whose dry runs cannot be relied on, the body counts as opaque and nothing is tried', async () => {
    const world = flowWorld({
      readsObject: true,
      upstream: (request) =>
        scriptedAnswer({
          status: request.target.includes('customresourcedefinitions') ? 404 : 200,
        }),
    });
    await world.call({
      ...patch,
      target: '/apis/metrics.example.com/v1/namespaces/shop/widgets/a?fieldManager=me',
    });
    expect(world.inputs[0]?.request).toMatchObject({ body: 'opaque', object: null });
    expect(world.sent.every((request) => !request.target.includes('dryRun'))).toBe(true);
  });
});

describe('a dry run of the client', () => {
  const apply = (target: string) => ({
    method: 'POST',
    target,
    body: '{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}',
    headers: { 'content-type': 'application/json' },
  });
  const defaultDeny = [{ rule: 'gate', id: 'default-deny', reason: 'no rule allows this' }];

  test('passes where a get would, when no rule speaks of the write', async () => {
    const world = flowWorld({
      decide: (input) =>
        input.request.verb === 'get'
          ? decision()
          : decision({ verdict: 'deny', because: defaultDeny }),
    });
    const exchange = await world.call(apply('/api/v1/namespaces/shop/pods?dryRun=All'));
    expect(exchange.answer.status).toBe(200);
  });

  test('of serviceaccounts/token is decided as the real thing: it mints', async () => {
    const world = flowWorld({
      decide: (input) =>
        input.request.verb === 'get'
          ? decision()
          : decision({ verdict: 'deny', because: defaultDeny }),
    });
    const exchange = await world.call({
      ...apply('/api/v1/namespaces/shop/serviceaccounts/default/token?dryRun=All'),
      body: '{"kind":"TokenRequest","apiVersion":"authentication.k8s.io/v1","spec":{}}',
    });
    expect(exchange.answer.status).toBe(403);
    expect(world.inputs[0]?.request.dry_run).toBe(false);
  });

  test('DELETE with a body is no dry run, whatever its query says', async () => {
    const world = flowWorld();
    await world.call({
      method: 'DELETE',
      target: `${POD}?dryRun=All`,
      body: '{}',
      headers: { 'content-type': 'application/json' },
    });
    expect(world.inputs[0]?.request.dry_run).toBe(false);
  });
});

describe('a masked get', () => {
  const options = { decide: () => decision({ mask: [mask('data.*')] }) };
  const SECRET = '/api/v1/namespaces/shop/secrets/a';

  test('never shows the field, and asks only for what can be masked', async () => {
    const body = {
      kind: 'Secret',
      apiVersion: 'v1',
      metadata: { name: 'a' },
      data: { password: 'Y2FuYXJ5' },
    };
    const world = flowWorld({ ...options, upstream: () => scriptedAnswer({ body }) });
    const exchange = await world.call({
      target: SECRET,
      headers: { accept: 'application/vnd.kubernetes.protobuf,application/json' },
    });
    expect(exchange.answer.status).toBe(200);
    expect(exchange.text()).not.toContain('Y2FuYXJ5');
    expect(world.sent[0]?.headers).toContainEqual(['accept', 'application/json']);
  });

  test.each([
    { name: 'protobuf', headers: { 'content-type': 'application/vnd.kubernetes.protobuf' } },
    { name: 'gzip', headers: { 'content-encoding': 'gzip' } },
  ])('that the cluster answers in $name is not passed on', async ({ headers }) => {
    const world = flowWorld({
      ...options,
      upstream: () => scriptedAnswer({ headers, body: 'Y2FuYXJ5' }),
    });
    const exchange = await world.call({ target: SECRET });
    expect(exchange.answer.status).toBe(502);
    expect(exchange.text()).not.toContain('Y2FuYXJ5');
  });

  test('by HEAD shows neither body nor length', async () => {
    const headers = { 'content-length': '1234', etag: '"x"' };
    const world = flowWorld({ ...options, upstream: () => scriptedAnswer({ headers, body: '' }) });
    const exchange = await world.call({ method: 'HEAD', target: SECRET });
    expect(exchange.answer).toMatchObject({ status: 200, ended: true, chunks: [] });
    expect(exchange.answer.headers).not.toHaveProperty('content-length');
    expect(exchange.answer.headers).not.toHaveProperty('etag');
  });

  test("that the cluster refuses shows the cluster's own Status", async () => {
    const world = flowWorld({
      ...options,
      upstream: () =>
        scriptedAnswer({ status: 404, body: { kind: 'Status', message: 'not found' } }),
    });
    const exchange = await world.call({ target: SECRET });
    expect(exchange.answer.status).toBe(404);
    expect(exchange.json()).toMatchObject({ kind: 'Status', message: 'not found' });
  });
});

describe('an answer of a known length', () => {
  const inParts = (parts: readonly string[], broken: boolean): UpstreamAnswer => ({
    ...scriptedAnswer({ headers: { 'content-length': '8' } }),
    pipe: (sink) => {
      for (const part of parts) sink.write(Buffer.from(part));
      return Promise.resolve(
        broken ? err(refusal('HOLDGATE_FORWARD_BROKEN', 'reset')) : ok(parts.join('').length),
      );
    },
  });

  test.each([
    { name: 'ends with its last byte', parts: ['as it', ' is'], broken: false, last: ' is' },
    {
      name: 'is whole even if the cluster breaks after it',
      parts: ['as it is'],
      broken: true,
      last: 'as it is',
    },
    {
      name: 'takes nothing behind its last byte',
      parts: ['as it is', 'HTTP/1.1'],
      broken: false,
      last: 'as it is',
    },
    { name: 'is broken off where it is shorter', parts: ['as it'], broken: true, last: null },
  ])('$name', async ({ parts, broken, last }) => {
    const whole = last !== null;
    const ends: string[] = [];
    const world = flowWorld({ upstream: () => inParts(parts, broken) });
    const plain = fakeExchange({ target: POD });
    const end = (chunk?: Uint8Array): void => {
      ends.push(Buffer.from(chunk ?? []).toString());
      plain.end(chunk);
    };
    await world.handle({ ...plain, end });
    expect(ends).toEqual(last === null ? [] : [last]);
    expect(plain.text()).toBe(whole ? 'as it is' : 'as it');
    expect(plain.answer).toMatchObject({ ended: whole, aborted: !whole });
    expect(world.records.at(-1)).toMatchObject({
      complete: whole,
      bytesSent: whole ? 8 : 5,
      endedBy: whole ? 'answer' : 'upstream',
    });
  });
});

describe('a long answer', () => {
  const watch = '/api/v1/pods?watch=1';
  const endless = (): UpstreamAnswer & { readonly write: (text: string) => void } => {
    let end: () => void = () => {};
    let write: (text: string) => void = () => {};
    const aborted = new Promise<void>((resolve) => {
      end = resolve;
    });
    return {
      ...scriptedAnswer({}),
      pipe: (sink) => {
        write = (text) => void sink.write(Buffer.from(text));
        return aborted.then(() => err(refusal('HOLDGATE_FORWARD_BROKEN', 'aborted')));
      },
      abort: () => end(),
      write: (text) => write(text),
    };
  };
  const opened = async () => {
    const answer = endless();
    const world = flowWorld({ upstream: () => answer });
    const started = world.start({ target: watch });
    while (!started.exchange.responded()) await new Promise((resolve) => setImmediate(resolve));
    return { answer, world, ...started };
  };

  test('ends cleanly at the end of a line when the gateway drains', async () => {
    const { answer, world, exchange, done } = await opened();
    answer.write('{"type":"ADD');
    exchange.drain();
    expect(exchange.answer.ended).toBe(false);
    answer.write('ED"}\n');
    await done;
    expect(exchange.answer).toMatchObject({ ended: true, aborted: false });
    expect(world.records.at(-1)).toMatchObject({ endedBy: 'drain', complete: false });
  });

  test('is broken off, not ended, when the cluster breaks', async () => {
    const { answer, world, exchange, done } = await opened();
    answer.abort();
    await done;
    expect(exchange.answer).toMatchObject({ ended: false, aborted: true });
    expect(world.records.at(-1)).toMatchObject({ endedBy: 'upstream', complete: false });
  });

  test('ends upstream when the client leaves', async () => {
    const answer = endless();
    const world = flowWorld({
      upstream: (request) => {
        request.signal.addEventListener('abort', () => answer.abort());
        return answer;
      },
    });
    const { exchange, done } = world.start({ target: watch });
    while (!exchange.responded()) await new Promise((resolve) => setImmediate(resolve));
    exchange.leave();
    await done;
    expect(world.records.at(-1)).toMatchObject({ endedBy: 'client', complete: false });
  });

  /** Leaves while policy is asked: before there is anything that could be aborted. */
  const leftEarly = async (target: string, method = 'GET') => {
    const answer = endless();
    let leave: () => void = () => {};
    const world = flowWorld({
      upstream: () => answer,
      decide: () => {
        leave();
        return decision();
      },
    });
    const exchange = fakeExchange({ target, method });
    ({ leave } = exchange);
    await world.handle(exchange);
    return world;
  };

  test('of a client that left before the cluster was asked is not waited for', async () => {
    const world = await leftEarly(watch);
    expect(world.sent.map(({ signal }) => signal.aborted)).toEqual([true]);
    expect(world.records.map(({ kind }) => kind)).toEqual(['decision', 'outcome']);
    expect(world.records.at(-1)).toMatchObject({ endedBy: 'client', complete: false });
  });

  test('that the cluster proxies ends with its client too, whatever its method', async () => {
    const world = await leftEarly('/api/v1/namespaces/a/services/s/proxy/', 'POST');
    expect(world.sent.map(({ signal }) => signal.aborted)).toEqual([true]);
    expect(world.records.at(-1)).toMatchObject({ endedBy: 'client', complete: false });
  });

  test('to a write is waited for without its client: the record wants to know', async () => {
    let leave: () => void = () => {};
    const world = flowWorld({
      decide: () => {
        leave();
        return decision();
      },
    });
    const body = '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"}}';
    const headers = { 'content-type': 'application/json' };
    const target = '/api/v1/namespaces/a/configmaps';
    const exchange = fakeExchange({ target, method: 'POST', headers, body });
    ({ leave } = exchange);
    await world.handle(exchange);
    expect(world.sent.map(({ signal }) => signal.aborted)).toEqual([false]);
  });

  test("is cut at the caller's deadline", async () => {
    const answer = endless();
    const world = flowWorld({
      upstream: () => answer,
      identify: () =>
        Promise.resolve(ok({ ...agent, expiresAtMs: Date.parse('2026-11-20T12:00:00.020Z') })),
    });
    const { exchange, done } = world.start({ target: watch });
    await done;
    expect(exchange.answer.aborted).toBe(true);
    expect(world.records.at(-1)).toMatchObject({ endedBy: 'deadline', complete: false });
  });
});
