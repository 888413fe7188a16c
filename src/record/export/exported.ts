import type { DecisionEntry, OutcomeEntry } from '../entry.ts';

/** What an export reads of the record: leaves as they were written, a decision's with that of its outcome. */
export type ExportedRow = {
  /** Canonical JSON, byte for byte what was hashed. */
  readonly leaf: string;
  /** The leaf of the outcome of the same request; null while it runs, or where its process ended before it did. */
  readonly outcome: string | null;
};

/** Where a leaf stands, and when it was made: see `Leaf`. */
type Place = { readonly stream: string; readonly seq: number; readonly ts: string };

/** A row, read. */
export type ExportedDecision = {
  readonly decision: DecisionEntry & Place;
  readonly outcome: (OutcomeEntry & Place) | null;
};

/** Reads a row of a decision. The leaves are our own, written by `makeLeaf`, so their form is not checked again. */
export function readDecision({ leaf, outcome }: ExportedRow): ExportedDecision {
  return {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by our own `makeLeaf`, and append-only
    decision: JSON.parse(leaf) as ExportedDecision['decision'],
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
    outcome: outcome === null ? null : (JSON.parse(outcome) as ExportedDecision['outcome']),
  };
}

/** `rule/id` of every element that made the verdict. */
export function rulesOf({ because }: DecisionEntry): readonly string[] {
  return because.map(({ rule, id }) => `${rule}/${id}`);
}

/** Whether the call was let through to the cluster: allowed, or held and then released. */
export function wentThrough({ decision, outcome }: ExportedDecision): boolean {
  if (decision.code !== null) return false;
  if (decision.verdict === 'hold') return outcome !== null && outcome.upstreamStatus > 0;
  return decision.verdict === 'allow';
}

/** A resource as RBAC writes it, in its two parts: `pods/exec`. */
export function resourceParts(joined: string): {
  readonly resource: string;
  readonly subresource: string;
} {
  const at = joined.indexOf('/');
  return at === -1
    ? { resource: joined, subresource: '' }
    : { resource: joined.slice(0, at), subresource: joined.slice(at + 1) };
}
