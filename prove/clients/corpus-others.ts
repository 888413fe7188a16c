import * as fc from 'fast-check';
import { plausibleTarget } from '../../test/support/kube-arbitraries.ts';
import { withQuery, type Place, type Sketch, type Template } from './corpus-draw.ts';
import { widgetGroup } from './corpus-paths.ts';

const anyMethod = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** Creates below an object, and creates that store nothing. */
function specialCreates(place: Place, index: number): readonly Sketch[] {
  const post = (target: string, body: object): Sketch => ({ method: 'POST', target, body });
  const core = `/api/v1/namespaces/${place.kept}`;
  const pod = `${core}/pods/${place.pod}`;
  const eviction = (name: string): object => ({
    apiVersion: 'policy/v1',
    kind: 'Eviction',
    metadata: { name },
  });
  const binding = (name: string): object => ({
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name },
    target: { kind: 'Node', name: place.node },
  });
  const token = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
  const review = (kind: string, spec: object): object => ({
    apiVersion: 'authorization.k8s.io/v1',
    kind,
    spec,
  });
  const reviews = '/apis/authorization.k8s.io/v1';
  const asked = { resourceAttributes: { verb: 'get', resource: 'pods', namespace: place.kept } };
  return [
    post(`${pod}/eviction?dryRun=All`, eviction(place.pod)),
    post(`${pod}/eviction`, eviction('other')),
    post(`${core}/pods/missing/eviction`, eviction('missing')),
    post(`${pod}/binding`, binding(place.pod)),
    post(`${core}/bindings`, binding(place.pod)),
    post(`${core}/bindings/${place.pod}`, binding(place.pod)),
    post(`${core}/serviceaccounts/builder/token`, token),
    post(`${core}/serviceaccounts/builder/token?dryRun=All`, token),
    post(`${core}/serviceaccounts/missing/token`, token),
    post(`${reviews}/selfsubjectaccessreviews`, review('SelfSubjectAccessReview', asked)),
    post(
      `${reviews}/selfsubjectrulesreviews`,
      review('SelfSubjectRulesReview', { namespace: place.kept }),
    ),
    post(`${reviews}/subjectaccessreviews`, review('SubjectAccessReview', { ...asked, user: 'a' })),
    post(
      `${reviews}/namespaces/${place.kept}/localsubjectaccessreviews`,
      review('LocalSubjectAccessReview', { ...asked, user: 'a' }),
    ),
    post('/apis/authentication.k8s.io/v1/tokenreviews', {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token: `none-${index}` },
    }),
    post(`${pod}/no-such`, {}),
    post(`${core}/pods/${place.pod}`, { metadata: { name: place.pod } }),
    post(`/api/v1/namespaces/${place.kept}/namespaces/x`, {}),
    post(`/apis/${widgetGroup}/v1/namespaces/${place.kept}/widgets/one/scale`, {}),
  ];
}

/** What opens a stream or a tunnel, here asked for without an upgrade. */
function connects(place: Place): readonly string[] {
  const core = `/api/v1/namespaces/${place.kept}`;
  const pod = `${core}/pods/${place.pod}`;
  return [
    `${pod}/exec?command=true&command=-x&container=c&stdout=1`,
    `${pod}/exec`,
    `${pod}/exec/`,
    `${pod}/attach?container=c&stdout=1`,
    `${pod}/portforward`,
    `${pod}/portforward?ports=80`,
    `${pod}/portforward?ports=x`,
    `${pod}/proxy`,
    `${pod}/proxy/`,
    `${pod}/proxy/a/b?c=d&c=e`,
    `${core}/pods/${place.pod}:80/proxy/a%20b/`,
    `${core}/pods/https:${place.pod}:443/proxy/`,
    `${core}/services/web/proxy`,
    `${core}/services/http:web:80/proxy/path`,
    `${core}/services/web/exec`,
    `${core}/configmaps/kept/attach`,
    `/apis/apps/v1/namespaces/${place.kept}/deployments/web/proxy`,
    `/api/v1/nodes/${place.node}/proxy/healthz`,
    `/api/v1/nodes/${place.node}/proxy/no-such`,
    `/api/v1/nodes/missing/proxy/healthz`,
    `/api/v1/proxy/nodes/${place.node}`,
    `/api/v1/proxy/nodes/${place.node}/healthz/`,
    `/api/v1/proxy/namespaces/${place.kept}/pods/${place.pod}/a/b`,
    `/api/v1/proxy/namespaces/${place.kept}/services`,
    '/api/v1/proxy',
  ];
}

const outsideGroups = [
  '/',
  '/api',
  '/api/',
  '/api/v1',
  '/api/v1/',
  '/api/v2',
  '/apis',
  '/apis/',
  '/apis/apps',
  '/apis/apps/v1',
  '/apis/apps/v1/',
  '/apis/no-such.example',
  `/apis/${widgetGroup}/v1`,
  '/version',
  '/version/',
  '/healthz',
  '/healthz/',
  '/healthz/etcd',
  '/healthz?verbose',
  '/livez?exclude=etcd&exclude=ping',
  '/readyz?verbose=1',
  '/readyz/ping',
  '/openapi/v3',
  '/openapi/v3/api/v1',
  '/openapi/v3/apis/no-such.example/v1',
  '/metrics/slis',
  '/logs/',
  '/debug/pprof/cmdline',
  '/debug/flags',
  '/debug/flags/v',
  '/configz',
  '/openid/v1/jwks',
  '/.well-known/openid-configuration',
  '/swagger.json',
  '/no/such/path',
  '/no%20such%20path',
  '/API/v1/pods',
];

/** The template that nothing of may pass. */
export const hostileTemplate = 'hostile';

/** Targets and methods that no two readers take alike: the gateway refuses them. */
const hostile = (place: Place): readonly Sketch[] => {
  const pods = `/api/v1/namespaces/${place.kept}/pods`;
  const get = (target: string): Sketch => ({ method: 'GET', target });
  return [
    get(`/api/v1//namespaces/${place.kept}/pods`),
    get(`//api/v1/namespaces/${place.kept}/pods`),
    get(`${pods}//`),
    get(`/api/v1/namespaces/../namespaces/${place.kept}/pods`),
    get(`/api/v1/./pods`),
    get(`${pods}?limit=1;watch=1`),
    get(`${pods}?limit=1&limit=2`),
    get(`${pods}?watch=0&watch=1&timeoutSeconds=1`),
    get(`${pods}?limit=%zz`),
    get(`${pods}#fragment`),
    get(`https://127.0.0.1${pods}`),
    get(`${pods}\\${place.pod}`),
    { method: 'POST', target: `${pods}?watch=1` },
    { method: 'POST', target: `/api/v1/watch/namespaces/${place.kept}/pods`, body: {} },
    { method: 'DELETE', target: `/api/v1/watch/namespaces/${place.kept}/configmaps/missing` },
    { method: 'get', target: pods },
    { method: 'OPTIONS', target: pods },
    { method: 'TRACE', target: pods },
    { method: 'QUERY', target: pods },
    { method: 'POST', target: '/healthz', body: {} },
    { method: 'DELETE', target: '/metrics' },
    { method: 'PUT', target: '/api/v1', body: {} },
    get(`/clusters/no-such${pods}`),
    get('/clusters'),
    get(`/s/${'x'.repeat(200)}${pods}`),
    get(`${pods}?${'a=b&'.repeat(4000)}`),
  ];
};

/** The same request by the gateway's own routes. */
const routed = (place: Place): readonly string[] => {
  const target = `/api/v1/namespaces/${place.kept}/configmaps`;
  return [
    `/clusters/local${target}`,
    `/clusters/local${target}/kept`,
    `/clusters/local/s/task-1${target}/kept/`,
    `/s/task.2${target}?limit=1`,
    '/s/task-3/version',
    '/clusters/local/',
    '/clusters/local/api/',
    '/s/task-4/healthz/',
  ];
};

/** Nothing that these targets reach is stored or deleted, whatever it is. */
function harmless(method: string, target: string): Sketch {
  if (method === 'GET' || method === 'HEAD') {
    const join = target.includes('?') ? '&' : '?';
    return {
      method,
      target: target.includes('timeoutSeconds') ? target : `${target}${join}timeoutSeconds=1`,
    };
  }
  if (method === 'DELETE') {
    return { method, target, body: { kind: 'DeleteOptions', apiVersion: 'v1', dryRun: ['All'] } };
  }
  const contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  return { method, target, body: {}, contentType };
}

export const otherTemplates: readonly Template[] = [
  {
    name: 'create below an object',
    make: (draw, place, index) => draw.pick(specialCreates(place, index)),
  },
  {
    name: 'connect',
    make: (draw, place) => {
      const method = draw.pick(['GET', 'GET', 'POST', ...anyMethod]);
      const target = draw.pick(connects(place));
      return method === 'GET' || method === 'HEAD' ? { method, target } : harmless(method, target);
    },
  },
  {
    name: 'outside the groups',
    make: (draw) => ({
      method: draw.pick(['GET', 'GET', 'HEAD']),
      target: withQuery(draw.pick(outsideGroups), draw.pick(['', '', 'timeout=32s'])),
    }),
  },
  {
    name: 'get with a body',
    make: (draw, place) => {
      const target = `/api/v1/namespaces/${place.kept}/configmaps${draw.pick(['', '/kept'])}`;
      return { method: draw.pick(['GET', 'HEAD']), target, body: { metadata: { name: 'other' } } };
    },
  },
  { name: hostileTemplate, make: (draw, place) => draw.pick(hostile(place)) },
  {
    name: 'routed',
    make: (draw, place) => ({
      method: draw.pick(['GET', 'HEAD']),
      target: draw.pick(routed(place)),
    }),
  },
  {
    name: 'wild',
    make: (draw) => {
      const seed = draw.whole(2 ** 31);
      const [target = '/'] = fc.sample(plausibleTarget, { numRuns: 1, seed });
      return harmless(draw.pick(['GET', 'GET', ...anyMethod]), target);
    },
  },
];
