import { isDeepStrictEqual } from 'node:util';
import type { Config } from './schema.ts';

/** The keys that a reload applies: clusters behind the gateway come and go without a restart. */
const APPLIED = new Set(['clusters', 'defaultCluster']);

/** How deep a key is named: `identity.issuers`, not what changed inside one of them. */
const depthMax = 2;

/**
 * The keys in which a saved configuration differs from the one that runs and that a reload does not apply, as
 * `people.port`, in the order of the alphabet. Both are as `loadConfig` answers them.
 */
export function restartKeys(running: Config, saved: Config): readonly string[] {
  return changedKeys(withoutApplied(running), withoutApplied(saved), []).toSorted();
}

const withoutApplied = (config: Config): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(config).filter(([key]) => !APPLIED.has(key)));

function changedKeys(one: unknown, other: unknown, path: readonly string[]): string[] {
  if (isDeepStrictEqual(one, other)) return [];
  if (path.length >= depthMax || !isMapping(one) || !isMapping(other)) return [path.join('.')];
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].flatMap((key) => changedKeys(one[key], other[key], [...path, key]));
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
