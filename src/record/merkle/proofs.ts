import { emptyRoot, hashBytes, nodeHash, splitOf } from './tree-hash.ts';

/**
 * The hashes of a tree's complete subtrees by height, leaves first: what makes each proof a matter of about
 * log2(size)^2 look-ups. 64 bytes a leaf.
 */
export type HashTree = { readonly size: number; readonly levels: readonly (readonly Buffer[])[] };

/** A proof has at most one hash for each height, from both sides; more is refused unread. */
export const proofHashesMax = 2 * 53;

/** The tree over a list of leaf hashes. */
export function hashTree(leafHashes: readonly Buffer[]): HashTree {
  const levels: (readonly Buffer[])[] = [leafHashes];
  for (let below = leafHashes; below.length > 1;) {
    const level: Buffer[] = [];
    for (let index = 1; index < below.length; index += 2) {
      level.push(nodeHash(below[index - 1] ?? emptyRoot, below[index] ?? emptyRoot));
    }
    levels.push(level);
    below = level;
  }
  return { size: leafHashes.length, levels };
}

/** The root of the tree's first `size` leaves. A size over the tree's is a bug. */
export function rootAt(tree: HashTree, size: number): Buffer {
  expectWithin(size, tree.size);
  return size === 0 ? emptyRoot : rangeRoot(tree, 0, size);
}

/** The root of the leaves from `start` up to `end`, which is never before `start` + 1; both as RFC 6962 splits. */
function rangeRoot(tree: HashTree, start: number, end: number): Buffer {
  const size = end - start;
  const height = Math.log2(size);
  if (Number.isInteger(height)) {
    return tree.levels[height]?.[start / size] ?? emptyRoot;
  }
  const split = splitOf(size);
  return nodeHash(rangeRoot(tree, start, start + split), rangeRoot(tree, start + split, end));
}

/**
 * RFC 6962 §2.1.1: the proof that leaf `index` is in the tree of the first `size` leaves, from the leaf upwards.
 * An index or a size outside the tree is a bug.
 */
export function inclusionProof(tree: HashTree, index: number, size: number): Buffer[] {
  expectWithin(size, tree.size);
  expectWithin(index, size - 1);
  return inclusionPath(tree, index, 0, size);
}

function inclusionPath(tree: HashTree, index: number, start: number, end: number): Buffer[] {
  const size = end - start;
  if (size === 1) return [];
  const middle = start + splitOf(size);
  return index < middle
    ? [...inclusionPath(tree, index, start, middle), rangeRoot(tree, middle, end)]
    : [...inclusionPath(tree, index, middle, end), rangeRoot(tree, start, middle)];
}

/**
 * RFC 6962 §2.1.2: the proof that the tree of the first `to` leaves begins with that of the first `from` ones. Sizes
 * outside the tree are a bug. Empty where the sizes are equal or `from` is 0.
 */
export function consistencyProof(tree: HashTree, from: number, to: number): Buffer[] {
  expectWithin(to, tree.size);
  expectWithin(from, to);
  return from === 0 ? [] : consistencyPath(tree, { from, isKnown: true }, 0, to);
}

/** `isKnown`: the verifier has the root of this very subtree, as it is the whole old tree. */
function consistencyPath(
  tree: HashTree,
  { from, isKnown }: { readonly from: number; readonly isKnown: boolean },
  start: number,
  end: number,
): Buffer[] {
  if (from === end - start) return isKnown ? [] : [rangeRoot(tree, start, end)];
  const split = splitOf(end - start);
  const middle = start + split;
  return from <= split
    ? [...consistencyPath(tree, { from, isKnown }, start, middle), rangeRoot(tree, middle, end)]
    : [
        ...consistencyPath(tree, { from: from - split, isKnown: false }, middle, end),
        rangeRoot(tree, start, middle),
      ];
}

/** RFC 9162 §2.1.3.2: whether a proof shows that `leaf` is leaf `index` of the tree of `size` leaves with `root`. */
export function isIncluded(claim: {
  readonly leaf: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly root: Uint8Array;
  readonly proof: readonly Uint8Array[];
}): boolean {
  const { index, size, proof } = claim;
  if (!isCount(index) || !isCount(size) || index >= size || !isProof(proof)) return false;
  let [fn, sn] = [index, size - 1];
  let root: Uint8Array = claim.leaf;
  for (const hash of proof) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      root = nodeHash(hash, root);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else {
      root = nodeHash(root, hash);
    }
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && isSame(root, claim.root);
}

/** RFC 9162 §2.1.4.2: whether a proof shows that the tree `to` only adds leaves to the tree `from`. */
export function isConsistent(claim: {
  readonly from: { readonly size: number; readonly root: Uint8Array };
  readonly to: { readonly size: number; readonly root: Uint8Array };
  readonly proof: readonly Uint8Array[];
}): boolean {
  const { from, to, proof } = claim;
  if (!isCount(from.size) || !isCount(to.size) || from.size > to.size || !isProof(proof)) {
    return false;
  }
  if (from.size === to.size) return proof.length === 0 && isSame(from.root, to.root);
  if (from.size === 0) return proof.length === 0 && isSame(from.root, emptyRoot);
  // Where the old tree is complete its root begins the path; it is not in the proof, as the verifier has it.
  const path = Number.isInteger(Math.log2(from.size)) ? [from.root, ...proof] : proof;
  const [first, ...rest] = path;
  if (first === undefined) return false;
  let [fn, sn] = [from.size - 1, to.size - 1];
  while (fn % 2 === 1) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  let [oldRoot, newRoot] = [first, first];
  for (const hash of rest) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      oldRoot = nodeHash(hash, oldRoot);
      newRoot = nodeHash(hash, newRoot);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else {
      newRoot = nodeHash(newRoot, hash);
    }
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && isSame(oldRoot, from.root) && isSame(newRoot, to.root);
}

function isProof(proof: readonly Uint8Array[]): boolean {
  return proof.length <= proofHashesMax && proof.every((hash) => hash.length === hashBytes);
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function isSame(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

function expectWithin(value: number, max: number): void {
  if (!isCount(value) || value > max) throw new RangeError(`${value} is not between 0 and ${max}`);
}
