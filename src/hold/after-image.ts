import { createHash } from 'node:crypto';
import { isJsonArray, isJsonObject, newRecord } from '../kube/json-guards.ts';
import { stringifyJson } from '../kube/json.ts';
import type { JsonObject, JsonValue } from '../kube/request.ts';

/** Metadata that the server changes by itself: a Deployment whose status ticks has not drifted. */
const VOLATILE_METADATA = new Set([
  'creationTimestamp',
  'generation',
  'managedFields',
  'resourceVersion',
  'selfLink',
]);

/** A Deployment controller counts its rollouts here, in its own time. */
const VOLATILE_ANNOTATIONS = new Set(['deployment.kubernetes.io/revision']);

function without(object: JsonObject, dropped: ReadonlySet<string>): JsonObject {
  const result = newRecord<JsonValue>();
  for (const [key, value] of Object.entries(object)) if (!dropped.has(key)) result[key] = value;
  return result;
}

/** Keys in order, so that two renderings of one object are equal. */
function ordered(value: JsonValue): JsonValue {
  if (isJsonArray(value)) return value.map(ordered);
  if (!isJsonObject(value)) return value;
  const result = newRecord<JsonValue>();
  for (const key of Object.keys(value).toSorted()) result[key] = ordered(value[key] ?? null);
  return result;
}

/**
 * The digest of what a request would store, `sha256:<hex>`: the dry run's answer without status (unless the request is
 * about status) and without what the server writes by itself.
 */
export function afterImageDigest(object: JsonObject, keepStatus: boolean): string {
  const plain = keepStatus ? object : without(object, new Set(['status']));
  const metadata = isJsonObject(plain['metadata']) ? plain['metadata'] : {};
  const kept = without(metadata, VOLATILE_METADATA);
  const annotations = isJsonObject(kept['annotations'])
    ? { annotations: without(kept['annotations'], VOLATILE_ANNOTATIONS) }
    : {};
  const normal = ordered({ ...plain, metadata: { ...kept, ...annotations } });
  return `sha256:${createHash('sha256').update(stringifyJson(normal)).digest('hex')}`;
}
