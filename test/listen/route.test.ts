import { describe, expect, test } from 'vitest';
import { parseTarget } from '../../src/kube/target.ts';
import { isMetadataTarget } from '../../src/listen/metadata.ts';
import { routeTarget } from '../../src/listen/route.ts';

describe('where a target goes', () => {
  test.each([
    {
      raw: '/api/v1/pods?limit=1',
      route: { cluster: null, task: null },
      rest: '/api/v1/pods?limit=1',
    },
    {
      raw: '/clusters/prod/api/v1/pods',
      route: { cluster: 'prod', task: null },
      rest: '/api/v1/pods',
    },
    {
      raw: '/clusters/prod/s/task-1/api/v1/pods',
      route: { cluster: 'prod', task: 'task-1' },
      rest: '/api/v1/pods',
    },
    { raw: '/s/task-1/api', route: { cluster: null, task: 'task-1' }, rest: '/api' },
    { raw: '/clusters', route: { cluster: '', task: null }, rest: '/' },
    { raw: '/healthz', route: { cluster: null, task: null }, rest: '/healthz' },
  ])('$raw', ({ raw, route, rest }) => {
    const target = parseTarget(raw);
    const routed = target.ok ? routeTarget(target.value) : target;
    expect(routed).toMatchObject({
      ok: true,
      value: { kind: 'cluster', ...route, target: { rebuilt: rest } },
    });
  });

  test.each(['/s', '/s/a%20b/api', `/s/${'x'.repeat(200)}/api`])(
    '%s is refused: no task can be called so',
    (raw) => {
      const target = parseTarget(raw);
      const routed = target.ok ? routeTarget(target.value) : target;
      expect(routed.ok ? 'ok' : routed.error.code).toBe('HOLDGATE_LISTEN_TARGET_MALFORMED');
    },
  );
});

describe("only the exact document paths are the port's own", () => {
  test.each([
    { method: 'GET', target: '/.well-known/oauth-protected-resource', own: true },
    { method: 'GET', target: '/.well-known/oauth-protected-resource/clusters/prod', own: true },
    { method: 'POST', target: '/.well-known/oauth-protected-resource', own: false },
    { method: 'GET', target: '/.well-known/oauth-protected-resource/%2e%2e/api', own: false },
    { method: 'GET', target: '/.well-known/oauth-protected-resourcex', own: false },
    { method: 'GET', target: '/.well-known/openid-configuration', own: false },
  ])('$method $target: $own', ({ method, target, own }) => {
    expect(isMetadataTarget(method, target)).toBe(own);
  });
});
