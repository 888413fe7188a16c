import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import { isJsonObject } from '../kube/json-guards.ts';
import type { JsonObject, JsonValue, RequestAttributes } from '../kube/request.ts';
import type { MaskElement } from '../decide/index.ts';
import { parseMaskPath, type MaskPath } from './mask-path.ts';
import type { FieldMask } from './mask-object.ts';

/** A mask element with its paths parsed. */
type Rule = { readonly paths: readonly MaskPath[]; readonly where: MaskElement['where'] };

/** How this answer is masked: made before the request is sent, so that what cannot be masked is never asked for. */
export type MaskPlan = {
  /** What is hidden in an object with this metadata; null metadata (a Table without objects) matches every `where`. */
  readonly maskFor: (metadata: JsonObject | null) => FieldMask;
  /** Table columns whose cells cannot show a masked field. */
  readonly safeColumns: ReadonlySet<string>;
  /** The answer's shape: a list's envelope is treated differently from an object. */
  readonly verb: 'get' | 'list';
};

/** Columns that print metadata that no mask of ours reaches, for every kind. */
const ALWAYS_SAFE = ['Name', 'Age', 'Created At'];

/**
 * Printer columns of the kinds that hold secrets, which show a count and a type but no value
 * (kubernetes pkg/printers/internalversion/printers.go).
 */
const SAFE_WHERE_ONLY_DATA: Readonly<Record<string, readonly string[]>> = {
  '/secrets': ['Type', 'Data'],
  '/configmaps': ['Data'],
};

/** Fields that those columns show nothing of. */
const DATA_FIELDS = new Set(['data', 'stringData', 'binaryData', 'metadata']);

function safeColumns(attributes: RequestAttributes, rules: readonly Rule[]): ReadonlySet<string> {
  const onlyData = rules.every((rule) =>
    rule.paths.every((path) => {
      const first = path.steps[0];
      return first?.kind === 'key' && DATA_FIELDS.has(first.key);
    }),
  );
  const more = onlyData ? SAFE_WHERE_ONLY_DATA[`${attributes.group}/${attributes.resource}`] : [];
  return new Set([...ALWAYS_SAFE, ...(more ?? [])]);
}

function hasAll(found: JsonValue | undefined, wanted: Readonly<Record<string, string>>): boolean {
  if (!isJsonObject(found)) return false;
  return Object.entries(wanted).every(([key, value]) => found[key] === value);
}

function applies(rule: Rule, metadata: JsonObject | null): boolean {
  const { labels, annotations, names } = rule.where;
  if (metadata === null) return true;
  if (labels !== undefined && !hasAll(metadata['labels'], labels)) return false;
  if (annotations !== undefined && !hasAll(metadata['annotations'], annotations)) return false;
  const { name } = metadata;
  if (names === undefined) return true;
  return typeof name !== 'string' || names.includes(name);
}

function unmaskable(attributes: RequestAttributes, element: MaskElement, why: string): Refusal {
  return refusal(
    'HOLDGATE_MASK_UNMASKABLE',
    `${attributes.wire.verb} ${attributes.resource || attributes.path} is refused: rule ${element.rule}/${element.id} ` +
      `(${element.reason}) masks fields of it for you, and ${why}`,
  );
}

/**
 * Decides how the answer of an allowed or held request is masked: null where no mask applies, a refusal where one
 * applies that this version cannot keep. Only `get` and `list` of JSON objects, lists and Tables can be masked; a
 * watch, a log, a connect, and every write (whose answer returns the object) are refused before anything is sent.
 */
export function maskPlan(
  masks: readonly MaskElement[],
  attributes: RequestAttributes,
): Result<MaskPlan | null, Refusal> {
  const [first] = masks;
  if (first === undefined) return ok(null);
  const { verb } = attributes;
  if (verb !== 'get' && verb !== 'list') {
    return err(unmaskable(attributes, first, `the answer of a ${verb} cannot be masked`));
  }
  if (attributes.scope === 'nonresource' || attributes.longRunning) {
    return err(
      unmaskable(attributes, first, 'an answer that is not a JSON object cannot be masked'),
    );
  }
  const rules: Rule[] = [];
  for (const element of masks) {
    const paths: MaskPath[] = [];
    for (const field of element.fields) {
      const path = parseMaskPath(field);
      // The loader checks every path; one that slipped through must hide everything, so it refuses.
      if (!path.ok) return err(unmaskable(attributes, element, path.error));
      paths.push(path.value);
    }
    rules.push({ paths, where: element.where });
  }
  const base64Data = attributes.group === '' && attributes.resource === 'secrets';
  return ok({
    verb,
    safeColumns: safeColumns(attributes, rules),
    maskFor: (metadata) => ({
      paths: rules.filter((rule) => applies(rule, metadata)).flatMap((rule) => rule.paths),
      base64Data,
    }),
  });
}
