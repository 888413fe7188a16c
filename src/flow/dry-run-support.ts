import type { RequestAttributes } from '../kube/request.ts';
import type { OwnCalls } from './own-calls.ts';

/**
 * The groups that kube-apiserver itself serves (kubernetes pkg/controlplane/instance.go and cmd/kube-apiserver):
 * their storage honours dryRun. Aggregated APIs (metrics.k8s.io, anybody's own) may ignore the parameter and act.
 */
const BUILT_IN_GROUPS = new Set([
  '',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'apiregistration.k8s.io',
  'apps',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'coordination.k8s.io',
  'discovery.k8s.io',
  'events.k8s.io',
  'flowcontrol.apiserver.k8s.io',
  'networking.k8s.io',
  'node.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'resource.k8s.io',
  'scheduling.k8s.io',
  'storage.k8s.io',
]);

/** Subresources whose own client dry runs are believed: any other may act (serviceaccounts/token mints a token). */
const CLIENT_SUBRESOURCES = new Set(['status', 'scale']);

/** Subresources of built-in kinds that are patched through generic storage, so that our own dry run is safe. */
const OBJECT_SUBRESOURCES = new Set([
  'status',
  'scale',
  'ephemeralcontainers',
  'resize',
  'approval',
]);

/** Whether a dry run of this request changes nothing: as the client asks for one, and as we do to see the object. */
export async function dryRunIsReliable(
  attributes: RequestAttributes,
  own: OwnCalls,
): Promise<{ readonly forClient: boolean; readonly forObject: boolean }> {
  const no = { forClient: false, forObject: false };
  if (!attributes.dryRun && attributes.verb !== 'patch') return no;
  if (attributes.scope === 'nonresource') return no;
  const [plain = '', subresource] = attributes.resource.split('/', 2);
  const builtIn = BUILT_IN_GROUPS.has(attributes.group);
  const served = builtIn || (await own.crdExists(`${plain}.${attributes.group}`));
  if (!served) return no;
  if (subresource === undefined) return { forClient: true, forObject: true };
  const forClient = CLIENT_SUBRESOURCES.has(subresource);
  return { forClient, forObject: builtIn ? OBJECT_SUBRESOURCES.has(subresource) : forClient };
}
