import type { ExportedRow } from '../export/exported.ts';
import { leafFacts, type LeafFacts, type Severity } from './leaf-facts.ts';

export type SyslogForm = {
  /** 0 to 23 (RFC 5424 §6.2.1). */
  readonly facility: number;
  /** The id of the structured data, `name@<private enterprise number>`. */
  readonly structuredDataId: string;
  /** Bytes of one message. */
  readonly messageBytesMax: number;
  /** Of the machine that sends. */
  readonly hostname: string;
};

const severities: Readonly<Record<Severity, number>> = { error: 3, warning: 4, notice: 5, info: 6 };

/** RFC 5424 §6: what the fields of a header take, in characters of printable ASCII. */
const hostnameCharsMax = 255;
const procIdCharsMax = 128;
const msgIdCharsMax = 32;

/** One value of the structured data. UTF-16 units. */
const valueCharsMax = 256;

/** RFC 5424 §6.4: a message in UTF-8 begins with its byte order mark. */
const bom = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * A leaf as a message of RFC 5424: MSGID is the kind, PROCID the stream, what people search by is structured data, and the
 * message is the leaf byte for byte. A leaf that does not fit is cut, and the structured data says so: stream and number
 * name the whole one in the record.
 */
export function syslogMessage({ leaf }: Pick<ExportedRow, 'leaf'>, form: SyslogForm): Buffer {
  const facts = leafFacts(leaf);
  const text = Buffer.from(leaf);
  const whole = headOf(facts, form, []);
  if (whole.length + text.length <= form.messageBytesMax) return Buffer.concat([whole, text]);
  const cut: Field = ['truncated_from_bytes', String(text.length)];
  let { fields } = facts;
  let head = headOf(facts, form, [cut]);
  // Names that callers chose may fill a small message alone: the last ones go first.
  while (head.length > form.messageBytesMax && fields.length > 0) {
    fields = fields.slice(0, -1);
    head = headOf({ ...facts, fields }, form, [cut]);
  }
  const room = Math.max(0, form.messageBytesMax - head.length);
  return Buffer.concat([head, cutUtf8(text, room)]);
}

/** A message on a stream connection: its bytes counted before it (RFC 5425 §4.3). */
export const octetCounted = (message: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${message.length} `), message]);

type Field = readonly [name: string, value: string];

/** Everything before the message, with the byte order mark. */
function headOf(facts: LeafFacts, form: SyslogForm, more: readonly Field[]): Buffer {
  const priority = form.facility * 8 + severities[facts.severity];
  const fields: readonly Field[] = [
    ['stream', facts.stream],
    ['seq', String(facts.seq)],
    ...more,
    ...facts.fields,
  ];
  const data = fields.map(([name, value]) => ` ${name}="${paramValue(value)}"`).join('');
  const head = [
    `<${priority}>1`,
    facts.ts,
    printable(form.hostname, hostnameCharsMax),
    'holdgate',
    printable(facts.stream, procIdCharsMax),
    printable(facts.kind, msgIdCharsMax),
    `[${form.structuredDataId}${data}]`,
  ].join(' ');
  return Buffer.concat([Buffer.from(`${head} `), bom]);
}

/** Printable ASCII without spaces (RFC 5424 §6: PRINTUSASCII); `-` is no value. */
function printable(text: string, charsMax: number): string {
  const kept = text.replaceAll(/[^\x21-\x7e]/g, '?').slice(0, charsMax);
  return kept === '' ? '-' : kept;
}

/**
 * A value of structured data, cut and escaped (RFC 5424 §6.3.3: `"`, `\` and `]`). Callers choose names and users: control
 * characters would attack the terminal of whoever reads the log, and line breaks would forge lines of it.
 */
function paramValue(text: string): string {
  return (
    text
      .slice(0, valueCharsMax)
      // oxlint-disable-next-line no-control-regex -- they are what is looked for
      .replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\p{Surrogate}]/gu, '\ufffd')
      .replaceAll(/["\\\]]/g, String.raw`\$&`)
  );
}

/** The beginning of a text that takes at most so many bytes, without half a character at its end. */
function cutUtf8(text: Buffer, bytesMax: number): Buffer {
  let end = Math.min(text.length, bytesMax);
  // 10xxxxxx continues a character.
  while (end > 0 && end < text.length && ((text[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return text.subarray(0, end);
}
