import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { leafHash } from '../../src/record/leaf.ts';
import {
  emptyFrontier,
  extendFrontier,
  frontierOf,
  peaksBytes,
  rootOf,
} from '../../src/record/merkle/frontier.ts';
import {
  consistencyProof,
  hashTree,
  inclusionProof,
  isConsistent,
  isIncluded,
  proofHashesMax,
  rootAt,
} from '../../src/record/merkle/proofs.ts';
import { emptyRoot, nodeHash, splitOf } from '../../src/record/merkle/tree-hash.ts';

const leavesOf = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, index) => leafHash(Buffer.from(`leaf ${index}`)));

/** RFC 6962 §2.1 word for word. */
function definition(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return emptyRoot;
  if (leaves.length === 1 && leaves[0] !== undefined) return leaves[0];
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return nodeHash(definition(leaves.slice(0, split)), definition(leaves.slice(split)));
}

/** Those of the certificate-transparency project's Merkle tree test. */
const vectors = [
  { leaf: '', root: '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d' },
  { leaf: '00', root: 'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125' },
  { leaf: '10', root: 'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77' },
  { leaf: '2021', root: 'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7' },
  { leaf: '3031', root: '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4' },
  { leaf: '40414243', root: '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef' },
  {
    leaf: '5051525354555657',
    root: 'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  },
  {
    leaf: '606162636465666768696a6b6c6d6e6f',
    root: '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  },
];

describe('the tree', () => {
  test('has the roots of the known vectors', () => {
    const leaves = vectors.map(({ leaf }) => leafHash(Buffer.from(leaf, 'hex')));
    const roots = leaves.map((_, index) =>
      rootOf(extendFrontier(emptyFrontier, leaves.slice(0, index + 1))).toString('hex'),
    );
    expect(roots).toEqual(vectors.map(({ root }) => root));
    expect(rootOf(emptyFrontier).toString('hex')).toBe(
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    );
  });

  test('has the root of the definition, however it was split into batches and from wherever it is asked', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 12 }), (batches) => {
        const leaves = leavesOf(batches.reduce((sum, count) => sum + count, 0));
        let frontier = emptyFrontier;
        for (const count of batches) {
          frontier = extendFrontier(frontier, leaves.slice(frontier.size, frontier.size + count));
        }
        expect(frontier.size).toBe(leaves.length);
        const root = definition(leaves).toString('hex');
        expect(rootOf(frontier).toString('hex')).toBe(root);
        expect(rootAt(hashTree([...leaves, emptyRoot]), leaves.length).toString('hex')).toBe(root);
      }),
    );
  });

  test('extending a frontier leaves it as it was: a batch that fails changes nothing', () => {
    const before = extendFrontier(emptyFrontier, leavesOf(7));
    const root = rootOf(before).toString('hex');
    extendFrontier(before, leavesOf(5));
    expect(rootOf(before).toString('hex')).toBe(root);
    expect(before.size).toBe(7);
  });

  test('a frontier reads back from its peaks; another number of peaks than its size has bits is refused', () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(300), (size, other) => {
        const frontier = extendFrontier(emptyFrontier, leavesOf(size));
        const bytes = peaksBytes(frontier);
        expect(frontierOf(size, bytes)).toEqual(frontier);
        const ones = (count: number): number => count.toString(2).replaceAll('0', '').length;
        expect(frontierOf(other, bytes) === null).toBe(ones(other) !== ones(size));
      }),
    );
    expect(frontierOf(-1, Buffer.alloc(0))).toBeNull();
    expect(frontierOf(1.5, Buffer.alloc(32))).toBeNull();
  });

  test.each([2, 3, 4, 5, 2 ** 31, 2 ** 31 + 1, 2 ** 52, 2 ** 52 + 1, 2 ** 53 - 1])(
    'a tree of %d leaves is split at the largest power of two below it',
    (size) => {
      const split = splitOf(size);
      expect(Number.isInteger(Math.log2(split))).toBe(true);
      expect(split < size && split * 2 >= size).toBe(true);
    },
  );

  test('a node over anything but two hashes is a bug', () => {
    expect(() => nodeHash(Buffer.alloc(31), Buffer.alloc(32))).toThrow(RangeError);
  });
});

const sizes = fc
  .tuple(fc.integer({ min: 1, max: 200 }), fc.nat(), fc.nat())
  .map(([size, a, b]) => ({ size, index: a % size, from: b % (size + 1) }));

/** A tree once: leaves differ by their index, so a smaller tree is its beginning. */
const tree = hashTree(leavesOf(200));

/** One bit of one hash of a proof, or of any other list of hashes, turned. */
function withBitTurned(proof: readonly Buffer[], at: number): Buffer[] {
  return proof.map((hash, index) => {
    const copy = Buffer.from(hash);
    if (index === at % proof.length) copy[at % 32] = (copy[at % 32] ?? 0) ^ (1 << (at % 8));
    return copy;
  });
}

describe('inclusion proofs', () => {
  test('each leaf is proven in each tree that holds it, and nothing else is by the same proof', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), ({ size, index }, at) => {
        const leaf = tree.levels[0]?.[index] ?? emptyRoot;
        const root = rootAt(tree, size);
        const proof = inclusionProof(tree, index, size);
        const claim = { leaf, index, size, root, proof };
        expect(isIncluded(claim)).toBe(true);
        expect(isIncluded({ ...claim, root: withBitTurned([root], at)[0] ?? root })).toBe(false);
        expect(isIncluded({ ...claim, leaf: withBitTurned([leaf], at)[0] ?? leaf })).toBe(false);
        expect(isIncluded({ ...claim, proof: [...proof, root] })).toBe(false);
        if (proof.length === 0) return;
        expect(isIncluded({ ...claim, proof: withBitTurned(proof, at) })).toBe(false);
        expect(isIncluded({ ...claim, proof: proof.slice(1) })).toBe(false);
        expect(isIncluded({ ...claim, index: (index + 1) % size })).toBe(false);
      }),
    );
  });

  test.each([
    { name: 'an index outside the tree', claim: { index: 1, size: 1 } },
    { name: 'a negative index', claim: { index: -1, size: 1 } },
    { name: 'a broken size', claim: { index: 0, size: Number.NaN } },
    { name: 'more hashes than any tree has heights', claim: { proof: many(proofHashesMax + 1) } },
    { name: 'a hash of another length', claim: { proof: [Buffer.alloc(31)], size: 2 } },
  ])('$name is refused', ({ claim }) => {
    const leaf = leafHash(Buffer.from('x'));
    expect(isIncluded({ leaf, index: 0, size: 1, root: leaf, proof: [], ...claim })).toBe(false);
  });

  test('a proof outside the tree is a bug', () => {
    expect(() => inclusionProof(tree, 200, 200)).toThrow(RangeError);
    expect(() => inclusionProof(tree, 0, 201)).toThrow(RangeError);
  });
});

describe('consistency proofs', () => {
  test('each tree is proven to begin with each smaller one, and with no other root', () => {
    fc.assert(
      fc.property(sizes, fc.nat(), ({ size, from: fromSize }, at) => {
        const from = { size: fromSize, root: rootAt(tree, fromSize) };
        const to = { size, root: rootAt(tree, size) };
        const proof = consistencyProof(tree, fromSize, size);
        expect(isConsistent({ from, to, proof })).toBe(true);
        const turned = (root: Buffer): Buffer => withBitTurned([root], at)[0] ?? root;
        expect(isConsistent({ from: { ...from, root: turned(from.root) }, to, proof })).toBe(false);
        expect(isConsistent({ from, to, proof: [...proof, to.root] })).toBe(false);
        if (fromSize === 0) return;
        expect(isConsistent({ from, to: { ...to, root: turned(to.root) }, proof })).toBe(false);
        if (proof.length === 0) return;
        expect(isConsistent({ from, to, proof: withBitTurned(proof, at) })).toBe(false);
        expect(isConsistent({ from, to, proof: proof.slice(1) })).toBe(false);
      }),
    );
  });

  test('a tree that lost its tail is not consistent', () => {
    const from = { size: 9, root: rootAt(tree, 9) };
    const to = { size: 8, root: rootAt(tree, 8) };
    expect(isConsistent({ from, to, proof: consistencyProof(tree, 8, 9) })).toBe(false);
  });
});

function many(count: number): Buffer[] {
  return Array.from({ length: count }, () => Buffer.alloc(32));
}
