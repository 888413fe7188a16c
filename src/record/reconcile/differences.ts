import type { RecordedInput } from '../entry.ts';
import type { AuditEvent } from './audit-event.ts';

/** What a record says of a call; of a recorded request, the fields that an audit event has too. */
export type RecordedCall = {
  readonly request: RecordedRequest | null;
  /** The status of the cluster's answer; 0 where none is on record. */
  readonly upstreamStatus: number;
};

export type RecordedRequest = Pick<
  RecordedInput['request'],
  'scope' | 'verb' | 'group' | 'version' | 'resource' | 'namespace' | 'name' | 'path' | 'wire'
>;

/** Of an audit event, what is compared. */
type ComparedEvent = Pick<AuditEvent, 'verb' | 'requestURI' | 'objectRef' | 'responseStatus'>;

/** What may be known of a request beside its record and the audit event of its end. */
export type Known = {
  /** What was to leave: path and query as the gateway writes them anew. */
  readonly requestUri?: string;
  /** Whether the server took it for long-running: only then its log has the stage ResponseStarted. */
  readonly streams?: boolean;
  /** `metadata.namespace` of the body; empty without one. */
  readonly bodyNamespace?: string;
};

/** A path whose namespace is the object's own name: RequestInfo gives such an object its name as Namespace too. */
const NAMESPACE_ITSELF =
  /^\/(?:api\/[^/]+|apis\/[^/]+\/[^/]+)\/(?:(?:watch|proxy)\/)?namespaces\/([^/]+)(?:\/(?:status|finalize)(?:\/.*)?)?$/s;

/** Verbs whose handler adds what the body says to an audit event's empty name and namespace (LogRequestObject). */
const LOGS_THE_BODY = new Set(['create', 'update']);

/**
 * Where an audit event and a decision record differ, one line each. What the two write differently by design:
 * - policy's verb `connect` is the record's own word; the literal verb is `wire.verb`;
 * - policy's resource joins resource and subresource, and adds `/proxy` for the legacy prefix, whose verb is `proxy`;
 * - an object of `namespaces` is not inside a namespace for policy, while RequestInfo names it twice;
 * - a create's name is in the body: the audit event has it only where the server got so far as to decode the body.
 * What is not known is not compared.
 */
export function differences(
  { request, upstreamStatus: status }: RecordedCall,
  event: ComparedEvent,
  known: Known = {},
): readonly string[] {
  if (request === null) return ['the record has no input'];
  const path = decodedPath(event.requestURI);
  const pairs: (readonly [string, string, string])[] = [
    ['verb', request.wire.verb, event.verb],
    ['path', request.path, path],
  ];
  if (known.requestUri !== undefined)
    pairs.push(['requestURI', known.requestUri, event.requestURI]);
  if (known.streams !== undefined)
    pairs.push(['long-running', String(isLongRunning(request, path)), String(known.streams)]);
  if (status > 0) pairs.push(['status', String(status), String(event.responseStatus?.code ?? 0)]);

  const { objectRef } = event;
  const isResource = request.scope !== 'nonresource';
  pairs.push(['is a resource', String(isResource), String(objectRef !== undefined)]);
  if (isResource && objectRef !== undefined) {
    const [resource = '', subresource = ''] = request.resource.split('/');
    const isLegacyProxy = request.wire.verb === 'proxy';
    pairs.push(
      ['apiGroup', request.group, objectRef.apiGroup ?? ''],
      ['apiVersion', request.version, objectRef.apiVersion ?? ''],
      ['resource', resource, objectRef.resource ?? ''],
      ['subresource', isLegacyProxy ? '' : subresource, objectRef.subresource ?? ''],
    );
    const around = { bodyNamespace: known.bodyNamespace, path, status };
    pairs.push(...placePairs(request, objectRef, around));
  }
  return pairs
    .filter(([, ours, audit]) => ours !== audit)
    .map(
      ([field, ours, audit]) =>
        `${field}: ours ${JSON.stringify(ours)}, audit ${JSON.stringify(audit)}`,
    );
}

function isLongRunning({ verb, resource }: RecordedRequest, path: string): boolean {
  return (
    verb === 'watch' ||
    verb === 'connect' ||
    resource.endsWith('/log') ||
    (resource === '' && path.startsWith('/debug/pprof/'))
  );
}

type Around = {
  readonly bodyNamespace: string | undefined;
  readonly path: string;
  readonly status: number;
};

/** Namespace and name, with what the server adds to them from the path and the body. */
function placePairs(
  request: RecordedRequest,
  objectRef: NonNullable<AuditEvent['objectRef']>,
  around: Around,
): readonly (readonly [string, string, string])[] {
  const { namespace = '', name = '' } = objectRef;
  const logsBody = LOGS_THE_BODY.has(request.wire.verb);
  const failed = around.status >= 400;
  const own = NAMESPACE_ITSELF.exec(around.path)?.[1] ?? '';
  const fromPath = request.namespace === '' ? own : request.namespace;
  const fromBody = logsBody && fromPath === '' ? (around.bodyNamespace ?? namespace) : '';
  const wantedNamespace = fromPath === '' && !(failed && namespace === '') ? fromBody : fromPath;
  const undecoded = request.wire.verb === 'create' && failed && name === '';
  const nameInPath =
    around.path.endsWith(`/${request.name}`) || around.path.includes(`/${request.name}/`);
  const wantedName = undecoded && !nameInPath ? '' : request.name;
  return [
    ['namespace', wantedNamespace, namespace],
    ['name', wantedName, name],
  ];
}

/** The path of a request URI as Go decodes it; as it is where it cannot be decoded. */
function decodedPath(uri: string): string {
  const path = uri.split('?', 1)[0] ?? '';
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
