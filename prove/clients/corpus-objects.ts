// eslint-disable-next-line import/no-unassigned-import -- it defines what @peculiar/x509 needs to be loaded
import '../../src/base/reflect-metadata.ts';
import { Pkcs10CertificateRequestGenerator } from '@peculiar/x509';
import { run } from '../support/processes.ts';
import type { World } from '../support/world.ts';
import type { Place } from './corpus-draw.ts';
import { widgetGroup } from './corpus-paths.ts';

/** A cluster-wide definition with both subresources; a second run finds it there. */
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `widgets.${widgetGroup}` },
  spec: {
    group: widgetGroup,
    scope: 'Namespaced',
    names: { plural: 'widgets', singular: 'widget', kind: 'Widget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: { type: 'object', properties: { replicas: { type: 'integer' } } },
              status: { type: 'object', properties: { replicas: { type: 'integer' } } },
            },
          },
        },
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
        },
      },
    ],
  },
};

async function signingRequest(name: string): Promise<object> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
  const made = await Pkcs10CertificateRequestGenerator.create({
    name: `CN=${name}`,
    keys,
    signingAlgorithm: algorithm,
  });
  return {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: {
      request: Buffer.from(made.toString('pem')).toString('base64'),
      signerName: 'corpus.holdgate.test/nobody',
      usages: ['client auth'],
    },
  };
}

function keptObjects(place: Place): readonly object[] {
  const containers = [{ name: 'c', image: 'example.test/c:1' }];
  const labels = { app: 'web' };
  const rbac = 'rbac.authorization.k8s.io';
  const inKept = (name: string): object => ({ name, namespace: place.kept });
  const core = (kind: string, name: string, more: object = {}): object => ({
    apiVersion: 'v1',
    kind,
    metadata: inKept(name),
    ...more,
  });
  return [
    core('Pod', place.pod, { spec: { containers } }),
    core('ConfigMap', 'kept'),
    core('ConfigMap', 'dotted.name.v1'),
    core('Secret', 'kept', { stringData: { a: 'b' } }),
    core('ServiceAccount', 'builder'),
    core('Service', 'web', { spec: { selector: labels, ports: [{ port: 80 }] } }),
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: inKept('web'),
      spec: {
        replicas: 1,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers } },
      },
    },
    { apiVersion: `${rbac}/v1`, kind: 'Role', metadata: inKept('system:corpus:reader'), rules: [] },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name: `${place.run}:kept` },
      rules: [],
    },
    {
      apiVersion: `${widgetGroup}/v1`,
      kind: 'Widget',
      metadata: inKept('one'),
      spec: { replicas: 1 },
    },
  ];
}

/** Makes the run's namespaces and objects, straight at the API server as its administrator. */
export async function makePlace(world: World, name: string): Promise<Place> {
  const kubectl = async (args: readonly string[], input = ''): Promise<string> => {
    const all = ['--kubeconfig', world.cluster.adminKubeconfig, ...args];
    const done = await run(world.kubectl, all, { input });
    if (done.code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${done.stderr}`);
    return done.stdout.trim();
  };
  const apply = (objects: readonly object[]): Promise<string> =>
    kubectl(
      ['apply', '-f', '-'],
      JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }),
    );
  const node = await kubectl(['get', 'nodes', '-o', 'jsonpath={.items[0].metadata.name}']);
  const place = { run: name, kept: `${name}-kept`, churn: `${name}-churn`, node, pod: 'talker' };
  await apply([definition]);
  await kubectl(['wait', '--for=condition=Established', `crd/widgets.${widgetGroup}`]);
  for (const namespace of [place.kept, place.churn]) {
    await kubectl(['create', 'namespace', namespace]);
    await kubectl(['wait', '-n', namespace, '--for=create', 'serviceaccount/default']);
  }
  await apply([...keptObjects(place), await signingRequest(name)]);
  await kubectl(['wait', '-n', place.kept, '--for=condition=Ready', `pod/${place.pod}`]);
  return place;
}
