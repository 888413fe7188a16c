import { auditEventSchema, type AuditEvent } from './audit-event.ts';

/** What stands in an audit log. */
export type AuditLogItem =
  | { readonly kind: 'event'; readonly event: AuditEvent }
  /** Something else that is in its place there: a message of another component in a CloudWatch log. */
  | { readonly kind: 'other' }
  /** A last line that is not written to its end. */
  | { readonly kind: 'truncated' }
  /** It cannot be read further. */
  | { readonly kind: 'problem'; readonly message: string };

/** A line (an EventList of a webhook holds hundreds of events), and a document of many lines. Bytes. */
const lineBytesMax = 64 * 1024 * 1024;
const documentBytesMax = 256 * 1024 * 1024;

/** Objects around an event: an export, a message in it, a list in that. */
const wrapsMax = 4;

/**
 * The events of an audit log, as they come: JSON lines of Event or EventList (audit.k8s.io/v1); lines with the event as text
 * or object under `message`; lines that begin with a time, as CloudWatch exports them; a document of `logEvents` or
 * `events` with messages, or an EventList over many lines. Ends after a problem.
 */
export async function* readAuditLog(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<AuditLogItem, void, void> {
  let number = 0;
  let events = 0;
  for await (const { line, isWhole } of linesOf(chunks)) {
    number += 1;
    if (line === null) {
      const text = `line ${number} is longer than ${lineBytesMax} bytes`;
      return yield { kind: 'problem', message: text };
    }
    const text = line.replace(TIME_BEFORE, '').trim();
    if (text === '') continue;
    const value = parsed(text);
    if (value === undefined) {
      if (!isWhole && events > 0) return yield { kind: 'truncated' };
      return yield { kind: 'problem', message: `line ${number} is no JSON` };
    }
    for (const item of itemsOf(value, 0)) {
      if (item.kind === 'problem')
        return yield { kind: 'problem', message: `line ${number}: ${item.message}` };
      if (item.kind === 'event') events += 1;
      yield item;
    }
  }
}

/** What CloudWatch puts before each message in an export to a bucket. */
const TIME_BEFORE = /^\d{4}-\d\d-\d\dT[\d:.]+Z\s+(?=\{)/;

type Line = {
  /** Null where it is too long. */
  readonly line: string | null;
  /** Whether a line break stands behind it. */
  readonly isWhole: boolean;
};

/** Lines, or the whole text where it is a document of many lines. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line, void, void> {
  let parts: Buffer[] = [];
  let bytes = 0;
  let isFirst = true;
  let isDocument = false;
  for await (const chunk of chunks) {
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let end = isDocument ? -1 : rest.indexOf(0x0a); end !== -1; end = rest.indexOf(0x0a)) {
      const line = Buffer.concat([...parts, rest.subarray(0, end)]).toString('utf8');
      if (isFirst && beginsDocument(line)) {
        isDocument = true;
        break;
      }
      if (line.trim() !== '') isFirst = false;
      yield { line, isWhole: true };
      [parts, bytes] = [[], 0];
      rest = rest.subarray(end + 1);
    }
    parts.push(rest);
    bytes += rest.length;
    if (bytes > (isDocument ? documentBytesMax : lineBytesMax)) {
      return yield { line: null, isWhole: false };
    }
  }
  if (bytes > 0) yield { line: Buffer.concat(parts).toString('utf8'), isWhole: false };
}

/** A first line that is the beginning of JSON and no JSON itself: pretty-printed, as the command line of AWS does it. */
const beginsDocument = (line: string): boolean =>
  /^\s*[{[]/.test(line) && parsed(line.trim()) === undefined;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function* itemsOf(value: unknown, depth: number): Generator<AuditLogItem, void, void> {
  if (depth > wrapsMax) return yield { kind: 'other' };
  if (Array.isArray(value)) {
    for (const one of value) yield* itemsOf(one, depth + 1);
    return;
  }
  if (!isObject(value)) return yield { kind: 'other' };
  const { kind, apiVersion } = value;
  if (kind === 'EventList' && Array.isArray(value['items'])) {
    // Items of a typed list have no kind and no apiVersion of their own (apimachinery runtime, json serializer).
    for (const item of value['items'] as unknown[]) {
      yield isObject(item) ? eventOf({ ...item, kind: 'Event', apiVersion }) : { kind: 'other' };
    }
    return;
  }
  if (kind === 'Event' && typeof apiVersion === 'string') return yield eventOf(value);
  const list = value['logEvents'] ?? value['events'];
  if (Array.isArray(list)) {
    for (const one of list) yield* itemsOf(one, depth + 1);
    return;
  }
  const message = value['message'] ?? value['@message'];
  const inner = typeof message === 'string' ? parsed(message) : message;
  if (isObject(inner)) yield* itemsOf(inner, depth + 1);
  else yield { kind: 'other' };
}

const GROUP = 'audit.k8s.io/';

function eventOf(value: Readonly<Record<string, unknown>>): AuditLogItem {
  const version = String(value['apiVersion']);
  // An Event of core or events.k8s.io tells of an object, not of a call.
  if (!version.startsWith(GROUP)) return { kind: 'other' };
  if (version !== `${GROUP}v1`) {
    return { kind: 'problem', message: `an event of ${version.slice(0, 64)}; only v1 is read` };
  }
  const event = auditEventSchema.safeParse(value);
  if (event.success) return { kind: 'event', event: event.data };
  const [issue] = event.error.issues;
  const where = issue?.path.join('.') ?? '';
  return { kind: 'problem', message: `${where} of the event: ${issue?.message ?? 'invalid'}` };
}
