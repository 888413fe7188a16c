import { refusal, type Refusal } from '../base/errors.ts';
import { maskedAnswerBytesMax } from '../base/limits.ts';
import { ok, type Result } from '../base/result.ts';
import { isJsonObject } from '../kube/json-guards.ts';
import { parseJson } from '../kube/json.ts';
import type { JsonObject, RequestTarget } from '../kube/request.ts';
import { rebuildTarget } from '../kube/target.ts';
import type { Identity } from '../identify/index.ts';
import { targetForRecord, type AttemptEntry } from '../record/index.ts';
import type { FlowPorts } from './ports.ts';
import type { ReadRequest } from './read-request.ts';

/** What the cluster answered to a call of the gateway's own. */
export type OwnAnswer = {
  readonly status: number;
  /** The body, parsed; null where it is no JSON object. */
  readonly object: JsonObject | null;
  readonly body: Buffer;
};

/** The gateway's own upstream calls, made to decide or to guard: each is recorded before it is made. */
export type OwnCalls = {
  /** Reads the object that the request addresses, as it is now. */
  readonly live: () => Promise<Result<OwnAnswer, Refusal>>;
  /** Sends the request with `dryRun=All`: the answer is what would be stored. */
  readonly dryRun: (
    body: Buffer | null,
    contentType: string,
  ) => Promise<Result<OwnAnswer, Refusal>>;
  /** Whether a CustomResourceDefinition of this name exists. */
  readonly crdExists: (name: string) => Promise<boolean>;
};

/** Subresources are read through the object that they belong to: `pods/x/eviction` is about `pods/x`. */
export function objectTarget(request: ReadRequest, name: string): RequestTarget {
  const { attributes, target } = request;
  const base = target.segments.slice(0, attributes.group === '' ? 2 : 3);
  const plain = attributes.resource.split('/', 1)[0] ?? '';
  const scope = attributes.scope === 'namespaced' ? ['namespaces', attributes.namespace] : [];
  return rebuildTarget([...base, ...scope, plain, name], []);
}

/** Makes the gateway's own calls for one request. */
export function ownCalls(
  request: ReadRequest,
  identity: Identity,
  requestId: string,
  ports: FlowPorts,
): OwnCalls {
  const { cluster, target, attributes } = request;
  const user = {
    issuer: identity.issuer,
    subject: identity.subject,
    username: identity.username,
  };
  const send = async (
    purpose: AttemptEntry['purpose'],
    method: string,
    to: RequestTarget,
    body: Buffer | null,
    contentType: string,
  ): Promise<Result<OwnAnswer, Refusal>> => {
    const attemptId = ports.ids.next();
    const entry = { requestId, attemptId, cluster: cluster.name, purpose, method, user };
    await ports.recorder.append({ kind: 'attempt', ...entry, target: targetForRecord(to.rebuilt) });
    const headers: [string, string][] = [['accept', 'application/json']];
    if (body !== null) headers.push(['content-type', contentType]);
    const sent = await cluster.upstream.send({
      method,
      target: to.rebuilt,
      headers,
      body,
      auditId: attemptId,
      longRunning: false,
      signal: AbortSignal.timeout(ownCallTimeoutMs),
    });
    if (!sent.ok) return sent;
    const read = await sent.value.read(maskedAnswerBytesMax);
    if (!read.ok) return read;
    const parsed = parseJson(read.value);
    const value = parsed.ok ? parsed.value : null;
    const object = isJsonObject(value) ? value : null;
    return ok({ status: sent.value.status, object, body: read.value });
  };
  return {
    live: () => {
      const name = attributes.name === '' ? request.object.name : attributes.name;
      return send('live', 'GET', objectTarget(request, name), null, '');
    },
    dryRun: (body, contentType) => {
      const others = target.query.filter((pair) => pair.name !== 'dryRun');
      const query = [...others, { name: 'dryRun', value: 'All' }];
      const to = rebuildTarget(target.segments, query);
      return send('dry-run', attributes.wire.method, to, body, contentType);
    },
    crdExists: async (name) => {
      const segments = ['apis', 'apiextensions.k8s.io', 'v1', 'customresourcedefinitions', name];
      const answer = await send('live', 'GET', rebuildTarget(segments, []), null, '');
      return answer.ok && answer.value.status === 200;
    },
  };
}

/** The API server gives a PATCH 34 s and other requests 60 s: more waiting cannot help. Milliseconds. */
const ownCallTimeoutMs = 35_000;

/** What the caller sees where the gateway's own call failed: nothing of the caller's was sent. */
export function ownCallFailed(what: string, cause: Refusal): Refusal {
  return refusal(
    'HOLDGATE_DECIDE_OBJECT_UNAVAILABLE',
    `${what} could not be made, so policy could not be asked; nothing was changed`,
    {
      detail: `${cause.code}: ${cause.message}${cause.detail === undefined ? '' : ` (${cause.detail})`}`,
    },
  );
}
