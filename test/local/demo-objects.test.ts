import { expect, test } from 'vitest';
import { demoObjects } from '../../src/local/demo-objects.ts';

const paths = demoObjects.map(({ path }) => path);

test('what the five-minute start names is there', () => {
  expect(paths).toEqual(
    expect.arrayContaining([
      '/api/v1/namespaces/shop',
      '/api/v1/namespaces/payments/secrets/db-credentials',
      '/api/v1/namespaces/payments/pods/checkout-7b9',
      '/apis/apps/v1/namespaces/payments/deployments/checkout',
    ]),
  );
});

test('each path is that of its object', () => {
  for (const { path, object } of demoObjects) {
    expect(object).toMatchObject({ metadata: { name: path.split('/').at(-1) } });
    const [, root, version, space] = /^\/(apis?)\/(.*v1)\/namespaces\/(\w+)/.exec(path)!;
    expect(object).toMatchObject({ apiVersion: version });
    expect(root).toBe(version === 'v1' ? 'api' : 'apis');
    const own = object['kind'] === 'Namespace' ? { name: space } : { namespace: space };
    expect(object).toMatchObject({ metadata: own });
  }
});

test('a namespace comes before what is in it', () => {
  for (const [index, path] of paths.entries()) {
    const space = /^\/apis?\/(?:apps\/)?v1\/namespaces\/([^/]+)\//.exec(path)?.[1];
    if (space === undefined) continue;
    expect(paths.indexOf(`/api/v1/namespaces/${space}`)).toBeLessThan(index);
  }
});
