import { withQuery, type Draw, type Place, type Sketch, type Template } from './corpus-draw.ts';
import { widgetGroup } from './corpus-paths.ts';

const rbac = 'rbac.authorization.k8s.io';

/** Query options of writes: those of the API, and some that the server refuses. */
export const writeOptions = [
  '',
  '',
  '',
  'dryRun=All',
  'fieldManager=corpus',
  'fieldValidation=Strict',
  'pretty=true',
  'dryRun=',
  'dryRun=all',
  'timeout=5s',
];

/** Objects to update and patch, with the body of an update that may succeed. */
function kept(place: Place): readonly { readonly target: string; readonly body: object }[] {
  const meta = (name: string): object => ({ metadata: { name } });
  const inApps = `/apis/apps/v1/namespaces/${place.kept}/deployments`;
  const widgets = `/apis/${widgetGroup}/v1/namespaces/${place.kept}/widgets`;
  const scale = (name: string): object => ({
    apiVersion: 'autoscaling/v1',
    kind: 'Scale',
    metadata: { name, namespace: place.kept },
    spec: { replicas: 1 },
  });
  const widget = (name: string): object => ({
    apiVersion: `${widgetGroup}/v1`,
    kind: 'Widget',
    ...meta(name),
    spec: { replicas: 1 },
  });
  const space = {
    apiVersion: 'v1',
    kind: 'Namespace',
    ...meta(place.kept),
    spec: { finalizers: ['kubernetes'] },
  };
  const signing = `/apis/certificates.k8s.io/v1/certificatesigningrequests/${place.run}`;
  const pod = `/api/v1/namespaces/${place.kept}/pods/${place.pod}`;
  const podBody = { apiVersion: 'v1', kind: 'Pod', ...meta(place.pod) };
  const role = {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRole',
    ...meta(`${place.run}:kept`),
    rules: [],
  };
  return [
    { target: `/api/v1/namespaces/${place.kept}/configmaps/kept`, body: meta('kept') },
    {
      target: `/api/v1/namespaces/${place.kept}/configmaps/dotted.name.v1`,
      body: meta('dotted.name.v1'),
    },
    { target: `/api/v1/namespaces/${place.kept}/configmaps/missing`, body: meta('missing') },
    { target: `/api/v1/namespaces/${place.kept}/configmaps/kept`, body: meta('other') },
    { target: `${inApps}/web/scale`, body: scale('web') },
    {
      target: `${inApps}/web/status`,
      body: { apiVersion: 'apps/v1', kind: 'Deployment', ...meta('web') },
    },
    { target: `${inApps}/web/no-such`, body: meta('web') },
    { target: `${widgets}/one`, body: widget('one') },
    { target: `${widgets}/one/status`, body: widget('one') },
    { target: `${widgets}/one/scale`, body: scale('one') },
    { target: `/api/v1/namespaces/${place.kept}`, body: space },
    { target: `/api/v1/namespaces/${place.kept}/status`, body: space },
    { target: `/api/v1/namespaces/${place.kept}/finalize`, body: space },
    {
      target: `${signing}/approval`,
      body: {
        kind: 'CertificateSigningRequest',
        apiVersion: 'certificates.k8s.io/v1',
        ...meta(place.run),
      },
    },
    { target: `${signing}/status`, body: meta(place.run) },
    { target: `${pod}/status`, body: podBody },
    { target: `${pod}/ephemeralcontainers`, body: podBody },
    { target: `${pod}/resize`, body: podBody },
    { target: `/apis/${rbac}/v1/clusterroles/${place.run}:kept`, body: role },
    {
      target: `/apis/${rbac}/v1/clusterroles/${place.run}%3Akept`,
      body: { ...role, metadata: { name: `${place.run}:kept`, namespace: 'elsewhere' } },
    },
    { target: `/api/v2/namespaces/${place.kept}/configmaps/kept`, body: meta('kept') },
    { target: `/api/v1/namespaces/${place.kept}/configmaps`, body: meta('kept') },
    { target: `/api/v1/namespaces/${place.kept}/gadgets/one`, body: meta('one') },
  ];
}

function patch(draw: Draw, place: Place, index: number): Sketch {
  const { target, body } = draw.pick(kept(place));
  const labels = { metadata: { labels: { corpus: String(index) } } };
  const options = draw.pick(writeOptions);
  const json = (operation: object): Buffer => Buffer.from(JSON.stringify([operation]));
  return draw.pick<Sketch>([
    {
      method: 'PATCH',
      target: withQuery(target, options),
      contentType: 'application/json-patch+json',
      body: json({ op: 'test', path: '/metadata/name', value: 'kept' }),
    },
    {
      method: 'PATCH',
      target: withQuery(target, options),
      contentType: 'application/merge-patch+json',
      body: labels,
    },
    {
      method: 'PATCH',
      target: withQuery(target, options),
      contentType: 'application/strategic-merge-patch+json',
      body: labels,
    },
    {
      method: 'PATCH',
      target: withQuery(target, options === '' ? 'fieldManager=corpus' : options, 'force=true'),
      contentType: 'application/apply-patch+yaml',
      body,
    },
    { method: 'PATCH', target, contentType: 'application/json', body: labels },
  ]);
}

export const updateTemplates: readonly Template[] = [
  {
    name: 'update',
    make: (draw, place) => {
      const { target, body } = draw.pick(kept(place));
      return { method: 'PUT', target: withQuery(target, draw.pick(writeOptions)), body };
    },
  },
  { name: 'patch', make: patch },
  { name: 'patch again', make: patch },
];
