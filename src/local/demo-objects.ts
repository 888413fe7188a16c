import { setTimeout as delay } from 'node:timers/promises';
import { errorText } from '../base/log.ts';
import { createClusterApi, type ClusterApi } from './cluster-api.ts';

/** An object of the demo and the path that it is applied to. */
export type DemoObject = {
  readonly path: string;
  readonly object: Readonly<Record<string, unknown>>;
};

/** Who the objects belong to in managedFields: another name than any tool of the reader's. */
const FIELD_MANAGER = 'holdgate-demo';

/** busybox, so that where pods really run (k3s, a cluster of one's own) there is a shell in them. */
const IMAGE = 'busybox:1.37';

/** How long a new namespace's default service account may take; without it no pod can be made. */
const SERVICE_ACCOUNT_TIMEOUT_MS = 30_000;
const POLL_MS = 200;

const core = (space: string, resource: string, name: string): string =>
  `/api/v1/namespaces/${space}/${resource}/${name}`;

const apps = (space: string, resource: string, name: string): string =>
  `/apis/apps/v1/namespaces/${space}/${resource}/${name}`;

const containers = (name: string) => [
  {
    name,
    image: IMAGE,
    command: ['sh', '-c', `echo ${name} started; exec sleep 1000000`],
    resources: { requests: { cpu: '10m', memory: '16Mi' } },
  },
];

function namespace(name: string): DemoObject {
  const metadata = { name, labels: { 'app.kubernetes.io/part-of': 'holdgate-demo' } };
  return {
    path: `/api/v1/namespaces/${name}`,
    object: { apiVersion: 'v1', kind: 'Namespace', metadata },
  };
}

function deployment(space: string, name: string, replicas: number): DemoObject {
  const labels = { app: name };
  return {
    path: apps(space, 'deployments', name),
    object: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace: space, labels },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: containers(name) } },
      },
    },
  };
}

/** A pod with a name that can be typed. Its labels match no ReplicaSet (they want a pod-template-hash), so none adopts it. */
function pod(space: string, name: string, app: string): DemoObject {
  return {
    path: core(space, 'pods', name),
    object: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: space, labels: { app } },
      spec: { containers: containers(app), terminationGracePeriodSeconds: 1 },
    },
  };
}

/** The namespace that is made on a cluster of the user's own: the pasted commands touch nothing else there. */
export const contextNamespace = 'holdgate-demo';

function credentials(space: string): DemoObject {
  return {
    path: core(space, 'secrets', 'db-credentials'),
    object: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'db-credentials', namespace: space },
      type: 'Opaque',
      stringData: { username: 'checkout', password: 'demo-only-7Q4vXz1c' },
    },
  };
}

/** What the start shows on a cluster of the user's own: one namespace, a secret and a pod. */
export const contextDemoObjects: readonly DemoObject[] = [
  namespace(contextNamespace),
  credentials(contextNamespace),
  pod(contextNamespace, 'checkout-7b9', 'checkout'),
];

/** Everything that the five-minute start shows, in the order in which it must be made. The passwords open nothing. */
export const demoObjects: readonly DemoObject[] = [
  namespace('shop'),
  namespace('payments'),
  credentials('payments'),
  {
    path: core('payments', 'configmaps', 'checkout-settings'),
    object: {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'checkout-settings', namespace: 'payments' },
      data: { currency: 'EUR', 'retries.max': '3' },
    },
  },
  deployment('payments', 'checkout', 2),
  pod('payments', 'checkout-7b9', 'checkout'),
  {
    path: core('shop', 'configmaps', 'storefront'),
    object: {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'storefront', namespace: 'shop' },
      data: { theme: 'plain', banner: 'Open all day' },
    },
  },
  deployment('shop', 'web', 1),
];

/**
 * Applies one object server-side (KEP-555): creates it, or brings it back to what is here, whichever is needed. A 403
 * about the service account is a namespace whose controller has not come round yet: asked again.
 */
async function applyObject(
  api: Pick<ClusterApi, 'call'>,
  { path, object }: DemoObject,
): Promise<void> {
  const target = `${path}?fieldManager=${FIELD_MANAGER}&force=true`;
  const deadlineMs = performance.now() + SERVICE_ACCOUNT_TIMEOUT_MS;
  for (;;) {
    const answer = await api.call('PATCH', target, object, 'application/apply-patch+yaml');
    if (answer.status === 200 || answer.status === 201) return;
    const early = answer.status === 403 && answer.body.includes('serviceaccount');
    if (!early || performance.now() > deadlineMs) {
      throw new Error(
        `the demo object ${path} could not be applied: ${answer.status} ${answer.body.slice(0, 500)}`,
      );
    }
    await delay(POLL_MS);
  }
}

/**
 * Makes the demo's objects in a local cluster, with its administrator's token. May be repeated: what is there stays,
 * what was deleted comes back. `ca` is PEM. Throws, naming the object and the server's answer.
 */
export async function seedDemoObjects(cluster: {
  readonly server: string;
  readonly ca: string;
  readonly token: string;
}): Promise<void> {
  const api = createClusterApi(cluster);
  await applyDemoObjects(api, demoObjects, cluster.server);
}

/** Applies objects in order by whatever way there is to the cluster; `where` names it in errors. */
export async function applyDemoObjects(
  api: Pick<ClusterApi, 'call'>,
  objects: readonly DemoObject[],
  where: string,
): Promise<void> {
  for (const object of objects) {
    try {
      await applyObject(api, object);
    } catch (cause) {
      throw new Error(`seeding ${where} failed: ${errorText(cause)}`, { cause });
    }
  }
}
