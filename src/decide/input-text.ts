import { stringifyJson } from '../kube/json.ts';
import type { JsonValue } from '../kube/request.ts';
import type { PolicyInput } from './policy-input.ts';

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what stands in these fields was read by our JSON parser
const asJson = (value: unknown): string => stringifyJson(value as JsonValue);

/**
 * The input as JSON text. Only the three free-form bodies can hold integers that a double cannot (bigint), so only
 * they are written by our own writer; the rest takes the engine's faster one.
 */
export function inputText(input: PolicyInput): string {
  const { object, patch } = input.request;
  const { live } = input;
  if (object === null && patch === null && live === null) return JSON.stringify(input);
  const { live: _live, ...rest } = input;
  const { object: _object, patch: _patch, ...request } = input.request;
  const head = JSON.stringify(request).slice(0, -1);
  const { request: _request, ...outer } = rest;
  const bodies = `"object":${asJson(object)},"patch":${asJson(patch)}`;
  return `${JSON.stringify(outer).slice(0, -1)},"request":${head},${bodies}},"live":${asJson(live)}}`;
}
