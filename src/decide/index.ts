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
export { policyInput, type InputParts } from './build-input.ts';
export { capabilitiesJson } from './capabilities.ts';
export { checkPolicies, checkSources } from './check-policies.ts';
export { locateElements, neededInputs, type ElementPlace } from './explain.ts';
export type { FreeFormReference } from './free-form.ts';
export type { Policy } from './start-policy.ts';
export { findOpa, type Opa, type OpaPlaces } from './opa.ts';
export { createBundlePolicies, createPolicies } from './policies.ts';
export type { BundlePoliciesOptions, Policies } from './policies.ts';
export { policyReference } from './policy-docs.ts';
export { hashSources, type PolicySources } from './policy-sources.ts';
export { problemText, type PolicyProblem } from './problem.ts';
export { policySchemaJson } from './schema.ts';
