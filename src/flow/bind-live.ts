import { rewrittenType } from '../kube/bodies.ts';
import { withPreconditions } from '../kube/delete-options.ts';
import { isJsonArray, isJsonObject, metadataOf, textAt } from '../kube/json-guards.ts';
import { stringifyJson } from '../kube/json.ts';
import type { JsonObject, JsonValue } from '../kube/request.ts';
import type { Passing } from './passing.ts';

type Body = { readonly body: Buffer | null; readonly contentType: string };

/** The uid where the server compares it with the object's own: a PUT, and every patch of an object. */
function withUid(value: JsonValue, uid: string): JsonValue | null {
  if (isJsonArray(value)) return [{ op: 'test', path: '/metadata/uid', value: uid }, ...value];
  if (!isJsonObject(value)) return null;
  const metadata: JsonObject = metadataOf(value) ?? {};
  // The caller's own uid stays: the server refuses the call where it is another object's.
  return textAt(metadata, 'uid') === '' ? { ...value, metadata: { ...metadata, uid } } : null;
}

/**
 * Binds an allowed write to the object that policy looked at (`fetch`): between the look and the call another object may
 * have taken the name, and policy said nothing of that one. The server then answers 409 or 422.
 */
export function boundToLive(passing: Passing, plain: Body): Body {
  const { liveUid } = passing.examined;
  const { attributes, body, deleteOptions } = passing.request;
  if (liveUid === '' || attributes.resource.includes('/')) return plain;
  if (attributes.verb === 'delete') {
    return withPreconditions(deleteOptions ?? {}, { uid: liveUid }) ?? plain;
  }
  if (attributes.verb !== 'update' && attributes.verb !== 'patch') return plain;
  const bound = body.kind === 'parsed' ? withUid(body.value, liveUid) : null;
  if (bound === null) return plain;
  const contentType = rewrittenType(plain.contentType);
  return { body: Buffer.from(stringifyJson(bound)), contentType };
}
