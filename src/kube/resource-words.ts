/**
 * Resources as people write them after `kubectl get`. The built-in kinds of Kubernetes (staging/src/k8s.io/api), by the
 * groups that own them: a resource of another group with the same name keeps its group, so that it is not taken for it.
 */

type Word = { readonly singular: string; readonly namespaced: boolean };

const words = (namespaced: boolean, plurals: string): readonly (readonly [string, Word])[] =>
  plurals.split(' ').map((pair) => {
    const [resource = '', singular = ''] = pair.split(':');
    return [resource, { singular: singular === '' ? resource.slice(0, -1) : singular, namespaced }];
  });

/** `plural`, or `plural:singular` where the singular is not the plural without its `s`; by group. */
const BUILT_IN: ReadonlyMap<string, ReadonlyMap<string, Word>> = new Map([
  [
    '',
    new Map([
      ...words(
        true,
        'pods services secrets configmaps events endpoints:endpoints serviceaccounts limitranges persistentvolumeclaims podtemplates replicationcontrollers resourcequotas',
      ),
      ...words(false, 'nodes namespaces persistentvolumes componentstatuses:componentstatus'),
    ]),
  ],
  [
    'apps',
    new Map(words(true, 'deployments daemonsets statefulsets replicasets controllerrevisions')),
  ],
  ['batch', new Map(words(true, 'jobs cronjobs'))],
  ['autoscaling', new Map(words(true, 'horizontalpodautoscalers'))],
  ['policy', new Map(words(true, 'poddisruptionbudgets'))],
  ['coordination.k8s.io', new Map(words(true, 'leases'))],
  ['discovery.k8s.io', new Map(words(true, 'endpointslices'))],
  ['events.k8s.io', new Map(words(true, 'events'))],
  [
    'networking.k8s.io',
    new Map([
      ...words(true, 'ingresses:ingress networkpolicies:networkpolicy'),
      ...words(false, 'ingressclasses:ingressclass'),
    ]),
  ],
  [
    'rbac.authorization.k8s.io',
    new Map([
      ...words(true, 'roles rolebindings'),
      ...words(false, 'clusterroles clusterrolebindings'),
    ]),
  ],
  [
    'storage.k8s.io',
    new Map(words(false, 'storageclasses:storageclass volumeattachments csidrivers csinodes')),
  ],
  ['scheduling.k8s.io', new Map(words(false, 'priorityclasses:priorityclass'))],
  ['apiextensions.k8s.io', new Map(words(false, 'customresourcedefinitions'))],
  ['apiregistration.k8s.io', new Map(words(false, 'apiservices'))],
  ['certificates.k8s.io', new Map(words(false, 'certificatesigningrequests'))],
  [
    'admissionregistration.k8s.io',
    new Map(words(false, 'mutatingwebhookconfigurations validatingwebhookconfigurations')),
  ],
]);

/** A resource without its subresource, as kubectl takes it. */
export type ResourceWord = {
  /** `pods`, `widgets.example.com`. */
  readonly plural: string;
  /** `pod`; the plural where the singular is not known. */
  readonly singular: string;
  /** False for built-in kinds that are cluster-wide; null where it is not known. */
  readonly namespaced: boolean | null;
};

/** The words for a resource of a group; `resource` is without subresource. */
export function resourceWord(group: string, resource: string): ResourceWord {
  const known = BUILT_IN.get(group)?.get(resource);
  if (known !== undefined) return { plural: resource, ...known };
  const plural = group === '' ? resource : `${resource}.${group}`;
  return { plural, singular: plural, namespaced: null };
}
