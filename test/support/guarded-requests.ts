import type { GuardedRequest } from '../../src/hold/guard.ts';
import { requestAttributes } from '../../src/kube/attributes.ts';
import { readBody } from '../../src/kube/bodies.ts';
import { requestInfo } from '../../src/kube/request-info.ts';
import type { JsonObject } from '../../src/kube/request.ts';
import { parseTarget } from '../../src/kube/target.ts';

const PATH = '/apis/apps/v1/namespaces/shop/deployments/web';

/** A live object. */
export const deployment = (resourceVersion: string, replicas = 2, uid = 'u-1'): JsonObject => ({
  kind: 'Deployment',
  apiVersion: 'apps/v1',
  metadata: { name: 'web', uid, resourceVersion },
  spec: { replicas },
});

/** A request as `flow` hands it to the drift guard. */
export function guardedRequest(
  method: string,
  body = '',
  contentType = 'application/json',
  path = PATH,
): GuardedRequest {
  const target = parseTarget(path);
  const info = target.ok ? requestInfo(method, target.value) : target;
  if (!target.ok || !info.ok) throw new Error('target');
  const attributes = requestAttributes(method, target.value, info.value);
  if (!attributes.ok) throw new Error('attributes');
  const read = readBody({
    attributes: attributes.value,
    method,
    contentType,
    contentEncoding: '',
    bytes: Buffer.from(body),
  });
  if (!read.ok) throw new Error(read.error.message);
  return {
    attributes: attributes.value,
    body: read.value,
    deleteOptions: method === 'DELETE' ? {} : null,
  };
}

const POD = '/api/v1/namespaces/shop/pods/web-0';
export const eviction = (options = '{}') =>
  guardedRequest(
    'POST',
    `{"kind":"Eviction","apiVersion":"policy/v1","metadata":{"name":"web-0"},"deleteOptions":${options}}`,
    'application/json',
    `${POD}/eviction`,
  );
export const apply = guardedRequest(
  'PATCH',
  'kind: Deployment\napiVersion: apps/v1\nmetadata:\n  name: web\n',
  'application/apply-patch+yaml',
);
/** An update of an API that is served by somebody else than the API server. */
export const aggregated = guardedRequest(
  'PUT',
  '{"kind":"Flunder","apiVersion":"wardle.example.com/v1","metadata":{"name":"f"},"spec":{}}',
  'application/json',
  '/apis/wardle.example.com/v1/namespaces/shop/flunders/f',
);

export const merge = guardedRequest(
  'PATCH',
  '{"spec":{"replicas":3}}',
  'application/merge-patch+json',
);
