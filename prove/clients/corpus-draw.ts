/** Chance that a seed repeats exactly. */
export type Draw = {
  readonly pick: <T>(from: readonly T[]) => T;
  /** True with this probability. */
  readonly chance: (share: number) => boolean;
  readonly whole: (below: number) => number;
};

/** Where the corpus's own objects are; everything that it writes is in or named after these. */
export type Place = {
  /** Unique to the run, and a legal part of a name. */
  readonly run: string;
  /** Objects in it stay for reads and updates. */
  readonly kept: string;
  /** Objects in it come and go, whole collections too. */
  readonly churn: string;
  readonly node: string;
  /** A running pod in `kept`. */
  readonly pod: string;
};

/** The method, target and body of a generated request; the body is JSON unless it is bytes. */
export type Sketch = {
  readonly method: string;
  readonly target: string;
  readonly body?: object | Buffer;
  /** Default `application/json`. */
  readonly contentType?: string;
};

/** One kind of request; `index` is unique within the run. */
export type Template = {
  readonly name: string;
  readonly make: (draw: Draw, place: Place, index: number) => Sketch;
};

/** Mulberry32: 32 bits of state are plenty for choosing from lists. */
export function createDraw(seed: number): Draw {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const whole = (below: number): number => Math.floor(next() * below);
  return {
    whole,
    chance: (share) => next() < share,
    pick: (from) => {
      const picked = from[whole(from.length)];
      if (picked === undefined) throw new Error('nothing to pick from');
      return picked;
    },
  };
}

/** A target with query pieces, empty ones left out. */
export function withQuery(path: string, ...pieces: readonly string[]): string {
  const query = pieces.filter((piece) => piece !== '').join('&');
  return query === '' ? path : `${path}?${query}`;
}
