import type { Place } from './corpus-draw.ts';

/** The path of a namespace of the core group. */
export const core = (namespace: string): string => `/api/v1/namespaces/${namespace}`;
const inGroup = (group: string, namespace: string): string =>
  `/apis/${group}/v1/namespaces/${namespace}`;

/** The API group of the run's own custom resource. */
export const widgetGroup = 'corpus.holdgate.test';

/** Paths of objects: some that are there, some that are not, in and outside namespaces. */
export const objects = (place: Place): readonly string[] => [
  `${core(place.kept)}/pods/${place.pod}`,
  `${core(place.kept)}/configmaps/kept`,
  `${core(place.kept)}/configmaps/dotted.name.v1`,
  `${core(place.kept)}/secrets/kept`,
  `${core(place.kept)}/services/web`,
  `${core(place.kept)}/serviceaccounts/builder`,
  `${core(place.kept)}/pods/missing`,
  `${core('no-such-namespace')}/pods/missing`,
  `${core(place.kept)}/nodes/${place.node}`,
  `${inGroup('apps', place.kept)}/deployments/web`,
  `${inGroup('apps', place.kept)}/statefulsets/missing`,
  `${inGroup('rbac.authorization.k8s.io', place.kept)}/roles/system:corpus:reader`,
  `${inGroup('rbac.authorization.k8s.io', place.kept)}/roles/system%3Acorpus%3areader`,
  `${inGroup(widgetGroup, place.kept)}/widgets/one`,
  `${inGroup(widgetGroup, place.kept)}/widgets/missing`,
  `/api/v1/nodes/${place.node}`,
  `/api/v1/namespaces/${place.kept}`,
  `/api/v1/namespaces/missing`,
  `/apis/apps/v1/namespaces/${place.kept}`,
  '/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node',
  '/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3anode',
  '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/cluster-admin',
  `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.${widgetGroup}`,
  '/apis/apiregistration.k8s.io/v1/apiservices/v1.apps',
  '/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical',
  `/apis/certificates.k8s.io/v1/certificatesigningrequests/${place.run}`,
  `/api/v2/namespaces/${place.kept}/pods/${place.pod}`,
  `/apis/apps/v9/namespaces/${place.kept}/deployments/web`,
  `/apis/apps/v1beta1/namespaces/${place.kept}/deployments/web`,
  '/apis/no-such.example/v1/things/one',
  `${core(place.kept)}/gadgets/one`,
];

/** Paths of collections: some with objects, some without, some of resources that are not served. */
export const collections = (place: Place): readonly string[] => [
  `${core(place.kept)}/pods`,
  `${core(place.kept)}/configmaps`,
  `${core(place.churn)}/configmaps`,
  `${core(place.kept)}/secrets`,
  `${core(place.kept)}/events`,
  `${core(place.kept)}/bindings`,
  `${inGroup('apps', place.kept)}/deployments`,
  `${inGroup('rbac.authorization.k8s.io', place.kept)}/rolebindings`,
  `${inGroup('coordination.k8s.io', place.kept)}/leases`,
  `${inGroup(widgetGroup, place.kept)}/widgets`,
  `${core('no-such-namespace')}/pods`,
  `${core(place.kept)}/gadgets`,
  '/api/v1/pods',
  '/api/v1/nodes',
  '/api/v1/namespaces',
  '/api/v1/componentstatuses',
  '/apis/apps/v1/deployments',
  '/apis/apps/v1/daemonsets',
  `/apis/${widgetGroup}/v1/widgets`,
  '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
  '/apis/apps/v7/deployments',
];

/** Subresources to be read, and what is none or cannot be read. */
export const subresources = (place: Place): readonly string[] => {
  const pod = `${core(place.kept)}/pods/${place.pod}`;
  return [
    `${pod}/status`,
    `${pod}/log`,
    `${pod}/log?tailLines=1&container=c`,
    `${pod}/log?follow=false`,
    `${pod}/log?container=no-such`,
    `${pod}/ephemeralcontainers`,
    `${pod}/resize`,
    `${pod}/eviction`,
    `${pod}/binding`,
    `${pod}/no-such`,
    `${pod}/status/deeper`,
    `${pod}/scale`,
    `${core(place.kept)}/pods/missing/log`,
    `${core(place.kept)}/configmaps/kept/status`,
    `${core(place.kept)}/services/web/status`,
    `${core(place.kept)}/serviceaccounts/builder/token`,
    `${inGroup('apps', place.kept)}/deployments/web/scale`,
    `${inGroup('apps', place.kept)}/deployments/web/status`,
    `${inGroup('apps', place.kept)}/deployments/web/rollback`,
    `${inGroup(widgetGroup, place.kept)}/widgets/one/status`,
    `${inGroup(widgetGroup, place.kept)}/widgets/one/scale`,
    `${inGroup(widgetGroup, place.kept)}/widgets/one/no-such`,
    `/api/v1/nodes/${place.node}/status`,
    `/api/v1/namespaces/${place.kept}/status`,
    `/api/v1/namespaces/${place.kept}/finalize`,
    `/apis/certificates.k8s.io/v1/certificatesigningrequests/${place.run}/approval`,
    `/apis/certificates.k8s.io/v1/certificatesigningrequests/${place.run}/status`,
    `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.${widgetGroup}/status`,
  ];
};

/** Watches by the deprecated path prefix; the last two end too early. */
export const legacyWatches = (place: Place): readonly string[] => [
  `/api/v1/watch/namespaces/${place.kept}/configmaps`,
  `/api/v1/watch/namespaces/${place.kept}/configmaps/kept`,
  `/api/v1/watch/namespaces/${place.kept}/pods/${place.pod}/status`,
  `/api/v1/watch/namespaces/${place.kept}`,
  '/api/v1/watch/namespaces',
  '/api/v1/watch/pods',
  `/api/v1/watch/nodes/${place.node}`,
  `/apis/apps/v1/watch/namespaces/${place.kept}/deployments/web`,
  '/apis/apps/v1/watch/deployments',
  `/apis/${widgetGroup}/v1/watch/namespaces/${place.kept}/widgets`,
  '/api/v1/watch/gadgets',
  '/api/v1/watch',
  '/apis/apps/v1/watch/',
];
