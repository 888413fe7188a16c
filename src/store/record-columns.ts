import type { Leaf, RecordEntry } from '../record/index.ts';

/** A row of `records` as the insert statement reads it from JSON. */
type RecordRow = {
  readonly seq: number;
  /** Hexadecimal. */
  readonly leaf: string;
  readonly bytes: string;
  readonly kind: string;
  readonly request_id: string;
  readonly ts: string;
  readonly cluster: string;
  readonly username: string | null;
  readonly issuer: string | null;
  readonly subject: string | null;
  readonly verb: string | null;
  readonly resource: string | null;
  readonly namespace: string | null;
  readonly name: string | null;
  readonly verdict: string | null;
  readonly rules: readonly string[] | null;
  readonly code: string | null;
  readonly status: number | null;
  readonly approval_id: string | null;
  /** On the last row of a batch: the signed checkpoint of the stream up to it. */
  readonly checkpoint: string | null;
};

/**
 * What an index takes at most: a b-tree entry has to fit a third of a page, and whoever could make a record fail by a long
 * name could make the whole gateway refuse. UTF-16 units.
 */
const indexedCharsMax = 512;
const rulesCountMax = 64;

/**
 * The columns that are derived from a leaf for search: cut, and without what PostgreSQL's text cannot hold (NUL, halves of
 * surrogate pairs), so that no caller can write a record that cannot be stored.
 */
export function recordRow(leaf: Leaf, checkpoint: string | null): RecordRow {
  const { entry } = leaf;
  return {
    ...noColumns,
    seq: leaf.seq,
    leaf: leaf.hash.toString('hex'),
    bytes: leaf.text,
    kind: entry.kind,
    request_id: column(entry.requestId) ?? '',
    ts: leaf.ts,
    cluster: column(entry.cluster) ?? '',
    ...columnsOf(entry),
    checkpoint,
  };
}

const noColumns = {
  username: null,
  issuer: null,
  subject: null,
  verb: null,
  resource: null,
  namespace: null,
  name: null,
  verdict: null,
  rules: null,
  code: null,
  status: null,
  approval_id: null,
  checkpoint: null,
};

function columnsOf(entry: RecordEntry): Partial<RecordRow> {
  switch (entry.kind) {
    case 'decision': {
      const request = entry.input?.request;
      const { because, mask } = entry;
      const rules = [...because, ...mask].flatMap(({ rule, id }) => [rule, `${rule}/${id}`]);
      return {
        ...person(entry.user ?? undefined),
        verb: column(request?.verb),
        resource: column(request?.resource),
        namespace: column(request?.namespace),
        name: column(request?.name),
        verdict: entry.verdict,
        rules: [...new Set(rules)].slice(0, rulesCountMax).map((rule) => column(rule) ?? ''),
        code: entry.code,
        approval_id: column(entry.approvalId),
      };
    }
    case 'attempt':
      return person(entry.user);
    case 'outcome':
      return { code: entry.code, status: entry.status };
    case 'release':
      return { approval_id: column(entry.approvalId) };
    case 'hold':
      return {
        ...person(entry.by ?? undefined),
        verdict: column(entry.to),
        approval_id: column(entry.approvalId),
      };
    case 'export':
      return person(entry.by);
    case 'policy':
    case 'clusters':
    case 'stream':
    case 'stream-closed':
    case 'stream-abandoned':
    case 'restored':
    case 'sink-skipped':
      return {};
  }
}

function person(
  user:
    { readonly issuer: string; readonly subject: string; readonly username: string } | undefined,
): Partial<RecordRow> {
  return {
    username: column(user?.username),
    issuer: column(user?.issuer),
    subject: column(user?.subject),
  };
}

function column(text: string | null | undefined): string | null {
  return text === null || text === undefined ? null : storableText(text);
}

/** A text as a column of PostgreSQL can hold and index it: cut, and without NUL and halves of surrogate pairs. */
export function storableText(text: string | undefined): string {
  return (text ?? '').slice(0, indexedCharsMax).replace(/[\0\p{Surrogate}]/gu, '\ufffd');
}
