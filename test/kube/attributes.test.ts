import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  execOptions,
  isOpenDiscovery,
  logOptions,
  portForwardOptions,
  requestAttributes,
} from '../../src/kube/attributes.ts';
import { policyVerbs } from '../../src/kube/request.ts';
import { requestInfo } from '../../src/kube/request-info.ts';
import { parseTarget } from '../../src/kube/target.ts';
import { method as anyMethod, plausibleTarget } from '../support/kube-arbitraries.ts';

const read = (method: string, raw: string) => {
  const target = parseTarget(raw);
  if (!target.ok) return target;
  const info = requestInfo(method, target.value);
  return info.ok ? requestAttributes(method, target.value, info.value) : info;
};

const attributes = (method: string, raw: string) => {
  const result = read(method, raw);
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
};

const core = { group: '', version: 'v1' };
const inPayments = { ...core, scope: 'namespaced', namespace: 'payments' };
const clusterWide = { ...core, scope: 'cluster', namespace: '' };
const ns = '/api/v1/namespaces/payments';

describe('what policy sees of a target', () => {
  test.each([
    {
      method: 'GET',
      path: `${ns}/pods`,
      sees: { ...inPayments, verb: 'list', resource: 'pods', name: '' },
    },
    {
      method: 'HEAD',
      path: `${ns}/pods/x`,
      sees: {
        ...inPayments,
        verb: 'get',
        resource: 'pods',
        name: 'x',
        wire: { method: 'HEAD', verb: 'get' },
      },
    },
    {
      method: 'GET',
      path: '/api/v1/pods',
      sees: { ...clusterWide, verb: 'list', resource: 'pods' },
    },
    {
      method: 'GET',
      path: '/api/v1/pods?watch=1',
      sees: { ...clusterWide, verb: 'watch', longRunning: true },
    },
    {
      method: 'GET',
      path: `/api/v1/watch/namespaces/payments/pods`,
      sees: { ...inPayments, verb: 'watch', resource: 'pods', longRunning: true },
    },
    {
      method: 'PATCH',
      path: '/apis/apps/v1/namespaces/payments/deployments/x/scale',
      sees: {
        group: 'apps',
        scope: 'namespaced',
        verb: 'patch',
        resource: 'deployments/scale',
        name: 'x',
      },
    },
    {
      method: 'DELETE',
      path: `${ns}/pods`,
      sees: { ...inPayments, verb: 'deletecollection', resource: 'pods' },
    },
    {
      method: 'GET',
      path: `${ns}/pods/x/log?follow=true`,
      sees: { ...inPayments, verb: 'get', resource: 'pods/log', name: 'x', longRunning: true },
    },
    {
      method: 'GET',
      path: `${ns}/secrets?fieldSelector=metadata.name%3Ddb`,
      sees: {
        ...inPayments,
        verb: 'list',
        resource: 'secrets',
        name: 'db',
        fieldSelector: 'metadata.name=db',
      },
    },
  ])('$method $path', ({ method, path, sees }) => {
    expect(attributes(method, path)).toMatchObject(sees);
  });

  test.each([
    { method: 'GET', path: ns, verb: 'get', resource: 'namespaces' },
    { method: 'DELETE', path: ns, verb: 'delete', resource: 'namespaces' },
    { method: 'PUT', path: `${ns}/status`, verb: 'update', resource: 'namespaces/status' },
    { method: 'PUT', path: `${ns}/finalize`, verb: 'update', resource: 'namespaces/finalize' },
    {
      method: 'GET',
      path: '/api/v1/watch/namespaces/payments',
      verb: 'watch',
      resource: 'namespaces',
    },
  ])('a rule for a namespace does not reach the namespace object: $method $path', (row) => {
    const { method, path, verb, resource } = row;
    const sees = { ...clusterWide, name: 'payments', verb, resource };
    expect(attributes(method, path)).toMatchObject(sees);
  });

  test('an object that is called like its namespace is in it all the same', () => {
    const path = '/apis/example.org/v1/namespaces/x/namespaces/x';
    expect(attributes('GET', path)).toMatchObject({
      scope: 'namespaced',
      namespace: 'x',
      name: 'x',
    });
  });

  test.each([
    { method: 'GET', path: `${ns}/pods/x/exec?command=sh`, resource: 'pods/exec' },
    { method: 'POST', path: `${ns}/pods/x/exec/?command=sh`, resource: 'pods/exec' },
    { method: 'GET', path: `${ns}/pods/x/attach`, resource: 'pods/attach' },
    { method: 'POST', path: `${ns}/pods/x/portforward`, resource: 'pods/portforward' },
    { method: 'GET', path: `${ns}/pods/x/proxy/metrics`, resource: 'pods/proxy' },
    { method: 'DELETE', path: `${ns}/services/x/proxy/api/item`, resource: 'services/proxy' },
    {
      method: 'GET',
      path: '/api/v1/proxy/namespaces/payments/pods/x/metrics',
      resource: 'pods/proxy',
    },
    {
      method: 'POST',
      path: '/api/v1/proxy/namespaces/payments/services/x',
      resource: 'services/proxy',
    },
    { method: 'GET', path: '/api/v1/watch/namespaces/payments/pods/x/exec', resource: 'pods/exec' },
  ])('$method $path is connect to $resource', ({ method, path, resource }) => {
    expect(attributes(method, path)).toMatchObject({
      ...inPayments,
      name: 'x',
      verb: 'connect',
      resource,
      dryRun: false,
      longRunning: true,
    });
  });

  test.each([
    { path: '/debug/pprof/profile?seconds=120', longRunning: true },
    { path: '/debug/pprof/', longRunning: true },
    { path: '/debug/pprof', longRunning: false },
    { path: '/logs/kube-apiserver.log', longRunning: false },
    { path: '/metrics', longRunning: false },
  ])('$path outside the groups has longRunning $longRunning, as for the server', (row) => {
    expect(attributes('GET', row.path).longRunning).toBe(row.longRunning);
  });

  test('what is deeper than the subresource stays in the path', () => {
    const path = '/api/v1/nodes/n1/proxy/run/kube-system/etcd/etcd';
    const sees = { ...clusterWide, verb: 'connect', resource: 'nodes/proxy', name: 'n1', path };
    expect(attributes('POST', path)).toMatchObject(sees);
  });

  test.each([
    { method: 'POST', path: `${ns}/pods?dryRun=All`, dryRun: true },
    { method: 'PUT', path: `${ns}/pods/x?dryRun=All`, dryRun: true },
    { method: 'POST', path: `${ns}/pods?dryRun=all`, dryRun: false },
    { method: 'POST', path: `${ns}/pods?dryRun=`, dryRun: false },
    { method: 'POST', path: `${ns}/pods?dryrun=All`, dryRun: false },
    { method: 'GET', path: `${ns}/pods?dryRun=All`, dryRun: false },
    { method: 'POST', path: `${ns}/pods/x/proxy?dryRun=All`, dryRun: false },
    { method: 'POST', path: `${ns}/pods/x/exec?dryRun=All`, dryRun: false },
  ])('$method $path has dryRun $dryRun', ({ method, path, dryRun }) => {
    expect(attributes(method, path).dryRun).toBe(dryRun);
  });

  test('every parameter is seen with all its values, whatever it is called', () => {
    const { options } = attributes('GET', `${ns}/pods/x/exec?command=a&command=b&__proto__=x&tty`);
    expect(Object.entries(options)).toEqual([
      ['command', ['a', 'b']],
      ['__proto__', ['x']],
      ['tty', ['']],
    ]);
    expect(Object.getPrototypeOf(options)).toBeNull();
  });
});

describe('outside resources', () => {
  test.each(['GET', 'HEAD'])('%s is a get', (method) => {
    const sees = { scope: 'nonresource', verb: 'get', resource: '', group: '', path: '/metrics' };
    expect(attributes(method, '/metrics')).toMatchObject(sees);
  });

  test.each(['POST', 'PUT', 'PATCH', 'DELETE'])('%s is refused before policy', (method) => {
    expect(read(method, '/logs/x')).toMatchObject({
      ok: false,
      error: { code: 'HOLDGATE_PARSE_REQUEST_UNSUPPORTED' },
    });
  });

  test.each([
    { path: '/api', open: true },
    { path: '/api/', open: true },
    { path: '/apis', open: true },
    { path: '/api/v1', open: true },
    { path: '/apis/apps', open: true },
    { path: '/apis/apps/v1', open: true },
    { path: '/version', open: true },
    { path: '/openapi/v2', open: true },
    { path: '/openapi/v3', open: true },
    { path: '/openapi/v3/apis/apps/v1?hash=x', open: true },
    { path: '/healthz', open: true },
    { path: '/livez?verbose', open: true },
    { path: '/readyz', open: true },
    { path: '/', open: false },
    { path: '/healthz/', open: false },
    { path: '/healthz/etcd', open: false },
    { path: '/readyz/log', open: false },
    { path: '/version/x', open: false },
    { path: '/openapi', open: false },
    { path: '/openapi/v2/x', open: false },
    { path: '/openapi/v33', open: false },
    { path: '/metrics', open: false },
    { path: '/logs', open: false },
    { path: '/logs/api', open: false },
    { path: '/debug/pprof/', open: false },
    { path: '/configz', open: false },
    { path: '/.well-known/openid-configuration', open: false },
    { path: '/apis/apps/v1/deployments', open: false },
    { path: '/api/v1/pods', open: false },
    { path: '/API', open: false },
  ])('$path is open to everybody: $open', ({ path, open }) => {
    expect(isOpenDiscovery(attributes('GET', path))).toBe(open);
    expect(isOpenDiscovery(attributes('HEAD', path))).toBe(open);
  });
});

describe('stream options, as the API server decodes them', () => {
  test('exec', () => {
    const { options } = attributes(
      'GET',
      `${ns}/pods/x/exec?command=sh&command=-c&stdin=true&tty=0&stdout&stderr=False&container=c`,
    );
    expect(execOptions(options)).toEqual({
      command: ['sh', '-c'],
      container: 'c',
      stdin: true,
      stdout: true,
      stderr: false,
      tty: false,
    });
  });

  test('log', () => {
    const { options } = attributes('GET', `${ns}/pods/x/log?follow=fal%C5%BFe&previous=yes`);
    expect(logOptions(options)).toEqual({ container: '', follow: false, previous: true });
  });

  test.each([
    { query: 'ports=80&ports=443', ports: [80, 443] },
    { query: 'ports=80,443', ports: [80, 443] },
    { query: '', ports: [] },
    { query: 'ports=80,', ports: null },
    { query: 'ports=65536', ports: null },
    { query: 'ports=%2B80', ports: null },
    { query: 'ports=0x50', ports: null },
  ])('port-forward ?$query', ({ query, ports }) => {
    const { options } = attributes('GET', `${ns}/pods/x/portforward?${query}`);
    expect(portForwardOptions(options)).toMatchObject(
      ports === null ? { ok: false } : { ok: true, value: { ports } },
    );
  });
});

test('whatever is accepted fits the closed lists', () => {
  fc.assert(
    fc.property(plausibleTarget, anyMethod, (raw, method) => {
      const result = read(method, raw);
      fc.pre(result.ok);
      const { scope, verb, namespace, resource, dryRun } = result.value;
      expect(policyVerbs).toContain(verb);
      expect(namespace === '' || scope === 'namespaced').toBe(true);
      expect(resource === '').toBe(scope === 'nonresource');
      expect(verb === 'connect').toBe(/\/(?:exec|attach|portforward|proxy)$/.test(resource));
      expect(dryRun && ['get', 'list', 'watch', 'connect'].includes(verb)).toBe(false);
    }),
    { numRuns: 1000 },
  );
});
