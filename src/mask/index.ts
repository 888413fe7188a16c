/**
 * @module mask — what policy hides in, an answer without it out. What cannot be masked is refused before it is sent.
 */
export { maskableAccept } from './accept.ts';
export { maskAnswer } from './mask-answer.ts';
export { maskPathProblem } from './mask-path.ts';
export { maskPlan, type MaskPlan } from './plan.ts';
