import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { requestInfo, upstreamRequestInfo } from '../../src/kube/request-info.ts';
import { parseTarget } from '../../src/kube/target.ts';
import { method as anyMethod, plausibleTarget } from '../support/kube-arbitraries.ts';

const target = (raw: string) => {
  const result = parseTarget(raw);
  if (!result.ok) throw new Error(`${raw}: ${result.error.message}`);
  return result.value;
};

/** One row: what upstream's test says of a request. Fields that are missing are empty there. */
type Row = {
  readonly method?: string;
  readonly path: string;
  readonly verb: string;
  readonly group?: string;
  readonly version?: string;
  readonly namespace?: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly name?: string;
  readonly parts: readonly string[];
};

const pods = { resource: 'pods', parts: ['pods'] };
const inOther = { ...pods, namespace: 'other' };
const foo = { resource: 'pods', name: 'foo', parts: ['pods', 'foo'] };
const fooInOther = { ...foo, namespace: 'other' };
const other = { resource: 'namespaces', namespace: 'other', name: 'other' };

/** The facts of kubernetes/apiserver pkg/endpoints/request/requestinfo_test.go. */
const ROWS: readonly Row[] = [
  { path: '/api/v1/namespaces', verb: 'list', resource: 'namespaces', parts: ['namespaces'] },
  { path: '/api/v1/namespaces/other', verb: 'get', ...other, parts: ['namespaces', 'other'] },
  { path: '/api/v1/namespaces/other/pods', verb: 'list', ...inOther },
  { path: '/api/v1/namespaces/other/pods/foo', verb: 'get', ...fooInOther },
  { method: 'HEAD', path: '/api/v1/namespaces/other/pods/foo', verb: 'get', ...fooInOther },
  { path: '/api/v1/pods', verb: 'list', ...pods },
  { method: 'HEAD', path: '/api/v1/pods', verb: 'list', ...pods },
  { path: '/api/v1/proxy/namespaces/other/pods/foo', verb: 'proxy', ...fooInOther },
  {
    path: '/api/v1/proxy/namespaces/other/pods/foo/subpath/not/a/subresource',
    verb: 'proxy',
    ...fooInOther,
    parts: ['pods', 'foo', 'subpath', 'not', 'a', 'subresource'],
  },
  { path: '/api/v1/watch/pods', verb: 'watch', ...pods },
  { path: '/api/v1/pods?watch=true', verb: 'watch', ...pods },
  { path: '/api/v1/pods?watch=false', verb: 'list', ...pods },
  { path: '/api/v1/watch/namespaces/other/pods', verb: 'watch', ...inOther },
  { path: '/api/v1/namespaces/other/pods?watch=1', verb: 'watch', ...inOther },
  { path: '/api/v1/namespaces/other/pods?watch=0', verb: 'list', ...inOther },
  {
    path: '/api/v1/namespaces/other/pods/foo/status',
    verb: 'get',
    ...fooInOther,
    subresource: 'status',
    parts: ['pods', 'foo', 'status'],
  },
  {
    path: '/api/v1/namespaces/other/pods/foo/proxy/subpath',
    verb: 'get',
    ...fooInOther,
    subresource: 'proxy',
    parts: ['pods', 'foo', 'proxy', 'subpath'],
  },
  {
    method: 'PUT',
    path: '/api/v1/namespaces/other/finalize',
    verb: 'update',
    ...other,
    subresource: 'finalize',
    parts: ['namespaces', 'other', 'finalize'],
  },
  {
    method: 'PUT',
    path: '/api/v1/namespaces/other/status',
    verb: 'update',
    ...other,
    subresource: 'status',
    parts: ['namespaces', 'other', 'status'],
  },
  { method: 'PATCH', path: '/api/v1/namespaces/other/pods/foo', verb: 'patch', ...fooInOther },
  { method: 'DELETE', path: '/api/v1/namespaces/other/pods/foo', verb: 'delete', ...fooInOther },
  { method: 'POST', path: '/api/v1/namespaces/other/pods', verb: 'create', ...inOther },
  {
    method: 'DELETE',
    path: '/api/v1/nodes',
    verb: 'deletecollection',
    resource: 'nodes',
    parts: ['nodes'],
  },
  {
    method: 'DELETE',
    path: '/api/v1/namespaces',
    verb: 'deletecollection',
    resource: 'namespaces',
    parts: ['namespaces'],
  },
  { method: 'DELETE', path: '/api/v1/namespaces/other/pods', verb: 'deletecollection', ...inOther },
  {
    method: 'DELETE',
    path: '/apis/extensions/v1/namespaces/other/pods',
    verb: 'deletecollection',
    group: 'extensions',
    ...inOther,
  },
  {
    method: 'POST',
    path: '/apis/extensions/v1/namespaces/other/pods',
    verb: 'create',
    group: 'extensions',
    ...inOther,
  },
  {
    method: 'POST',
    path: '/apis/extensions/v1beta3/namespaces/other/pods',
    verb: 'create',
    group: 'extensions',
    version: 'v1beta3',
    ...inOther,
  },
];

describe("the rows of upstream's conformance table", () => {
  test.each(ROWS)('$method $path', (row) => {
    const info = requestInfo(row.method ?? 'GET', target(row.path));
    expect(info).toEqual({
      ok: true,
      value: {
        isResourceRequest: true,
        path: row.path.replace(/\?.*/, ''),
        verb: row.verb,
        apiPrefix: row.group === undefined ? 'api' : 'apis',
        apiGroup: row.group ?? '',
        apiVersion: row.version ?? 'v1',
        namespace: row.namespace ?? '',
        resource: row.resource,
        subresource: row.subresource ?? '',
        name: row.name ?? '',
        parts: row.parts,
        fieldSelector: '',
        labelSelector: '',
      },
    });
  });

  test.each([
    '/',
    '/api',
    '/api/version',
    '/api/version/',
    '/apis/group/version/',
    '/apis/version/resource',
    '/apis/extensions/v1beta1',
    '/apis/extensions/v1beta1/',
    '/badprefix/version/resource',
    '/not-api/version/resource',
  ])('%s is no resource', (path) => {
    const info = requestInfo('GET', target(path));
    expect(info).toMatchObject({ ok: true, value: { isResourceRequest: false, verb: 'get' } });
  });

  test.each([
    '/api/version/resource',
    '/api/version/resource/name/subresource',
    '/apis/group/version/resource/name/subresource',
    '/apis/batch/v1/job',
    '/apis/batch/v1/job/foo',
    '/apis/batch/v1/job/foo/scale',
  ])('%s is a resource', (path) => {
    expect(requestInfo('GET', target(path))).toMatchObject({ value: { isResourceRequest: true } });
  });
});

const P = '/apis/group/version/resource';
const byName = 'metadata.name=name1';

/** The selector facts of the same test. `strict` is what we answer on top: refused where upstream guesses. */
const SELECTORS = [
  { path: P, verb: 'list' },
  { path: `${P}?fieldSelector=metadata.name%3Dname1`, verb: 'list', name: 'name1', field: byName },
  {
    path: `${P}?watch=true&fieldSelector=metadata.name%3Dname1`,
    verb: 'watch',
    name: 'name1',
    field: byName,
  },
  {
    path: `${P}?fieldSelector=foo%3Dbar&labelSelector=baz%3Dqux`,
    verb: 'list',
    field: 'foo=bar',
    label: 'baz=qux',
  },
  {
    path: `${P}?fieldSelector=${byName},foo`,
    verb: 'list',
    field: `${byName},foo`,
    strict: 'HOLDGATE_PARSE_REQUEST_UNSUPPORTED',
  },
  {
    path: `${P}?fieldSelector=${byName},foo&watch=true`,
    verb: 'watch',
    field: `${byName},foo`,
    strict: 'HOLDGATE_PARSE_REQUEST_UNSUPPORTED',
  },
  {
    path: `${P}?fieldSelector=${byName},foo&watch=false`,
    verb: 'list',
    field: `${byName},foo`,
    strict: 'HOLDGATE_PARSE_REQUEST_UNSUPPORTED',
  },
  {
    method: 'DELETE',
    path: `${P}?fieldSelector=foo%3Dbar&labelSelector=baz%3Dqux`,
    verb: 'deletecollection',
    field: 'foo=bar',
    label: 'baz=qux',
  },
  {
    path: `${P}?fieldSelector=metadata.name%3Dfoo&fieldSelector=metadata.name%3Dbar&labelSelector=foo%3Dbar&labelSelector=foo%3Dbaz`,
    verb: 'list',
    name: 'foo',
    field: 'metadata.name=foo',
    label: 'foo=bar',
    strict: 'HOLDGATE_PARSE_PARAMETER_REPEATED',
  },
  { path: `${P}/name?fieldSelector=foo%3Dbar&labelSelector=foo%3Dbar`, verb: 'get', name: 'name' },
  {
    path: '/apis/group/version/watch/resource?fieldSelector=metadata.name%3Dfoo&labelSelector=foo%3Dbar',
    verb: 'watch',
  },
  {
    path: '/apis/group/version/watch/resource/name?fieldSelector=metadata.name%3Dfoo&labelSelector=foo%3Dbar',
    verb: 'watch',
    name: 'name',
  },
  // Beyond the table: the rules about a selected name.
  {
    path: `${P}?fieldSelector=metadata.name==a,x!=y`,
    verb: 'list',
    name: 'a',
    field: 'metadata.name==a,x!=y',
  },
  { path: `${P}?fieldSelector=metadata.name!=a`, verb: 'list', field: 'metadata.name!=a' },
  { path: `${P}?fieldSelector=metadata.name=..`, verb: 'list', field: 'metadata.name=..' },
  { path: `${P}?fieldSelector=metadata.name=a/b`, verb: 'list', field: 'metadata.name=a/b' },
  {
    method: 'DELETE',
    path: `${P}?fieldSelector=metadata.name=a`,
    verb: 'deletecollection',
    field: 'metadata.name=a',
  },
] as const;

describe('selectors', () => {
  test.each(SELECTORS)('$method $path', (row) => {
    const method = 'method' in row ? row.method : 'GET';
    const expected = {
      verb: row.verb,
      name: 'name' in row ? row.name : '',
      fieldSelector: 'field' in row ? row.field : '',
      labelSelector: 'label' in row ? row.label : '',
    };
    expect(upstreamRequestInfo(method, target(row.path))).toMatchObject(expected);
    const answer = requestInfo(method, target(row.path));
    expect(answer).toMatchObject(
      'strict' in row ? { ok: false, error: { code: row.strict } } : { ok: true, value: expected },
    );
  });

  test.each([
    { query: '', verb: 'list' },
    { query: 'watch=0', verb: 'list' },
    { query: 'watch=FALSE', verb: 'list' },
    { query: 'watch=fal%C5%BFe', verb: 'list' },
    { query: 'watch', verb: 'watch' },
    { query: 'watch=', verb: 'watch' },
    { query: 'watch=f', verb: 'watch' },
    { query: 'watch=no', verb: 'watch' },
    { query: 'Watch=true', verb: 'list' },
  ])('?$query is a $verb', ({ query, verb }) => {
    expect(requestInfo('GET', target(`${P}?${query}`))).toMatchObject({ value: { verb } });
  });

  test('watch on a named object stays a get', () => {
    expect(requestInfo('GET', target(`${P}/x?watch=true`))).toMatchObject({
      value: { verb: 'get', name: 'x' },
    });
  });
});

describe('requestInfo refuses what could be read in two ways', () => {
  const unsupported = 'HOLDGATE_PARSE_REQUEST_UNSUPPORTED';
  const repeated = 'HOLDGATE_PARSE_PARAMETER_REPEATED';
  const unknown = 'HOLDGATE_LISTEN_METHOD_UNKNOWN';
  test.each([
    { what: 'a method in lower case', method: 'get', path: '/api/v1/pods', code: unknown },
    { what: 'OPTIONS', method: 'OPTIONS', path: '/api/v1/pods', code: unknown },
    { what: 'TRACE', method: 'TRACE', path: '/version', code: unknown },
    {
      what: 'watch with nothing after it',
      method: 'GET',
      path: '/api/v1/watch',
      code: unsupported,
    },
    {
      what: 'proxy with nothing after it',
      method: 'GET',
      path: '/apis/g/v/proxy/',
      code: unsupported,
    },
    { what: 'a watch by POST', method: 'POST', path: '/api/v1/watch/pods', code: unsupported },
    {
      what: 'a limit that is no number',
      method: 'GET',
      path: '/api/v1/pods?limit=x',
      code: unsupported,
    },
    { what: 'an empty limit', method: 'GET', path: '/api/v1/pods?limit=', code: unsupported },
    {
      what: 'a limit over 64 bits',
      method: 'GET',
      path: '/api/v1/pods?limit=9223372036854775808',
      code: unsupported,
    },
    {
      what: 'a label selector that does not parse',
      method: 'DELETE',
      path: '/api/v1/pods?labelSelector=a%3D%3D%3D',
      code: unsupported,
    },
    {
      what: 'a namespace in a namespace',
      method: 'GET',
      path: '/api/v1/namespaces/a/namespaces/b',
      code: unsupported,
    },
    {
      what: 'two dryRun',
      method: 'POST',
      path: '/api/v1/pods?dryRun=All&dryRun=All',
      code: repeated,
    },
    { what: 'two watch', method: 'GET', path: '/api/v1/pods?watch=0&watch=1', code: repeated },
    {
      what: 'two containers',
      method: 'GET',
      path: '/api/v1/namespaces/a/pods/x/exec?container=a&container=b',
      code: repeated,
    },
    {
      what: 'two commands of an attach',
      method: 'GET',
      path: '/api/v1/namespaces/a/pods/x/attach?command=a&command=b',
      code: repeated,
    },
    {
      what: 'two parameters that we do not know',
      method: 'GET',
      path: '/apis/g/v/things/x?a=1&a=2',
      code: repeated,
    },
    {
      what: 'two of one outside resources',
      method: 'GET',
      path: '/openapi/v3?hash=a&hash=b',
      code: repeated,
    },
  ])('$what', ({ method, path, code }) => {
    expect(requestInfo(method, target(path))).toMatchObject({ ok: false, error: { code } });
  });

  test.each([
    '/api/v1/namespaces/a/pods/x/exec?command=sh&command=-c&command=ls',
    '/api/v1/namespaces/a/pods/x/portforward?ports=1&ports=2',
    '/api/v1/namespaces/a/services/x/proxy/search?q=1&q=2',
    '/readyz?exclude=etcd&exclude=ping',
    '/apis/g/v/namespaces/a/namespaces/b',
    '/api/v1/namespaces/namespaces/pods',
  ])('but takes %s', (path) => {
    expect(requestInfo('GET', target(path))).toMatchObject({ ok: true });
  });

  test('whatever it accepts is exactly what upstream answers, with a verb', () => {
    fc.assert(
      fc.property(plausibleTarget, anyMethod, (raw, method) => {
        const parsed = parseTarget(raw);
        fc.pre(parsed.ok);
        const info = requestInfo(method, parsed.value);
        fc.pre(info.ok);
        expect(info.value).toEqual(upstreamRequestInfo(method, parsed.value));
        expect(info.value.verb).not.toBe('');
      }),
      { numRuns: 1000 },
    );
  });
});
