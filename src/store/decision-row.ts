import type { Because, Verdict } from '../decide/index.ts';
import type { OutcomeEntry, RecordEntry } from '../record/index.ts';
import type { decisions } from './schema.ts';

/** A leaf as it was recorded: the entry, and where it stands. */
export type Recorded<E extends RecordEntry> = E & {
  readonly v: number;
  readonly stream: string;
  readonly seq: number;
  /** RFC 3339, milliseconds. */
  readonly ts: string;
  readonly mono_ns: number;
};

/** The one row that people see: a decision, joined with its outcome. */
export type DecisionRow = {
  readonly requestId: string;
  /** RFC 3339, milliseconds. */
  readonly at: string;
  readonly cluster: string;
  /** Null where the caller could not be identified. */
  readonly user: {
    readonly issuer: string;
    readonly subject: string;
    readonly username: string;
  } | null;
  readonly sourceIp: string;
  readonly method: string;
  readonly target: string;
  /** Empty where the request could not be parsed, as the next four. */
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly verdict: Verdict;
  readonly because: readonly Because[];
  readonly masked: boolean;
  readonly code: string | null;
  readonly message: string;
  readonly approvalId: string | null;
  /** Null while the request runs, or where its process ended before it did. */
  readonly outcome: {
    readonly endedAt: string;
    /** What the caller saw; 0 where the connection ended before a status. */
    readonly status: number;
    readonly upstreamStatus: number;
    readonly code: string | null;
    readonly message: string;
    readonly durationMs: number;
    readonly bytesSent: number;
    readonly complete: boolean;
    readonly endedBy: OutcomeEntry['endedBy'];
  } | null;
};

/** Reads a leaf's bytes back. They are our own, written by `record`, so their form is not checked again. */
export function parseLeaf(bytes: Uint8Array): Recorded<RecordEntry> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by our own `makeLeaf`, and append-only
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as Recorded<RecordEntry>;
}

/** True for leaves of a kind. */
export function isKind<K extends RecordEntry['kind']>(kind: K) {
  return (leaf: Recorded<RecordEntry>): leaf is Recorded<Extract<RecordEntry, { kind: K }>> =>
    leaf.kind === kind;
}

function leafOf<K extends RecordEntry['kind']>(
  kind: K,
  bytes: Uint8Array,
): Recorded<Extract<RecordEntry, { kind: K }>> {
  const leaf = parseLeaf(bytes);
  if (isKind(kind)(leaf)) return leaf;
  throw new Error(`record ${leaf.seq} of stream ${leaf.stream} is a ${leaf.kind}, not a ${kind}`);
}

/** Makes the row that people see from a row of the `decisions` view. */
export function decisionRow(row: typeof decisions.$inferSelect): DecisionRow {
  const decision = leafOf('decision', row.decision);
  const outcome = row.outcome === null ? null : leafOf('outcome', row.outcome);
  const request = decision.input?.request;
  const { user } = decision;
  return {
    requestId: decision.requestId,
    at: decision.ts,
    cluster: decision.cluster,
    user,
    sourceIp: decision.sourceIp,
    method: decision.method,
    target: decision.target,
    verb: request?.verb ?? '',
    group: request?.group ?? '',
    resource: request?.resource ?? '',
    namespace: request?.namespace ?? '',
    name: request?.name ?? '',
    verdict: decision.verdict,
    because: decision.because,
    masked: decision.mask.length > 0,
    code: decision.code,
    message: decision.message,
    approvalId: decision.approvalId,
    outcome:
      outcome === null
        ? null
        : {
            endedAt: outcome.ts,
            status: outcome.status,
            upstreamStatus: outcome.upstreamStatus,
            code: outcome.code,
            message: outcome.message,
            durationMs: outcome.durationMs,
            bytesSent: outcome.bytesSent,
            complete: outcome.complete,
            endedBy: outcome.endedBy,
          },
  };
}
