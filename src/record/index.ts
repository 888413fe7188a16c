/**
 * @module record — entries in, durable and ordered leaves out. Resolves when committed, rejects when that is not sure.
 */
export type {
  AttemptEntry,
  BodyRef,
  ClusterFacts,
  ClustersChangeEntry,
  DecisionEntry,
  HoldTransitionEntry,
  OutcomeEntry,
  PolicyChangeEntry,
  RecordEntry,
  RecordedInput,
  Recorder,
  ReleaseEntry,
  SessionFacts,
} from './entry.ts';
export { loadDigestKey } from './digest-key.ts';
export * from './export/index.ts';
export type { RecorderEvent } from './recorder-event.ts';
export type { Leaf } from './leaf.ts';
export { recordedInput } from './recorded-input.ts';
export * from './reconcile/index.ts';
export { createRecorder, type RecorderOptions } from './recorder.ts';
export type { AppendEnd, RecordStore, StreamRow } from './record-store.ts';
export { targetForRecord } from './target-for-record.ts';
export * from './bundles.ts';
export * from './evidence.ts';
export * from './sinks/index.ts';
