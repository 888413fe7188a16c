import { makeLeaf, sealEntry } from '../../src/record/leaf.ts';
import type { DecisionEntry, OutcomeEntry, RecordEntry } from '../../src/record/index.ts';

const leafText = (entry: RecordEntry, seq: number): string =>
  makeLeaf(sealEntry(entry), {
    stream: 'stream-1',
    seq,
    ts: `2026-11-20T12:00:0${seq}.000Z`,
    monoNs: seq,
  }).text;

/** A row of an export, as the recorder would have written its leaves: at 12:00:00, ended a second later. */
export const exportRow = (decision: DecisionEntry, outcome: OutcomeEntry | null) => ({
  leaf: leafText(decision, 0),
  outcome: outcome === null ? null : leafText(outcome, 1),
});
