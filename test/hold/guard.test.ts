import { describe, expect, test } from 'vitest';
import { ok } from '../../src/base/result.ts';
import { afterImageDigest } from '../../src/hold/after-image.ts';
import { openGuard, type GuardedRequest } from '../../src/hold/guard.ts';
import type { GuardReader } from '../../src/hold/live-object.ts';
import type { JsonObject } from '../../src/kube/request.ts';
import {
  aggregated,
  apply,
  deployment,
  eviction,
  guardedRequest,
  merge,
} from '../support/guarded-requests.ts';

type Cluster = {
  readonly live: JsonObject | null;
  readonly liveStatus?: number;
  readonly dryRunStatus?: number;
  readonly crds?: readonly string[];
};

/** A cluster that counts the dry runs that are made. */
function clusterOf({ live, liveStatus, dryRunStatus = 200, crds = [] }: Cluster) {
  const made = { dryRuns: 0, reads: 0 };
  const reader: GuardReader = {
    live: () => {
      made.reads += 1;
      const status = liveStatus ?? (live === null ? 404 : 200);
      return Promise.resolve(ok({ status, object: live, body: Buffer.alloc(0) }));
    },
    dryRun: () => {
      made.dryRuns += 1;
      const object = deployment('0', 3);
      return Promise.resolve(ok({ status: dryRunStatus, object, body: Buffer.alloc(0) }));
    },
    crdExists: (name) => Promise.resolve(crds.includes(name)),
  };
  return { reader, made };
}

const changed = {
  kind: 'after-image',
  uid: 'u-1',
  afterImage: afterImageDigest(deployment('0', 3), false),
};
const asItIs = {
  kind: 'after-image',
  uid: 'u-1',
  afterImage: `live-${afterImageDigest(deployment('5'), false)}`,
};
const MISSING = 'HOLDGATE_HOLD_TARGET_MISSING';
const PODS = '/api/v1/namespaces/shop/pods';
const json = 'application/json';
const patch = (path: string): GuardedRequest =>
  guardedRequest('PATCH', '{}', 'application/merge-patch+json', path);
const read = (path: string): GuardedRequest => guardedRequest('GET', '', '', path);

describe('what an approval is about is fixed when it opens', () => {
  test.each<{
    name: string;
    request: GuardedRequest;
    cluster: Cluster;
    guard: unknown;
    dryRuns?: number;
  }>([
    {
      name: 'a delete, by uid',
      request: guardedRequest('DELETE'),
      cluster: { live: deployment('5') },
      guard: { kind: 'delete', uid: 'u-1' },
    },
    {
      name: 'a patch, by what it would store',
      request: merge,
      cluster: { live: deployment('5') },
      guard: changed,
      dryRuns: 1,
    },
    {
      name: 'a delete of nothing',
      request: guardedRequest('DELETE'),
      cluster: { live: null },
      guard: MISSING,
    },
    {
      name: 'a delete of what cannot be read',
      request: guardedRequest('DELETE'),
      cluster: { live: null, liveStatus: 403 },
      guard: MISSING,
    },
    {
      name: 'a deletecollection',
      request: guardedRequest('DELETE', '', '', PODS),
      cluster: { live: deployment('5') },
      guard: MISSING,
    },
    {
      name: 'a patch that the cluster refuses',
      request: merge,
      cluster: { live: deployment('5'), dryRunStatus: 422 },
      guard: MISSING,
      dryRuns: 1,
    },
    {
      name: 'a patch of nothing',
      request: merge,
      cluster: { live: null },
      guard: MISSING,
    },
    {
      name: 'an apply that creates',
      request: apply,
      cluster: { live: null },
      guard: { kind: 'absent', uid: '' },
    },
    {
      name: 'an eviction, by the uid of the pod',
      request: eviction(),
      cluster: { live: deployment('5') },
      guard: { kind: 'object', uid: 'u-1' },
    },
    {
      name: 'an eviction of nothing',
      request: eviction(),
      cluster: { live: null },
      guard: MISSING,
    },
    {
      name: 'a create',
      request: guardedRequest('POST', '{"kind":"Pod","metadata":{"name":"a"}}', json, PODS),
      cluster: { live: deployment('5') },
      guard: { kind: 'none' },
    },
    {
      name: 'a read',
      request: read(`${PODS}/a`),
      cluster: { live: deployment('5') },
      guard: { kind: 'none' },
    },
    {
      name: 'an update of a custom resource',
      request: aggregated,
      cluster: { live: deployment('5'), crds: ['flunders.wardle.example.com'] },
      guard: changed,
      dryRuns: 1,
    },
  ])('$name', async ({ request, cluster, guard, dryRuns = 0 }) => {
    const { reader, made } = clusterOf(cluster);
    const opened = await openGuard(request, reader);
    expect(opened.ok ? opened.value : opened.error.code).toEqual(guard);
    expect(made.dryRuns).toBe(dryRuns);
  });
});

describe('no dry run is sent where it might act: the held write would run before anybody approved it', () => {
  test.each<{ name: string; request: GuardedRequest; crds?: readonly string[] }>([
    { name: 'an aggregated API', request: aggregated },
    { name: 'the metrics API', request: patch('/apis/metrics.k8s.io/v1beta1/nodes/n') },
    { name: 'an unknown subresource', request: patch(`${PODS}/a/whatever`) },
    {
      name: 'an unknown subresource of a custom resource',
      request: patch('/apis/wardle.example.com/v1/namespaces/shop/flunders/f/start'),
      crds: ['flunders.wardle.example.com'],
    },
  ])('$name: the object itself must stay as it is', async ({ request, crds = [] }) => {
    const { reader, made } = clusterOf({ live: deployment('5'), crds });
    expect(await openGuard(request, reader)).toEqual(ok(asItIs));
    expect(made.dryRuns).toBe(0);
  });
});
