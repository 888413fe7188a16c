/**
 * The query parameters of the Kubernetes API (meta/v1 ListOptions, GetOptions, CreateOptions, UpdateOptions, PatchOptions,
 * DeleteOptions as flattened for policy, core/v1 PodLogOptions, PodExecOptions, PodPortForwardOptions). Their values say
 * what was asked and are recorded. Of any other parameter only the name is: through a service proxy it is an
 * application's, and may be a session token. `command` is an exec's argv, which is where passwords are typed.
 */
const KNOWN = new Set([
  'allowWatchBookmarks',
  'container',
  'continue',
  'dryRun',
  'fieldManager',
  'fieldSelector',
  'fieldValidation',
  'follow',
  'force',
  'gracePeriodSeconds',
  'ignoreStoreReadErrorWithClusterBreakingPotential',
  'insecureSkipTLSVerifyBackend',
  'labelSelector',
  'limit',
  'limitBytes',
  'orphanDependents',
  'ports',
  'preconditions.resourceVersion',
  'preconditions.uid',
  'pretty',
  'previous',
  'propagationPolicy',
  'resourceVersion',
  'resourceVersionMatch',
  'sendInitialEvents',
  'shardSelector',
  'sinceSeconds',
  'sinceTime',
  'stderr',
  'stdin',
  'stdout',
  'stream',
  'tailLines',
  'timeout',
  'timeoutSeconds',
  'timestamps',
  'tty',
  'verbose',
  'watch',
]);

/** What stands where a value was left out. */
export const redactedValue = '[redacted]';

/** True for parameters whose values may be recorded. */
export function isKnownParameter(name: string): boolean {
  return KNOWN.has(name);
}
