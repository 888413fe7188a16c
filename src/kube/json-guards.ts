import type { JsonObject, JsonValue } from './request.ts';

/** An object without a prototype, so that `__proto__` and `constructor` are keys like any other. */
export function newRecord<Value>(): Record<string, Value> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.create is typed any; the object is empty
  return Object.create(null) as Record<string, Value>;
}

/** True for a JSON object, as opposed to an array, a scalar or nothing. */
export const isJsonObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** True for a JSON array: `Array.isArray` does not narrow readonly arrays. */
export const isJsonArray = (value: JsonValue | undefined): value is readonly JsonValue[] =>
  Array.isArray(value);

/** The string under `key`; empty where there is none. */
export function textAt(object: JsonObject | null | undefined, key: string): string {
  const value = object?.[key];
  return typeof value === 'string' ? value : '';
}

/** The object's metadata; null where it has none. */
export function metadataOf(object: JsonObject | null): JsonObject | null {
  const metadata = object?.['metadata'];
  return isJsonObject(metadata) ? metadata : null;
}
