/**
 * @module record — entries in, durable and ordered leaves out. Resolves when committed, rejects when that is not sure.
 */
export type {
  AttemptEntry,
  BodyRef,
  DecisionEntry,
  HoldTransitionEntry,
  OutcomeEntry,
  PolicyChangeEntry,
  RecordEntry,
  RecordedInput,
  Recorder,
} from './entry.ts';
