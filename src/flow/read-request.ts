import { refusal, type Refusal } from '../base/errors.ts';
import { bodyBytesMax } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import { portForwardOptions, requestAttributes } from '../kube/attributes.ts';
import { objectIdentity, readBody, type ObjectIdentity } from '../kube/bodies.ts';
import { effectiveDelete } from '../kube/delete-options.ts';
import { headerValue } from '../kube/header-value.ts';
import { requestInfo } from '../kube/request-info.ts';
import { parseTarget } from '../kube/target.ts';
import type { JsonObject, RequestAttributes, RequestBody, RequestTarget } from '../kube/request.ts';
import { routeTarget } from '../listen/index.ts';
import type { Call } from './call.ts';
import type { Cluster, FlowPorts } from './ports.ts';

/** A request as read once: everything later, and everything that goes upstream, comes from here. */
export type ReadRequest = {
  readonly cluster: Cluster;
  readonly task: string;
  readonly target: RequestTarget;
  readonly attributes: RequestAttributes;
  readonly body: RequestBody;
  readonly object: ObjectIdentity;
  /** The options that a DELETE will really be executed with; null for every other verb. */
  readonly deleteOptions: JsonObject | null;
};

const METHODS_WITH_BODY = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** A GET with a body is refused where its body is read: dropping it would forward something else than was sent. */
function mayHaveBody({ method, rawHeaders }: Call['exchange']): boolean {
  if (METHODS_WITH_BODY.has(method)) return true;
  const length = headerValue(rawHeaders, 'content-length');
  return (length !== '' && length !== '0') || headerValue(rawHeaders, 'transfer-encoding') !== '';
}

/** Raw target and method to attributes: which cluster, and what the API server would understand. */
function readTarget(
  call: Call,
  ports: FlowPorts,
): Result<Pick<ReadRequest, 'cluster' | 'task' | 'target' | 'attributes'>, Refusal> {
  const { exchange } = call;
  const parsed = parseTarget(exchange.target);
  if (!parsed.ok) return parsed;
  const route = routeTarget(parsed.value);
  if (!route.ok) return route;
  if (route.value.kind === 'metadata') {
    return err(
      refusal('HOLDGATE_LISTEN_TARGET_MALFORMED', 'the metadata document is read with GET'),
    );
  }
  const cluster = ports.cluster(route.value.cluster);
  if (!cluster.ok) return cluster;
  call.uses(cluster.value);
  const { target, task } = route.value;
  const info = requestInfo(exchange.method, target);
  if (!info.ok) return info;
  const attributes = requestAttributes(exchange.method, target, info.value);
  if (!attributes.ok) return attributes;
  if (attributes.value.resource === 'pods/portforward') {
    const asked = portForwardOptions(attributes.value.options);
    if (!asked.ok) return asked;
  }
  return ok({ cluster: cluster.value, task: task ?? '', target, attributes: attributes.value });
}

/** Reads the target and the body of a call; each refusal names what cannot be read in only one way. */
export async function readRequest(
  call: Call,
  ports: FlowPorts,
): Promise<Result<ReadRequest, Refusal>> {
  const { exchange } = call;
  const read = readTarget(call, ports);
  if (!read.ok) return read;
  const { cluster, task, target, attributes } = read.value;
  call.know({ cluster: cluster.name, attributes });

  const bytes = mayHaveBody(exchange) ? await exchange.readBody(bodyBytesMax) : ok(Buffer.alloc(0));
  if (!bytes.ok) return bytes;
  const body = readBody({
    attributes,
    method: exchange.method,
    contentType: headerValue(exchange.rawHeaders, 'content-type'),
    contentEncoding: headerValue(exchange.rawHeaders, 'content-encoding'),
    bytes: bytes.value,
  });
  if (!body.ok) return body;
  if (bytes.value.length > 0) {
    const digest = ports.recorder.digest(bytes.value);
    call.know({ bodies: [{ role: 'request', bytes: bytes.value.length, digest }] });
  }
  const object = objectIdentity(body.value, attributes);
  if (!object.ok) return object;
  if (exchange.method !== 'DELETE') {
    return ok({
      cluster,
      task,
      target,
      attributes,
      body: body.value,
      object: object.value,
      deleteOptions: null,
    });
  }
  const effective = effectiveDelete(attributes, body.value);
  if (!effective.ok) return effective;
  const { dryRun, options } = effective.value;
  return ok({
    cluster,
    task,
    target,
    attributes: { ...attributes, dryRun },
    body: body.value,
    object: object.value,
    deleteOptions: options,
  });
}
