// @ts-check
/* oxlint-disable unicorn/require-post-message-target-origin -- a worker's port has no origin */
import { parentPort, workerData } from 'node:worker_threads';
import { loadPolicy } from '@open-policy-agent/opa-wasm';

/**
 * Evaluates policy on large inputs off the event loop. Plain JavaScript, so that the same file runs under the test
 * runner and in dist. In: `{id, entrypoint, input: ArrayBuffer}`; out: `{id, answer}` or `{id, error}`.
 * @typedef {{module: WebAssembly.Module, data: ArrayBuffer, pages: {initial: number, maximum: number}}} Start
 * @typedef {{id: number, entrypoint: string, input: ArrayBuffer}} Job
 */

// oxlint-disable-next-line typescript/no-unsafe-assignment, typescript/no-unsafe-type-assertion -- large-input.ts is the only one that starts this file
const { module, data, pages } = /** @type {Start} */ (workerData);

/** @returns {Promise<import('@open-policy-agent/opa-wasm').LoadedPolicy>} */
async function instantiate() {
  const policy = await loadPolicy(module, { ...pages });
  policy.setData(data);
  return policy;
}

/** @type {import('@open-policy-agent/opa-wasm').LoadedPolicy | null} */
let policy = null;

/** @param {Job} job */
async function evaluate(job) {
  try {
    policy ??= await instantiate();
    const answer = /** @type {unknown} */ (policy.evaluate(job.input, job.entrypoint));
    parentPort?.postMessage({ id: job.id, answer });
  } catch (cause) {
    // An instance that threw is in an unknown state; the next job gets a fresh one.
    policy = null;
    const message =
      typeof cause === 'object' && cause !== null && 'message' in cause ? cause.message : cause;
    parentPort?.postMessage({ id: job.id, error: String(message) });
  }
}

parentPort?.on('message', (/** @type {Job} */ job) => void evaluate(job));
