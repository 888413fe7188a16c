import { isJsonArray, isJsonObject } from './json-guards.ts';
import { parseJson } from './json.ts';
import { ProtobufFault } from './protobuf.ts';
import type { ProtobufForm } from './protobuf-schema.ts';
import type { JsonValue } from './request.ts';

/** The fields of a message that has a JSON form of its own, by name: null where one is absent. */
type FormFields = Readonly<Record<string, JsonValue>>;

/** Raw JSON stands inside of objects, so it gets a part of the levels that a body may have (base/limits.ts). */
const rawDepthMax = 64;

const fault = (what: string): never => {
  throw new ProtobufFault(what);
};

/** Go's zero time, 0001-01-01T00:00:00Z, is null in JSON; later than year 9999 none can be written (RFC 3339). */
const ZERO_TIME = -62_135_596_800;
const LAST_SECOND = 253_402_300_799;

const wholeNumber = (value: JsonValue | undefined, byDefault: number): number =>
  typeof value === 'number' ? value : value === null ? byDefault : fault('a number out of range');

/** metav1.Time and MicroTime: a Timestamp; an empty message is no time. Nanoseconds that Go would drop are a fault. */
function time({ seconds, nanos }: FormFields, isMicro: boolean): string | null {
  if (seconds === null && nanos === null) return null;
  const second = wholeNumber(seconds, 0);
  const nano = wholeNumber(nanos, 0);
  if (second < ZERO_TIME || second > LAST_SECOND) return fault('a time out of range');
  if (nano < 0 || nano > 999_999_999 || nano % 1000 !== 0 || (!isMicro && nano !== 0))
    return fault('a fraction of a second that is not kept');
  if (second === ZERO_TIME && nano === 0) return null;
  const text = new Date(second * 1000).toISOString().slice(0, -'.000Z'.length);
  return isMicro ? `${text}.${String(nano / 1000).padStart(6, '0')}Z` : `${text}Z`;
}

/** `whole` units and the rest as a fraction without trailing zeros. */
function fraction(value: bigint, unit: bigint): string {
  const digits = String(unit).length - 1;
  const rest = String(value % unit)
    .padStart(digits, '0')
    .replace(/0+$/, '');
  return `${value / unit}${rest === '' ? '' : `.${rest}`}`;
}

/** As Go's time.Duration prints itself: `1h0m0.5s`, below a second `1.5ms`, `2µs`, `3ns`; zero is `0s`. */
function duration(nanoseconds: JsonValue | undefined): string {
  const value = BigInt(
    typeof nanoseconds === 'number' || typeof nanoseconds === 'bigint' ? nanoseconds : 0,
  );
  if (value === 0n) return '0s';
  const sign = value < 0n ? '-' : '';
  const size = value < 0n ? -value : value;
  if (size < 1000n) return `${sign}${size}ns`;
  if (size < 1_000_000n) return `${sign}${fraction(size, 1000n)}µs`;
  if (size < 1_000_000_000n) return `${sign}${fraction(size, 1_000_000n)}ms`;
  const minute = 60_000_000_000n;
  const minutes = size / minute;
  const seconds = `${fraction(size % minute, 1_000_000_000n)}s`;
  if (minutes === 0n) return `${sign}${seconds}`;
  return minutes < 60n
    ? `${sign}${minutes}m${seconds}`
    : `${sign}${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

/** apimachinery pkg/api/resource/quantity.go. The text stays as it was written, as it does in a JSON body. */
const QUANTITY =
  /^[-+]?(?:[0-9]{1,64}(?:\.[0-9]{0,64})?|\.[0-9]{1,64})(?:[KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]{1,8})?$/;

/** intstr.IntOrString: which of the two it is, and that one only; the other must be empty, for readers that look at it. */
function intOrString({ type, int, string }: FormFields): JsonValue {
  const kind = wholeNumber(type, 0);
  if (kind === 0 && (string === null || string === '')) return int ?? 0;
  if (kind === 1 && (int === null || int === 0)) return string ?? '';
  return fault('a number or text that is both or neither');
}

const isDeeper = (value: JsonValue, levels: number): boolean =>
  (isJsonArray(value) || isJsonObject(value)) &&
  (levels === 0 || Object.values(value).some((member: JsonValue) => isDeeper(member, levels - 1)));

/** Bytes that are a JSON text, strictly parsed. */
export function rawJson(bytes: Uint8Array): JsonValue {
  const parsed = parseJson(bytes);
  if (!parsed.ok) return fault('raw bytes that are no JSON');
  return isDeeper(parsed.value, rawDepthMax)
    ? fault('raw JSON with too many levels')
    : parsed.value;
}

/**
 * JSONSchemaPropsOrBool: a schema, or only yes or no. Beside a schema the boolean means nothing: the server stores JSON,
 * which has no place for it.
 */
const schemaOrBool = ({ schema = null, allows = null }: FormFields): JsonValue =>
  schema ?? allows === true;

/** JSONSchemaPropsOrArray and JSONSchemaPropsOrStringArray: one of both. */
function schemaOrList({ schema = null, list = null }: FormFields): JsonValue {
  return schema === null || list === null ? (list ?? schema) : fault('a schema and a list');
}

/** The bytes of a field that was read as base64. */
export const bytesOf = (value: JsonValue | undefined): Buffer =>
  Buffer.from(typeof value === 'string' ? value : '', 'base64');

/**
 * Writes a message as Go's `MarshalJSON` of its type does. Throws ProtobufFault for values that Go would not write as
 * JSON, or that say two things. `raw-extension` is the caller's: it may hold another whole object.
 */
export function jsonOfForm(
  form: Exclude<ProtobufForm, 'raw-extension'>,
  of: FormFields,
): JsonValue {
  switch (form) {
    case 'time':
      return time(of, false);
    case 'micro-time':
      return time(of, true);
    case 'duration':
      return duration(of['duration']);
    case 'quantity':
      return quantity(of['string']);
    case 'int-or-string':
      return intOrString(of);
    case 'raw-json':
      return of['raw'] === null ? null : rawJson(bytesOf(of['raw']));
    case 'list':
      return of['items'] ?? [];
    case 'or-bool':
      return schemaOrBool(of);
    case 'or-list':
      return schemaOrList(of);
  }
}

/** A quantity that is not there is zero. */
function quantity(text: JsonValue | undefined): JsonValue {
  if (text === null || text === undefined) return '0';
  return typeof text === 'string' && QUANTITY.test(text) ? text : fault('a quantity that is none');
}
