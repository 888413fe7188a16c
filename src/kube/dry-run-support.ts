import type { RequestAttributes } from './request.ts';

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

/** Whom a dry run of a request can be believed to change nothing for. */
export type DryRunSupport = {
  /** A dry run that the client asks for may be decided as the read that it is. */
  readonly forClient: boolean;
  /** The gateway may send the request with `dryRun=All` to see what would be stored. */
  readonly forObject: boolean;
};

const NONE: DryRunSupport = { forClient: false, forObject: false };

/**
 * Whether a dry run of this request certainly stores nothing: only for built-in groups and for CRDs, whose storage
 * kube-apiserver itself is, and only for subresources that go through it. An aggregated API may ignore the parameter,
 * and a held write would run before anybody approved it. `crdExists` is asked for other groups' `plural.group`.
 */
export async function dryRunSupport(
  attributes: RequestAttributes,
  crdExists: (name: string) => Promise<boolean>,
): Promise<DryRunSupport> {
  if (attributes.scope === 'nonresource') return NONE;
  const [plain = '', subresource] = attributes.resource.split('/', 2);
  const builtIn = BUILT_IN_GROUPS.has(attributes.group);
  const forClient = subresource === undefined || CLIENT_SUBRESOURCES.has(subresource);
  const forObject = forClient || (builtIn && OBJECT_SUBRESOURCES.has(subresource));
  if (!forObject) return NONE;
  const served = builtIn || (await crdExists(`${plain}.${attributes.group}`));
  return served ? { forClient, forObject } : NONE;
}
