export type RandomBytes = (size: number) => Buffer;

/** Numbers that are the same in each run of the same seed. */
export type SeededRandom = {
  /** A whole number from 0 to `below` - 1. */
  readonly below: (below: number) => number;
  readonly bytes: RandomBytes;
  readonly shuffled: <T>(items: readonly T[]) => T[];
};

/** Mulberry32 (public domain, Tommy Ettinger): small, and good enough to spread a load. */
export function createSeededRandom(seed: number): SeededRandom {
  let state = Math.trunc(seed);
  const next = (): number => {
    state = Math.trunc(state + 0x6d_2b_79_f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    below,
    bytes: (size) => Buffer.from(Array.from({ length: size }, () => below(256))),
    shuffled: (items) =>
      items
        .map((item) => ({ item, key: next() }))
        .toSorted((one, other) => one.key - other.key)
        .map(({ item }) => item),
  };
}
