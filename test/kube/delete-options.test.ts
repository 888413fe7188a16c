import { describe, expect, test } from 'vitest';
import { readBody } from '../../src/kube/bodies.ts';
import { effectiveDelete, withPreconditions } from '../../src/kube/delete-options.ts';
import { attributesOf } from '../support/kube-requests.ts';

const path = '/api/v1/namespaces/payments/pods/x';

const effective = (query: string, body = '', type = 'application/json') => {
  const attributes = attributesOf('DELETE', `${path}${query}`);
  const bytes = Buffer.from(body);
  const read = readBody({
    attributes,
    method: 'DELETE',
    contentType: type,
    contentEncoding: '',
    bytes,
  });
  return read.ok ? effectiveDelete(attributes, read.value) : read;
};

describe('the options that a DELETE is really executed with', () => {
  test('a body replaces the query entirely: dryRun=All beside {} really deletes', () => {
    expect(effective('?dryRun=All&gracePeriodSeconds=0', '{}')).toEqual({
      ok: true,
      value: { dryRun: false, options: {} },
    });
  });

  test.each([
    { query: '', options: {}, dryRun: false },
    { query: '?dryRun=All', options: { dryRun: ['All'] }, dryRun: true },
    { query: '?gracePeriodSeconds=0', options: { gracePeriodSeconds: 0 }, dryRun: false },
    { query: '?propagationPolicy=Orphan', options: { propagationPolicy: 'Orphan' }, dryRun: false },
    { query: '?orphanDependents', options: { orphanDependents: true }, dryRun: false },
    { query: '?orphanDependents=False', options: { orphanDependents: false }, dryRun: false },
    {
      query: '?uid=u1&resourceVersion=5',
      options: { preconditions: { uid: 'u1', resourceVersion: '5' } },
      dryRun: false,
    },
    { query: '?uid=&timeout=5s&pretty=true', options: {}, dryRun: false },
  ])('without a body, $query', ({ query, options, dryRun }) => {
    expect(effective(query)).toEqual({ ok: true, value: { dryRun, options } });
  });

  test.each([
    { body: '{"dryRun":["All"]}', dryRun: true },
    { body: '{"dryRun":["All","All"]}', dryRun: true },
    { body: '{"dryRun":[]}', dryRun: false },
    { body: '{"dryRun":null,"kind":"DeleteOptions","apiVersion":"v1"}', dryRun: false },
    { body: '{"DryRun":["All"]}', dryRun: false },
    { body: '{"propagationPolicy":"Background","future":1}', dryRun: false },
  ])('the body $body has dryRun $dryRun', ({ body, dryRun }) => {
    const options: unknown = JSON.parse(body);
    expect(effective('', body)).toEqual({ ok: true, value: { dryRun, options } });
  });

  test.each([
    { what: 'a dryRun that the server refuses', query: '?dryRun=Some', body: '' },
    { what: 'the same in the body', query: '', body: '{"dryRun":["All","Some"]}' },
    { what: 'a dryRun that is no list', query: '', body: '{"dryRun":"All"}' },
    { what: 'a grace period that is no number', query: '?gracePeriodSeconds=1s', body: '' },
    { what: 'a grace period that is text', query: '', body: '{"gracePeriodSeconds":"0"}' },
    { what: 'a grace period that is a fraction', query: '', body: '{"gracePeriodSeconds":0.5}' },
    { what: 'preconditions that are no object', query: '', body: '{"preconditions":"u"}' },
    { what: 'a uid that is no string', query: '', body: '{"preconditions":{"uid":5}}' },
    { what: 'another kind', query: '', body: '{"kind":"Pod"}' },
    { what: 'a repeated key', query: '', body: '{"dryRun":["All"],"dryRun":[]}' },
  ])('refuses $what', ({ query, body }) => {
    expect(effective(query, body)).toMatchObject({
      ok: false,
      error: { code: 'HOLDGATE_PARSE_BODY_INVALID' },
    });
  });

  test('refuses options that cannot be read', () => {
    expect(effective('', 'k8s', 'application/vnd.kubernetes.protobuf')).toMatchObject({
      ok: false,
      error: { code: 'HOLDGATE_PARSE_BODY_INVALID' },
    });
  });

  test('a DELETE through a proxy has none of ours', () => {
    const attributes = attributesOf('DELETE', `${path}/proxy/item?dryRun=All`);
    const body = { kind: 'opaque', bytes: Buffer.from('x'), contentType: '' } as const;
    expect(effectiveDelete(attributes, body)).toEqual({
      ok: true,
      value: { dryRun: false, options: {} },
    });
  });
});

describe('withPreconditions', () => {
  const sent = (query: string, body = ''): unknown => {
    const result = effective(query, body);
    if (!result.ok) throw new Error(result.error.message);
    const made = withPreconditions(result.value.options, { uid: 'bound' });
    return made === null ? null : JSON.parse(made.body.toString());
  };

  test('moves the options of the query into the body, which would replace them', () => {
    expect(sent('?gracePeriodSeconds=0&propagationPolicy=Foreground&resourceVersion=7')).toEqual({
      kind: 'DeleteOptions',
      apiVersion: 'meta.k8s.io/v1',
      gracePeriodSeconds: 0,
      propagationPolicy: 'Foreground',
      preconditions: { resourceVersion: '7', uid: 'bound' },
    });
  });

  test("keeps the caller's body", () => {
    expect(
      sent('', '{"apiVersion":"v1","future":{"a":1},"preconditions":{"uid":"bound"}}'),
    ).toEqual({
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      future: { a: 1 },
      preconditions: { uid: 'bound' },
    });
  });

  test("does not replace the caller's own uid by ours, nor ours by it", () => {
    expect(sent('', '{"preconditions":{"uid":"other"}}')).toBeNull();
    expect(sent('?uid=other')).toBeNull();
  });
});
