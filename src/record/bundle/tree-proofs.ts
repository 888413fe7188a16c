import { emptyFrontier, extendFrontier, rootOf } from '../merkle/frontier.ts';
import { hashTree, inclusionProof } from '../merkle/proofs.ts';

/** Leaves of a block: a power of two, so that a block is a subtree of whatever tree it is in. */
const blockLeaves = 1024;

/**
 * Inclusion proofs for some leaves of a large tree, from a single pass over its leaf hashes. Of each block of 1024 leaves only
 * the root is kept, but for those that hold a wanted leaf: RFC 6962 splits trees at powers of two, so a proof is one
 * inside the block and one over the blocks' roots. A pass blocks nobody: between two blocks others run.
 */
export async function proofsOf(
  wanted: readonly number[],
  size: number,
  /** The leaf hashes of one block; fewer at the end of the tree. */
  block: (fromSeq: number, count: number) => Promise<readonly Buffer[]>,
): Promise<ReadonlyMap<number, readonly Buffer[]>> {
  const blocksWanted = new Set(wanted.map((seq) => Math.floor(seq / blockLeaves)));
  const roots: Buffer[] = [];
  const inner = new Map<number, ReturnType<typeof hashTree>>();
  for (let start = 0; start < size; start += blockLeaves) {
    const hashes = await block(start, Math.min(blockLeaves, size - start));
    roots.push(rootOf(extendFrontier(emptyFrontier, hashes)));
    const index = start / blockLeaves;
    if (blocksWanted.has(index)) inner.set(index, hashTree(hashes));
  }
  const outer = hashTree(roots);
  const proofs = new Map<number, readonly Buffer[]>();
  for (const seq of wanted) {
    const index = Math.floor(seq / blockLeaves);
    const tree = inner.get(index);
    const at = seq % blockLeaves;
    // A hole in the stream: whoever verifies will see that the proof does not hold.
    if (tree === undefined || at >= tree.size) continue;
    const path = inclusionProof(tree, at, tree.size);
    proofs.set(seq, [...path, ...inclusionProof(outer, index, outer.size)]);
  }
  return proofs;
}
