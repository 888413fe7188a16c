import { isJsonArray, isJsonObject, metadataOf, textAt } from '../kube/json-guards.ts';
import { stringifyJson } from '../kube/json.ts';
import type { JsonObject, JsonValue } from '../kube/request.ts';
import type { GuardedRequest } from './guard.ts';

/** A body with the guard in it, and whether the guard is ours. */
export type GuardedBody = {
  readonly bytes: Buffer | null;
  readonly contentType: string;
  /** False where the client's own resourceVersion stands: a conflict is then the call's own answer. */
  readonly ours: boolean;
  /** For the record. */
  readonly guard: string;
};

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

/**
 * Puts the live object's resourceVersion into an update or patch, so that the server refuses it where somebody wrote
 * in between (optimistic concurrency). The client's own resourceVersion is never replaced.
 */
export function guardedBody(request: GuardedRequest, resourceVersion: string): GuardedBody {
  const { body } = request;
  if (body.kind !== 'parsed') {
    const bytes = body.kind === 'none' ? null : body.bytes;
    const contentType = body.kind === 'none' ? '' : body.contentType;
    return { bytes, contentType, ours: false, guard: 'none' };
  }
  const { value, contentType } = body;
  const guard = `resourceVersion=${resourceVersion}`;
  if (isJsonArray(value)) {
    const bytes = Buffer.from(stringifyJson([testOperation(resourceVersion), ...value]));
    return { bytes, contentType, ours: true, guard: `test ${guard}` };
  }
  if (!isJsonObject(value) || textAt(metadataOf(value), 'resourceVersion') !== '') {
    return { bytes: body.bytes, contentType, ours: false, guard: "the client's resourceVersion" };
  }
  const bytes = Buffer.from(stringifyJson(withResourceVersion(value, resourceVersion)));
  return { bytes, contentType, ours: true, guard };
}
