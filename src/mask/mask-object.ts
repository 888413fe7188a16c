import { isJsonArray, isJsonObject, newRecord } from '../kube/json-guards.ts';
import type { JsonObject, JsonValue } from '../kube/request.ts';
import { stringifyJson, parseJson } from '../kube/json.ts';
import type { MaskPath, MaskStep } from './mask-path.ts';

/** Stands where a value was. It says nothing of the value: neither its length nor its first letters. */
export const maskedText = 'masked-by-holdgate';

/** The same where the API wants base64 (`Secret.data`), so that typed clients still decode the object. */
export const maskedBase64 = Buffer.from(maskedText).toString('base64');

/** kubectl keeps the whole applied object here, a Secret's data included. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** Which paths are hidden in an object, and whether its strings must stay base64 under `data`. */
export type FieldMask = {
  readonly paths: readonly MaskPath[];
  readonly base64Data: boolean;
};

/** Every leaf below a masked path is hidden; keys, shapes and types stay, so that clients keep decoding. */
function hide(value: JsonValue, marker: string): JsonValue {
  if (typeof value === 'string') return marker;
  if (typeof value === 'number' || typeof value === 'bigint') return 0;
  if (typeof value === 'boolean') return false;
  if (value === null) return null;
  if (isJsonArray(value)) return value.map((item) => hide(item, marker));
  return mapValues(value, (child) => hide(child, marker));
}

function mapValues(
  object: JsonObject,
  change: (value: JsonValue, key: string) => JsonValue,
): JsonObject {
  const result = newRecord<JsonValue>();
  for (const [key, value] of Object.entries(object)) result[key] = change(value, key);
  return result;
}

function applyStep(
  value: JsonValue,
  steps: readonly MaskStep[],
  at: number,
  marker: string,
): JsonValue {
  const step = steps[at];
  if (step === undefined) return hide(value, marker);
  const descend = (child: JsonValue): JsonValue => applyStep(child, steps, at + 1, marker);
  switch (step.kind) {
    case 'key':
      if (!isJsonObject(value) || !(step.key in value)) return value;
      return mapValues(value, (child, key) => (key === step.key ? descend(child) : child));
    case 'every-key':
      return isJsonObject(value) ? mapValues(value, descend) : value;
    case 'every-item':
      return isJsonArray(value) ? value.map(descend) : value;
    case 'items-where':
      if (!isJsonArray(value)) return value;
      return value.map((item) => (itemMatches(item, step) ? descend(item) : item));
  }
}

/** An item whose tested field is no string is hidden: a filter must not be escaped by an odd type. */
function itemMatches(item: JsonValue, step: Extract<MaskStep, { kind: 'items-where' }>): boolean {
  if (!isJsonObject(item)) return true;
  const tested = item[step.key];
  return typeof tested === 'string' ? step.matches(tested) : tested !== undefined;
}

function applyPaths(object: JsonObject, mask: FieldMask): JsonObject {
  let result: JsonValue = object;
  for (const path of mask.paths) {
    const first = path.steps[0];
    const inData = first?.kind === 'every-key' || (first?.kind === 'key' && first.key === 'data');
    result = applyStep(
      result,
      path.steps,
      0,
      mask.base64Data && inData ? maskedBase64 : maskedText,
    );
  }
  return isJsonObject(result) ? result : object;
}

/** The applied configuration is masked inside its JSON; what does not parse is hidden whole. */
function maskLastApplied(text: string, mask: FieldMask): string {
  const parsed = parseJson(Buffer.from(text));
  if (!parsed.ok || !isJsonObject(parsed.value)) return maskedText;
  return stringifyJson(applyPaths(parsed.value, mask));
}

/** A copy of `object` in which each field under the mask's paths is hidden, its last-applied copy included. */
export function maskObject(object: JsonObject, mask: FieldMask): JsonObject {
  if (mask.paths.length === 0) return object;
  const masked = applyPaths(object, mask);
  const metadata = masked['metadata'];
  if (!isJsonObject(metadata)) return masked;
  const annotations = metadata['annotations'];
  if (!isJsonObject(annotations)) return masked;
  const applied = annotations[LAST_APPLIED];
  if (typeof applied !== 'string') return masked;
  const newAnnotations = mapValues(annotations, (value, key) =>
    key === LAST_APPLIED ? maskLastApplied(applied, mask) : value,
  );
  const newMetadata = mapValues(metadata, (value, key) =>
    key === 'annotations' ? newAnnotations : value,
  );
  return mapValues(masked, (value, key) => (key === 'metadata' ? newMetadata : value));
}
