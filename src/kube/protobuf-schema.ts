import { protobufKindsText, protobufMessagesText } from './protobuf-table.ts';

/**
 * How often a field stands, and what it is in Go: `.` once, always there; `?` a pointer, so perhaps absent; `*` a list;
 * `%` a map with string keys; `>` an embedded struct, whose fields JSON writes into the parent.
 */
type ProtobufCardinality = '.' | '?' | '*' | '%' | '>';

/** Types that are no message: text, boolean, int32, int64, double, bytes. */
export type ProtobufScalar = 's' | 'b' | 'i' | 'l' | 'd' | 'y';

/** Messages that JSON writes otherwise than as an object of their fields; see protobuf-forms.ts. */
const protobufForms = [
  'time',
  'micro-time',
  'duration',
  'quantity',
  'int-or-string',
  'raw-extension',
  'raw-json',
  'list',
  'or-bool',
  'or-list',
] as const;
export type ProtobufForm = (typeof protobufForms)[number];

/** One field of a message type. */
export type ProtobufFieldType = {
  /** As JSON has it; empty for an embedded struct. */
  readonly name: string;
  readonly number: number;
  readonly cardinality: ProtobufCardinality;
  readonly of:
    | { readonly scalar: ProtobufScalar }
    /** Where the message's type stands in the table. */
    | { readonly message: number };
  /** What `encoding/json` leaves out: nothing, an empty value (`omitempty`), a zero time (`omitzero`). */
  readonly omits: 'nothing' | 'empty' | 'zero';
};

export type ProtobufMessageType = {
  /** Null: a plain object. */
  readonly form: ProtobufForm | null;
  readonly fields: readonly ProtobufFieldType[];
  readonly byNumber: ReadonlyMap<number, ProtobufFieldType>;
};

const WORD =
  /^(?<name>[\w$-]*)=(?<number>\d+)(?<cardinality>[.?*%>])(?<type>[sbildy]|\d+)(?<omits>-?~?)$/;

const OMITS: Readonly<Record<string, ProtobufFieldType['omits']>> = { '-': 'empty', '-~': 'zero' };

function fieldType(word: string): ProtobufFieldType {
  const groups = WORD.exec(word)?.groups;
  if (groups === undefined) throw new RangeError(`the table's field ${word} is malformed`);
  const { name = '', number = '', cardinality = '', type = '', omits = '' } = groups;
  const message = Number(type);
  return {
    name,
    number: Number(number),
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the pattern lets no other through
    cardinality: cardinality as ProtobufCardinality,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the pattern lets no other through
    of: Number.isNaN(message) ? { scalar: type as ProtobufScalar } : { message },
    omits: OMITS[omits] ?? 'nothing',
  };
}

/** A line of the table: `form! name=number cardinality type omits ...`, without a form for a plain object. */
function messageType(line: string): ProtobufMessageType {
  const [head = '', ...words] = line.split(' ');
  const fields = words.map(fieldType);
  return {
    form: protobufForms.find((form) => `${form}!` === head) ?? null,
    fields,
    byNumber: new Map(fields.map((field) => [field.number, field])),
  };
}

/** The types of the built-in kinds, read once from the generated table. */
export type ProtobufSchema = {
  readonly messages: readonly ProtobufMessageType[];
  /** Index of the kind's message; undefined for a kind that is not in the table. */
  readonly messageOf: (apiVersion: string, kind: string) => number | undefined;
};

function readSchema(): ProtobufSchema {
  const kinds = new Map<string, number>();
  for (const line of protobufKindsText.trim().split('\n')) {
    const [apiVersion = '', ...words] = line.split(' ');
    for (const word of words) {
      const [kind = '', message = ''] = word.split('=');
      kinds.set(`${apiVersion} ${kind}`, Number(message));
    }
  }
  return {
    messages: protobufMessagesText.trim().split('\n').map(messageType),
    messageOf: (apiVersion, kind) => kinds.get(`${apiVersion} ${kind}`) ?? kinds.get(`* ${kind}`),
  };
}

let schema: ProtobufSchema | null = null;

/** The schema of the table. It is parsed when the first protobuf body comes, in some milliseconds. */
export function protobufSchema(): ProtobufSchema {
  schema ??= readSchema();
  return schema;
}
