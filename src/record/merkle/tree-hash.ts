import { hash } from 'node:crypto';

/** Bytes of a hash: SHA-256. */
export const hashBytes = 32;

/** RFC 6962 §2.1: the prefix that keeps an inner node from being read as a leaf. */
const nodePrefix = 0x01;

/** One buffer for all inner nodes: it is filled and hashed in one go, and nobody else sees it. */
const node = Buffer.alloc(1 + 2 * hashBytes, nodePrefix);

/** RFC 6962 §2.1: the hash of an inner node over two hashes of 32 bytes; any other length is a bug. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  if (left.length !== hashBytes || right.length !== hashBytes) {
    throw new RangeError('a node is made of two hashes of 32 bytes');
  }
  node.set(left, 1);
  node.set(right, 1 + hashBytes);
  // By way of hex, as for leaves: the fastest way to a digest.
  return Buffer.from(hash('sha256', node, 'hex'), 'hex');
}

/** RFC 6962 §2.1: the root of the tree without leaves, SHA-256 of nothing. */
export const emptyRoot: Buffer = Buffer.from(hash('sha256', '', 'hex'), 'hex');

/**
 * The largest power of two that is smaller than `size` (RFC 6962 §2.1: where a tree of `size` leaves is split), for
 * sizes from 2 to 2^53. By arithmetic: bit operations would cut sizes to 32 bits.
 */
export function splitOf(size: number): number {
  let split = 2 ** Math.floor(Math.log2(size));
  // The logarithm is rounded near powers of two.
  while (split >= size) split /= 2;
  while (split * 2 < size) split *= 2;
  return split;
}
