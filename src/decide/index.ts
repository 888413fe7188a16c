/**
 * @module decide — a policy input in, a Decision out. Compiles, checks, loads and reloads the rules; whatever fails is a deny.
 */
export type {
  Because,
  Decision,
  HoldElement,
  MaskElement,
  PolicyIdentity,
  RecordElement,
  RecordLevel,
  Verdict,
} from './decision.ts';
export { policyInputSchema, type PolicyInput } from './policy-input.ts';
