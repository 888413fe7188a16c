import { emptyRoot, hashBytes, nodeHash } from './tree-hash.ts';

/**
 * What has to be kept of a Merkle tree to append to it and to know its root: the roots of the complete subtrees that it
 * is made of, largest first, one for each bit that is set in its size. A value: extending one makes another, so a
 * batch whose commit fails leaves the tree as it was.
 */
export type Frontier = {
  /** Leaves. */
  readonly size: number;
  readonly peaks: readonly Buffer[];
};

/** The tree without leaves. */
export const emptyFrontier: Frontier = { size: 0, peaks: [] };

/** The tree with more leaves at its end, given by their leaf hashes. */
export function extendFrontier(frontier: Frontier, leafHashes: readonly Buffer[]): Frontier {
  const peaks = [...frontier.peaks];
  let { size } = frontier;
  for (const leaf of leafHashes) {
    let peak = leaf;
    // Every trailing one bit of the size is a complete subtree of the same height: the two make the next higher one.
    for (let rest = size; rest % 2 === 1; rest = Math.floor(rest / 2)) {
      peak = nodeHash(peaks.pop() ?? emptyRoot, peak);
    }
    peaks.push(peak);
    size += 1;
  }
  return { size, peaks };
}

/** The root of the tree: RFC 6962 §2.1, MTH. */
export function rootOf(frontier: Frontier): Buffer {
  const { peaks } = frontier;
  return peaks.length === 0 ? emptyRoot : peaks.reduceRight((right, left) => nodeHash(left, right));
}

/** The peaks as one run of bytes. */
export function peaksBytes(frontier: Frontier): Buffer {
  return Buffer.concat(frontier.peaks);
}

/** A frontier of its size and peaks; null where there are not as many peaks as the size has bits set. */
export function frontierOf(size: number, peaks: Uint8Array): Frontier | null {
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  if (!Number.isSafeInteger(size) || size < 0 || peaks.length !== count * hashBytes) return null;
  const bytes = Buffer.from(peaks);
  const list = Array.from({ length: count }, (_, index) =>
    bytes.subarray(index * hashBytes, (index + 1) * hashBytes),
  );
  return { size, peaks: list };
}
