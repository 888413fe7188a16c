import { withQuery, type Draw, type Place, type Sketch, type Template } from './corpus-draw.ts';
import { widgetGroup } from './corpus-paths.ts';
import { writeOptions } from './corpus-updates.ts';

const rbac = 'rbac.authorization.k8s.io';

/** A kind that the corpus makes and deletes: where, and what of it is needed. */
type Made = {
  readonly collection: string;
  readonly object: (name: string) => object;
};

const inChurn = (place: Place): readonly Made[] => [
  {
    collection: `/api/v1/namespaces/${place.churn}/configmaps`,
    object: (name) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name },
      data: { a: '1' },
    }),
  },
  {
    collection: `/api/v1/namespaces/${place.churn}/secrets`,
    object: (name) => ({ apiVersion: 'v1', kind: 'Secret', metadata: { name } }),
  },
  {
    collection: `/apis/${rbac}/v1/namespaces/${place.churn}/roles`,
    object: (name) => ({ apiVersion: `${rbac}/v1`, kind: 'Role', metadata: { name }, rules: [] }),
  },
  {
    collection: `/apis/${widgetGroup}/v1/namespaces/${place.churn}/widgets`,
    object: (name) => ({
      apiVersion: `${widgetGroup}/v1`,
      kind: 'Widget',
      metadata: { name },
      spec: { replicas: 1 },
    }),
  },
];

const outsideNamespaces = (): readonly Made[] => [
  {
    collection: `/apis/${rbac}/v1/clusterroles`,
    object: (name) => ({
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name },
      rules: [],
    }),
  },
  {
    collection: '/apis/scheduling.k8s.io/v1/priorityclasses',
    object: (name) => ({
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name },
      value: 1,
    }),
  },
];

/** Few enough that creates, updates and deletes often meet the same object. */
const namesMax = 10;

function anyName(draw: Draw, place: Place): string {
  const number = draw.whole(namesMax);
  return draw.pick([
    `${place.run}-${number}`,
    `${place.run}-${number}`,
    `${place.run}.dotted.${number}`,
    `system:${place.run}:${number}`, // legal for RBAC only; elsewhere the server refuses it
    `UPPER-${number}`,
  ]);
}

function create(draw: Draw, place: Place): Sketch {
  const made = draw.pick([...inChurn(place), ...inChurn(place), ...outsideNamespaces()]);
  const target = withQuery(made.collection + draw.pick(['', '', '/']), draw.pick(writeOptions));
  const body = made.object(anyName(draw, place));
  if (draw.chance(0.15)) {
    return {
      method: 'POST',
      target,
      body: { ...body, metadata: { generateName: `${place.run}-` } },
    };
  }
  if (draw.chance(0.15)) {
    const name = anyName(draw, place);
    const namespace = draw.pick([place.churn, 'elsewhere']);
    return { method: 'POST', target, body: { ...body, metadata: { name, namespace } } };
  }
  if (draw.chance(0.15)) {
    const text = Buffer.from(`${JSON.stringify(body)}\n`);
    return { method: 'POST', target, body: text, contentType: 'application/yaml' };
  }
  return { method: 'POST', target, body };
}

/** Bodies that the server, or the gateway before it, cannot take. */
const brokenBodies: readonly { readonly body: Buffer; readonly contentType: string }[] = [
  { body: Buffer.from('{'), contentType: 'application/json' },
  { body: Buffer.from('{"a":1,"a":2}'), contentType: 'application/json' },
  { body: Buffer.from('[]'), contentType: 'application/json' },
  { body: Buffer.from('{}'), contentType: 'application/json' },
  { body: Buffer.from('{"kind":"Pod","apiVersion":"v9"}'), contentType: 'application/json' },
  { body: Buffer.from('{"metadata":{"name":7}}'), contentType: 'application/json' },
  {
    body: Buffer.from('k8s\0not a message'),
    contentType: 'application/vnd.kubernetes.protobuf',
  },
  { body: Buffer.from([0xd9, 0xd9, 0xf7, 0xa0]), contentType: 'application/cbor' },
  { body: Buffer.from('a=b'), contentType: 'application/x-www-form-urlencoded' },
];

const deleteOptions: readonly object[] = [
  { kind: 'DeleteOptions', apiVersion: 'v1' },
  { kind: 'DeleteOptions', apiVersion: 'v1', dryRun: ['All'] },
  {
    kind: 'DeleteOptions',
    apiVersion: 'v1',
    gracePeriodSeconds: 0,
    propagationPolicy: 'Background',
  },
  { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid: 'none' } },
  {},
];

const deleteQueries = [
  '',
  '',
  'gracePeriodSeconds=0',
  'propagationPolicy=Orphan',
  'dryRun=All',
  'gracePeriodSeconds=x',
  'uid=none',
];

/** A body for some of the deletes: with one, the query's options mean nothing. */
const perhapsOptions = (draw: Draw): { readonly body?: object } =>
  draw.chance(0.4) ? { body: draw.pick(deleteOptions) } : {};

export const writeTemplates: readonly Template[] = [
  { name: 'create', make: create },
  { name: 'create again', make: create },
  {
    name: 'create, broken body',
    make: (draw, place) => ({
      method: draw.pick(['POST', 'POST', 'PUT']),
      target: draw.pick([
        `/api/v1/namespaces/${place.churn}/configmaps`,
        `/api/v1/namespaces/${place.churn}/configmaps/broken`,
        `/apis/${widgetGroup}/v1/namespaces/${place.churn}/widgets`,
        `/api/v1/namespaces/${place.kept}/pods/${place.pod}/eviction`,
        '/api/v1/namespaces/no-such-namespace/configmaps',
      ]),
      ...draw.pick(brokenBodies),
    }),
  },
  {
    name: 'delete',
    make: (draw, place) => {
      const made = draw.pick([...inChurn(place), ...outsideNamespaces()]);
      const name = anyName(draw, place).replaceAll(':', draw.pick([':', '%3A']));
      const target = withQuery(`${made.collection}/${name}`, draw.pick(deleteQueries));
      return { method: 'DELETE', target, ...perhapsOptions(draw) };
    },
  },
  {
    name: 'deletecollection',
    make: (draw, place) => {
      const { collection } = draw.pick(inChurn(place));
      const selector = draw.pick([
        '',
        '',
        'labelSelector=corpus',
        'fieldSelector=metadata.name%3Dx',
        'fieldSelector==',
        'limit=x',
        'limit=2',
        'watch=1',
      ]);
      const target = withQuery(collection, selector, draw.pick(deleteQueries));
      return { method: 'DELETE', target, ...perhapsOptions(draw) };
    },
  },
];
