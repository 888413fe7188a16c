import { rewrittenType } from '../kube/bodies.ts';
import { withPreconditions } from '../kube/delete-options.ts';
import { isJsonArray, isJsonObject, metadataOf, textAt } from '../kube/json-guards.ts';
import { stringifyJson } from '../kube/json.ts';
import type { JsonObject, JsonValue } from '../kube/request.ts';
import type { GuardedRequest } from './guard.ts';

/** What is sent. */
export type GuardedBody = {
  readonly bytes: Buffer | null;
  readonly contentType: string;
  /** For the record. */
  readonly guard: string;
};

/** A body as the client sent it. */
export function plainBody({ body }: GuardedRequest, guard = 'none'): GuardedBody {
  return body.kind === 'none'
    ? { bytes: null, contentType: '', guard }
    : { bytes: body.bytes, contentType: body.contentType, guard };
}

/**
 * Puts the approved object's uid into what deletes it, so that the server refuses it (409) where another object has
 * taken the name. Null where the caller's own precondition names another uid. Other calls have no place for a uid: it
 * was compared just before, and between the look and the call remains a moment in which nothing can be held.
 */
export function uidBoundBody(request: GuardedRequest, uid: string): GuardedBody | null {
  const { attributes, body, deleteOptions } = request;
  const guard = `uid=${uid}`;
  if (attributes.verb === 'delete') {
    const bound = withPreconditions(deleteOptions ?? {}, { uid });
    return bound === null ? null : { bytes: bound.body, contentType: bound.contentType, guard };
  }
  const isEviction = attributes.resource === 'pods/eviction';
  if (!isEviction || body.kind !== 'parsed' || !isJsonObject(body.value))
    return plainBody(request, `${guard} (compared)`);
  const options = objectAt(body.value, 'deleteOptions');
  const preconditions = objectAt(options, 'preconditions');
  const callers = textAt(preconditions, 'uid');
  if (callers !== '' && callers !== uid) return null;
  const bound: JsonObject = {
    ...body.value,
    deleteOptions: { ...options, preconditions: { ...preconditions, uid } },
  };
  const contentType = rewrittenType(body.contentType);
  return { bytes: Buffer.from(stringifyJson(bound)), contentType, guard };
}

function objectAt(object: JsonObject, key: string): JsonObject {
  const value = object[key];
  return isJsonObject(value) ? value : {};
}

function withResourceVersion(object: JsonObject, resourceVersion: string): JsonObject {
  const metadata = metadataOf(object) ?? {};
  return { ...object, metadata: { ...metadata, resourceVersion } };
}

/** RFC 6902: the first operation tests that nobody wrote in between. */
const testOperation = (resourceVersion: string): JsonValue => ({
  op: 'test',
  path: '/metadata/resourceVersion',
  value: resourceVersion,
});

/** A change with its guard, and whether the guard is ours. */
export type GuardedChange = GuardedBody & {
  /** False where the client's own resourceVersion stands: a conflict is then the call's own answer. */
  readonly ours: boolean;
};

/**
 * Puts the live object's resourceVersion into an update or patch, so that the server refuses it where somebody wrote
 * in between (optimistic concurrency). The client's own resourceVersion is never replaced.
 */
export function guardedBody(request: GuardedRequest, resourceVersion: string): GuardedChange {
  const { body } = request;
  // Opaque bytes take no guard: the outcome was compared just before, and the client's own guard may be inside.
  if (body.kind !== 'parsed') return { ...plainBody(request, 'after-image only'), ours: false };
  const { value } = body;
  const contentType = rewrittenType(body.contentType);
  const guard = `resourceVersion=${resourceVersion}`;
  if (isJsonArray(value)) {
    const bytes = Buffer.from(stringifyJson([testOperation(resourceVersion), ...value]));
    return { bytes, contentType, ours: true, guard: `test ${guard}` };
  }
  if (!isJsonObject(value) || textAt(metadataOf(value), 'resourceVersion') !== '')
    return { ...plainBody(request, "the client's resourceVersion"), ours: false };
  const bytes = Buffer.from(stringifyJson(withResourceVersion(value, resourceVersion)));
  return { bytes, contentType, ours: true, guard };
}
