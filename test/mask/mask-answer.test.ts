import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MaskElement } from '../../src/decide/index.ts';
import type { RequestAttributes } from '../../src/kube/request.ts';
import { maskableAccept, maskAnswer, maskPlan, type MaskPlan } from '../../src/mask/index.ts';
import { maskedBase64, maskedText } from '../../src/mask/mask-object.ts';

const CANARY = 'Y2FuYXJ5';
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

const attributes = (more: Partial<RequestAttributes> = {}): RequestAttributes => ({
  scope: 'namespaced',
  verb: 'get',
  group: '',
  version: 'v1',
  resource: 'secrets',
  namespace: 'shop',
  name: 'db',
  path: '/api/v1/namespaces/shop/secrets/db',
  dryRun: false,
  labelSelector: '',
  fieldSelector: '',
  options: {},
  longRunning: false,
  wire: { method: 'GET', verb: 'get' },
  ...more,
});

const element = (more: Partial<MaskElement> = {}): MaskElement => ({
  rule: 'secrets',
  id: 'values',
  reason: 'secret values stay in the cluster',
  fields: ['data.*', 'stringData.*'],
  where: {},
  patterns: [],
  ...more,
});

function planOf(more: Partial<RequestAttributes> = {}, masks = [element()]): MaskPlan {
  const plan = maskPlan(masks, attributes(more));
  if (!plan.ok || plan.value === null) throw new Error('no plan');
  return plan.value;
}

async function masked(document: unknown, plan: MaskPlan): Promise<unknown> {
  const text = typeof document === 'string' ? document : JSON.stringify(document);
  const answer = await maskAnswer(Buffer.from(text), plan);
  if (!answer.ok) return answer.error.code;
  const chunks: Buffer[] = [];
  for await (const chunk of answer.value) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString());
}

const secret = (name: string, more: object = {}): object => ({
  metadata: { name, uid: `uid-${name}`, ...more },
  data: { password: CANARY, user: CANARY },
  type: 'Opaque',
});

describe('no representation of get and list carries a masked field', () => {
  test('an object keeps its shape, and its values stay valid base64', async () => {
    const answer = await masked({ kind: 'Secret', apiVersion: 'v1', ...secret('db') }, planOf());
    expect(answer).toEqual({
      kind: 'Secret',
      apiVersion: 'v1',
      metadata: { name: 'db', uid: 'uid-db' },
      data: { password: maskedBase64, user: maskedBase64 },
      type: 'Opaque',
    });
  });

  test('the last-applied copy is masked inside its JSON', async () => {
    const applied = JSON.stringify({
      kind: 'Secret',
      data: { password: CANARY },
      metadata: { name: 'db' },
    });
    const answer = await masked(
      {
        kind: 'Secret',
        apiVersion: 'v1',
        ...secret('db', { annotations: { [LAST_APPLIED]: applied, other: 'kept' } }),
      },
      planOf(),
    );
    expect(JSON.stringify(answer)).not.toContain(CANARY);
    expect(answer).toMatchObject({ metadata: { annotations: { other: 'kept' } } });
  });

  test('a last-applied copy that does not parse is hidden whole', async () => {
    const answer = await masked(
      {
        kind: 'Secret',
        apiVersion: 'v1',
        ...secret('db', { annotations: { [LAST_APPLIED]: `{"data":"${CANARY}"` } }),
      },
      planOf(),
    );
    expect(answer).toMatchObject({ metadata: { annotations: { [LAST_APPLIED]: maskedText } } });
  });

  test('a list is masked in every element', async () => {
    const list = {
      kind: 'SecretList',
      apiVersion: 'v1',
      metadata: { resourceVersion: '7' },
      items: [secret('a'), secret('b')],
    };
    const answer = await masked(list, planOf({ verb: 'list', name: '' }));
    expect(JSON.stringify(answer)).not.toContain(CANARY);
    expect(answer).toMatchObject({
      metadata: { resourceVersion: '7' },
      items: [{ metadata: { name: 'a' } }, { metadata: { name: 'b' } }],
    });
  });

  test('an empty list and a null list pass', async () => {
    const plan = planOf({ verb: 'list', name: '' });
    for (const items of [[], null]) {
      const list = { kind: 'SecretList', apiVersion: 'v1', metadata: {}, items };
      expect(await masked(list, plan)).toEqual(list);
    }
  });

  test('a Table shows names, counts and ages, hides other cells, and masks the embedded objects', async () => {
    const table = {
      kind: 'Table',
      apiVersion: 'meta.k8s.io/v1',
      metadata: {},
      columnDefinitions: ['Name', 'Type', 'Data', 'Age', 'Password'].map((name) => ({ name })),
      rows: [
        { cells: ['db', 'Opaque', 2, '3d', CANARY], object: { kind: 'Secret', ...secret('db') } },
      ],
    };
    const answer = await masked(table, planOf({ verb: 'list', name: '' }));
    expect(JSON.stringify(answer)).not.toContain(CANARY);
    expect(answer).toMatchObject({ rows: [{ cells: ['db', 'Opaque', 2, '3d', maskedText] }] });
  });

  test('a mask that also hides an annotation leaves the columns of a Secret readable', async () => {
    const table = {
      kind: 'Table',
      apiVersion: 'meta.k8s.io/v1',
      metadata: {},
      columnDefinitions: [{ name: 'Name' }, { name: 'Type' }, { name: 'Data' }],
      rows: [{ cells: ['db', 'Opaque', 2], object: { metadata: { name: 'db' } } }],
    };
    const fields = ['data.*', "metadata.annotations['a/b']"];
    const plan = planOf({ verb: 'list', name: '' }, [element({ fields })]);
    expect(await masked(table, plan)).toMatchObject({ rows: [{ cells: ['db', 'Opaque', 2] }] });
  });

  test('a Table of another kind shows only the columns that no field can reach', async () => {
    const table = {
      kind: 'Table',
      apiVersion: 'meta.k8s.io/v1',
      metadata: {},
      columnDefinitions: [{ name: 'Name' }, { name: 'Type' }],
      rows: [{ cells: ['x', CANARY], object: null }],
    };
    const plan = planOf({ verb: 'list', resource: 'widgets', group: 'example.com' }, [
      element({ fields: ['spec.token'] }),
    ]);
    expect(await masked(table, plan)).toMatchObject({ rows: [{ cells: ['x', maskedText] }] });
  });

  test('integers that a double cannot hold arrive unchanged', async () => {
    const text = `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"db","generation":9007199254740993},"data":{"a":"${CANARY}"}}`;
    const answer = await maskAnswer(Buffer.from(text), planOf());
    const chunks: Buffer[] = [];
    if (answer.ok) for await (const chunk of answer.value) chunks.push(chunk);
    expect(Buffer.concat(chunks).toString()).toContain('9007199254740993');
  });
});

describe('where selects objects by their metadata', () => {
  test.each([
    { where: { names: ['db'] }, metadata: { name: 'db' }, hidden: true },
    { where: { names: ['db'] }, metadata: { name: 'other' }, hidden: false },
    { where: { names: ['db'] }, metadata: {}, hidden: true },
    {
      where: { labels: { tier: 'x' } },
      metadata: { name: 'db', labels: { tier: 'x' } },
      hidden: true,
    },
    {
      where: { labels: { tier: 'x' } },
      metadata: { name: 'db', labels: { tier: 'y' } },
      hidden: false,
    },
    {
      where: { annotations: { a: 'b' } },
      metadata: { name: 'db', annotations: { a: 'b' } },
      hidden: true,
    },
  ])('$where on $metadata', async ({ where, metadata, hidden }) => {
    const answer = await masked(
      { kind: 'Secret', apiVersion: 'v1', metadata, data: { a: CANARY } },
      planOf({}, [element({ where })]),
    );
    expect(JSON.stringify(answer).includes(CANARY)).toBe(!hidden);
  });
});

describe('an answer whose masked fields cannot be found is refused', () => {
  test.each([
    { why: 'not JSON', verb: 'get', document: 'hello' },
    { why: 'an array', verb: 'get', document: '[]' },
    { why: 'trailing bytes', verb: 'get', document: '{"kind":"Secret","apiVersion":"v1"} {}' },
    { why: 'no kind', verb: 'get', document: '{"data":{}}' },
    {
      why: 'a list that is no list',
      verb: 'list',
      document: '{"kind":"Secret","apiVersion":"v1","data":{"a":"Y2FuYXJ5"}}',
    },
    {
      why: 'a list with a further key',
      verb: 'list',
      document:
        '{"kind":"SecretList","apiVersion":"v1","metadata":{},"extra":{"data":1},"items":[]}',
    },
    {
      why: 'items that are an object',
      verb: 'list',
      document: '{"kind":"SecretList","apiVersion":"v1","metadata":{},"items":{"data":{"a":"x"}}}',
    },
    {
      why: 'two items keys',
      verb: 'list',
      document: '{"kind":"SecretList","apiVersion":"v1","items":[],"items":[{"data":{"a":"x"}}]}',
    },
    {
      why: 'an element that is no object',
      verb: 'list',
      document: '{"kind":"SecretList","apiVersion":"v1","items":["Y2FuYXJ5"]}',
    },
    {
      why: 'a duplicate data key',
      verb: 'get',
      document: '{"kind":"Secret","apiVersion":"v1","data":{"a":"x"},"data":{"b":"y"}}',
    },
  ] as const)('$why', async ({ verb, document }) => {
    expect(await masked(document, planOf({ verb }))).toBe('HOLDGATE_MASK_ANSWER_UNREADABLE');
  });
});

describe('what cannot be masked is refused before it is sent', () => {
  test.each([
    { verb: 'watch', longRunning: true },
    { verb: 'create', longRunning: false },
    { verb: 'update', longRunning: false },
    { verb: 'patch', longRunning: false },
    { verb: 'delete', longRunning: false },
    { verb: 'deletecollection', longRunning: false },
    { verb: 'connect', longRunning: true },
    { verb: 'get', longRunning: true },
  ] as const)('$verb (long-running: $longRunning)', (more) => {
    const plan = maskPlan([element()], attributes(more));
    expect(plan.ok ? 'ok' : plan.error.code).toBe('HOLDGATE_MASK_UNMASKABLE');
  });

  test('without masks there is no plan', () => {
    expect(maskPlan([], attributes({ verb: 'watch' }))).toEqual({ ok: true, value: null });
  });
});

describe('Accept is narrowed to what can be masked', () => {
  test.each([
    { accept: '', becomes: 'application/json' },
    { accept: '*/*', becomes: 'application/json' },
    {
      accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
      becomes: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json',
    },
    {
      accept: 'application/vnd.kubernetes.protobuf, application/json',
      becomes: 'application/json',
    },
    {
      accept: 'application/json;as=APIGroupDiscoveryList, application/json',
      becomes: 'application/json',
    },
  ])('$accept', ({ accept, becomes }) => {
    expect(maskableAccept(accept)).toEqual({ ok: true, value: becomes });
  });

  test.each([
    'application/vnd.kubernetes.protobuf',
    'application/yaml',
    'application/cbor',
    'text/plain',
  ])('%s alone is refused', (accept) => {
    const answer = maskableAccept(accept);
    expect(answer.ok ? 'ok' : answer.error.code).toBe('HOLDGATE_MASK_NOT_ACCEPTABLE');
  });
});

describe('whatever the list holds, no canary leaves and nothing else changes', () => {
  const value = fc.jsonValue({ maxDepth: 3 });
  const item = fc.record({ metadata: fc.record({ name: fc.string() }), spec: value });
  test('over arbitrary elements, whitespace and escapes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(item, { maxLength: 20 }), fc.boolean(), async (items, pretty) => {
        const withData = items.map((one) => ({ ...one, data: { 'k"\\': CANARY } }));
        const list = { kind: 'SecretList', apiVersion: 'v1', metadata: {}, items: withData };
        const text = JSON.stringify(list, null, pretty ? 2 : 0);
        const answer = await masked(text, planOf({ verb: 'list' }));
        const expected = {
          ...list,
          items: withData.map((one) => ({ ...one, data: { 'k"\\': maskedBase64 } })),
        };
        expect(answer).toEqual(JSON.parse(JSON.stringify(expected)));
      }),
      { numRuns: 200 },
    );
  });
});
