import { isDeepStrictEqual } from 'node:util';
import type { ClusterFacts, ClustersChangeEntry } from '../record/index.ts';

/** A cluster as far as it can be compared: its facts, and what its connection was opened with. */
export type ClusterState = {
  readonly facts: ClusterFacts;
  /** Equal where the same server is reached in the same way (`OpenUpstream.fingerprint`). */
  readonly fingerprint: string;
};

/** What becomes of the clusters, by name, in the order of the new configuration (`removed`: of the old one). */
export type Reconciled = {
  readonly added: readonly ClusterFacts[];
  readonly removed: readonly ClusterFacts[];
  readonly changed: ClustersChangeEntry['changed'];
  /** Names of those that keep all they have. */
  readonly unchanged: readonly string[];
};

/** Compares the clusters in force with those of a new configuration. Their order means nothing. */
export function reconcile(
  before: readonly ClusterState[],
  after: readonly ClusterState[],
): Reconciled {
  const old = new Map(before.map((one) => [one.facts.name, one]));
  const names = new Set(after.map((one) => one.facts.name));
  const pairs = after.flatMap((now) => {
    const was = old.get(now.facts.name);
    return was === undefined ? [] : [{ was, now, what: differences(was, now) }];
  });
  return {
    added: after.filter((one) => !old.has(one.facts.name)).map((one) => one.facts),
    removed: before.filter((one) => !names.has(one.facts.name)).map((one) => one.facts),
    changed: pairs
      .filter(({ what }) => what.length > 0)
      .map(({ was, now, what }) => ({ before: was.facts, now: now.facts, what })),
    unchanged: pairs.filter(({ what }) => what.length === 0).map(({ now }) => now.facts.name),
  };
}

function differences(
  was: ClusterState,
  now: ClusterState,
): ClustersChangeEntry['changed'][number]['what'] {
  const moved = was.facts.server !== now.facts.server;
  const reconnects = !moved && was.fingerprint !== now.fingerprint;
  const relabelled = !isDeepStrictEqual(was.facts.labels, now.facts.labels);
  return [
    ...(moved ? (['server'] as const) : []),
    ...(reconnects ? (['connection'] as const) : []),
    ...(relabelled ? (['labels'] as const) : []),
  ];
}
