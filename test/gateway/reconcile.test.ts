import { describe, expect, test } from 'vitest';
import { reconcile, type ClusterState, type Reconciled } from '../../src/gateway/reconcile.ts';

const state = (name: string, more: Partial<ClusterState['facts']> = {}): ClusterState => ({
  facts: {
    name,
    server: `https://${name}.test`,
    credential: `bearer token from /${name}`,
    labels: { environment: 'test' },
    ...more,
  },
  fingerprint: `opened as ${name}`,
});

const a = state('a');
const b = state('b');

/** Names only, and what changed. */
const told = ({ added, removed, changed, unchanged }: Reconciled) => ({
  added: added.map((one) => one.name),
  removed: removed.map((one) => one.name),
  changed: changed.map((one) => `${one.now.name}: ${one.what.join()}`),
  unchanged,
});
const nothing = { added: [], removed: [], changed: [], unchanged: [] };

describe('what becomes of the clusters', () => {
  test.each<{
    name: string;
    before: readonly ClusterState[];
    after: readonly ClusterState[];
    expected: Partial<ReturnType<typeof told>>;
  }>([
    { name: 'none', before: [], after: [], expected: {} },
    { name: 'the first', before: [], after: [a, b], expected: { added: ['a', 'b'] } },
    {
      name: 'one more',
      before: [a],
      after: [a, b],
      expected: { added: ['b'], unchanged: ['a'] },
    },
    {
      name: 'one less',
      before: [a, b],
      after: [b],
      expected: { removed: ['a'], unchanged: ['b'] },
    },
    { name: 'another order', before: [a, b], after: [b, a], expected: { unchanged: ['b', 'a'] } },
    { name: 'another name', before: [a], after: [b], expected: { added: ['b'], removed: ['a'] } },
    {
      name: 'another server, with the new connection that comes with it',
      before: [a, b],
      after: [{ ...state('a', { server: 'https://elsewhere.test' }), fingerprint: 'other' }, b],
      expected: { changed: ['a: server'], unchanged: ['b'] },
    },
    {
      name: 'another CA or credential',
      before: [a],
      after: [{ ...a, fingerprint: 'other' }],
      expected: { changed: ['a: connection'] },
    },
    {
      name: 'other labels',
      before: [a],
      after: [state('a', { labels: { environment: 'production' } })],
      expected: { changed: ['a: labels'] },
    },
    {
      name: 'the same labels in another order',
      before: [state('a', { labels: { one: '1', two: '2' } })],
      after: [state('a', { labels: { two: '2', one: '1' } })],
      expected: { unchanged: ['a'] },
    },
    {
      name: 'labels and credential',
      before: [a],
      after: [{ ...state('a', { labels: {} }), fingerprint: 'other' }],
      expected: { changed: ['a: connection,labels'] },
    },
  ])('$name', ({ before, after, expected }) => {
    expect(told(reconcile(before, after))).toEqual({ ...nothing, ...expected });
  });

  test('a change names the cluster as it was and as it is', () => {
    const now = state('a', { labels: {} });
    expect(reconcile([a], [now]).changed).toEqual([
      { before: a.facts, now: now.facts, what: ['labels'] },
    ]);
  });
});
