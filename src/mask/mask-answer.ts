import { isJsonArray, isJsonObject } from '../kube/json-guards.ts';
import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import { parseJson, stringifyJson } from '../kube/json.ts';
import type { JsonValue } from '../kube/request.ts';
import { arrayElements, isArraySpan, objectMembers, type Member } from './json-spans.ts';
import { maskedText, maskObject } from './mask-object.ts';
import type { MaskPlan } from './plan.ts';

/** After this long on the event loop the masker lets others run. Milliseconds. */
const sliceMs = 4;

/** What is buffered before it is handed on. Bytes. */
const chunkBytes = 256 * 1024;

const TABLE_VERSIONS = new Set(['meta.k8s.io/v1', 'meta.k8s.io/v1beta1']);

/** The only keys that a list or Table may have beside its elements: any other could carry a field past the mask. */
const ENVELOPE_KEYS = new Set(['kind', 'apiVersion', 'metadata', 'columnDefinitions']);

function unreadable(what: string): Refusal {
  return refusal(
    'HOLDGATE_MASK_ANSWER_UNREADABLE',
    'the cluster answered in a form whose masked fields cannot be found, so nothing of it is passed on',
    { detail: what },
  );
}

class Unmaskable extends Error {}

function parsed(bytes: Uint8Array): JsonValue {
  const value = parseJson(bytes);
  if (!value.ok) throw new Unmaskable(value.error.message);
  return value.value;
}

function maskItem(value: JsonValue, plan: MaskPlan): JsonValue {
  if (!isJsonObject(value)) throw new Unmaskable('a list element is not an object');
  const { metadata } = value;
  return maskObject(value, plan.maskFor(isJsonObject(metadata) ? metadata : null));
}

/** A Table row: the embedded object is masked, cells of columns that could print a masked field are hidden. */
function maskRow(value: JsonValue, plan: MaskPlan, columns: readonly string[]): JsonValue {
  if (!isJsonObject(value)) throw new Unmaskable('a table row is not an object');
  const { object, cells, conditions } = value;
  const metadata =
    isJsonObject(object) && isJsonObject(object['metadata']) ? object['metadata'] : null;
  const hidden = plan.maskFor(metadata).paths.length > 0;
  if (!isJsonArray(cells)) throw new Unmaskable('a table row has no cells');
  const shown = cells.map((cell, index) =>
    !hidden || plan.safeColumns.has(columns[index] ?? '') ? cell : maskedText,
  );
  const masked = object === undefined || object === null ? {} : { object: maskItem(object, plan) };
  return { cells: shown, ...(conditions === undefined ? {} : { conditions }), ...masked };
}

function columnNames(definitions: JsonValue): readonly string[] {
  if (!isJsonArray(definitions)) throw new Unmaskable('the table has no columns');
  return definitions.map((column) =>
    isJsonObject(column) && typeof column['name'] === 'string' ? column['name'] : '',
  );
}

type Envelope = {
  readonly elements: Member | null;
  readonly maskElement: (value: JsonValue) => JsonValue;
};

/** Tells a list or a Table by its kind and verb, and how its elements are masked; null: a single object. */
function envelopeOf(
  bytes: Uint8Array,
  members: readonly Member[],
  plan: MaskPlan,
): Envelope | null {
  const member = (key: string): Member | null => members.find((one) => one.key === key) ?? null;
  const valueOf = (key: string): JsonValue => {
    const found = member(key);
    return found === null ? null : parsed(bytes.subarray(found.value.start, found.value.end));
  };
  const kind = valueOf('kind');
  const version = valueOf('apiVersion');
  if (typeof kind !== 'string' || typeof version !== 'string') {
    throw new Unmaskable('the answer has no kind or apiVersion');
  }
  if (kind === 'Table' && TABLE_VERSIONS.has(version)) {
    const columns = columnNames(valueOf('columnDefinitions'));
    return { elements: member('rows'), maskElement: (row) => maskRow(row, plan, columns) };
  }
  if (plan.verb === 'get') return null;
  if (!kind.endsWith('List')) throw new Unmaskable(`a list was answered with kind ${kind}`);
  return { elements: member('items'), maskElement: (item) => maskItem(item, plan) };
}

/**
 * Masks an answer of get or list, element by element: yields chunks of the masked document, and lets the event loop
 * run every few milliseconds. The first `next()` settles whether the document's outline can be masked at all; an
 * element that cannot is thrown as an error mid-way, and the caller breaks the connection.
 */
async function* maskedChunks(bytes: Uint8Array, plan: MaskPlan): AsyncGenerator<Buffer> {
  const members = objectMembers(bytes);
  if (!members.ok) throw new Unmaskable(members.error);
  const envelope = envelopeOf(bytes, members.value, plan);
  if (envelope === null) {
    yield Buffer.from(stringifyJson(maskItem(parsed(bytes), plan)));
    return;
  }
  let sliceEndMs = performance.now() + sliceMs;
  let pending = '{';
  for (const [index, member] of members.value.entries()) {
    pending += `${index === 0 ? '' : ','}${JSON.stringify(member.key)}:`;
    if (member !== envelope.elements || !isArraySpan(bytes, member.value)) {
      const value = parsed(bytes.subarray(member.value.start, member.value.end));
      const known = member === envelope.elements ? value === null : ENVELOPE_KEYS.has(member.key);
      if (!known) throw new Unmaskable(`the list's "${member.key}" is not what lists have there`);
      pending += stringifyJson(value);
      continue;
    }
    let separator = '[';
    for (const span of arrayElements(bytes, member.value)) {
      const element = parsed(bytes.subarray(span.start, span.end));
      pending += separator + stringifyJson(envelope.maskElement(element));
      separator = ',';
      if (pending.length >= chunkBytes) {
        yield Buffer.from(pending);
        pending = '';
      }
      if (performance.now() > sliceEndMs) {
        await new Promise((resolve) => setImmediate(resolve));
        sliceEndMs = performance.now() + sliceMs;
      }
    }
    pending += separator === '[' ? '[]' : ']';
  }
  yield Buffer.from(`${pending}}`);
}

/**
 * Masks the body of a successful answer (`application/json`, not encoded). Returns its chunks; an outline that cannot
 * be masked is a refusal before the first chunk. Failure answers (`Status`) are the caller's to pass on.
 */
export async function maskAnswer(
  bytes: Uint8Array,
  plan: MaskPlan,
): Promise<Result<AsyncIterable<Buffer>, Refusal>> {
  const chunks = maskedChunks(bytes, plan);
  try {
    const first = await chunks.next();
    return ok(resume(first, chunks));
  } catch (cause) {
    if (cause instanceof Unmaskable || cause instanceof RangeError) {
      return err(unreadable(cause.message));
    }
    throw cause;
  }
}

async function* resume(
  first: IteratorResult<Buffer, void>,
  rest: AsyncGenerator<Buffer>,
): AsyncGenerator<Buffer> {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}
