import { cutText } from './cut-text.ts';

/** The members of objects with the same keys, in the order of canonical JSON. */
export type Shape = {
  /** The keys, sorted by UTF-16 units as they are written. */
  readonly names: readonly string[];
  /** `"key":` for each of them. */
  readonly starts: readonly string[];
  /** `,"key":` for each of them. */
  readonly nextStarts: readonly string[];
};

type CachedShape = Shape & {
  /** The keys as the object lists them. */
  readonly keys: readonly string[];
};

/** Bounds of what is kept: callers choose the names of query parameters and of claims, so they choose keys. */
const cachedKeysMax = 64;
const cachedKeyCharsMax = 64;
const firstKeysMax = 256;
const shapesPerFirstKeyMax = 8;

/** The shapes seen, by their first key. */
const shapesByFirstKey = new Map<string, CachedShape[]>();

/**
 * The order of an object's keys, given as `Object.keys` lists them; keys longer than `textCharsMax` are cut when they are
 * written. Records have few shapes, so that almost always the order is known from an object before.
 */
export function shapeOf(keys: readonly string[], textCharsMax: number): Shape {
  const first = keys[0];
  if (first === undefined) return emptyShape;
  // What is kept holds whole keys.
  if (textCharsMax < cachedKeyCharsMax) return newShape(keys, textCharsMax);
  const known = shapesByFirstKey.get(first);
  if (known !== undefined) {
    for (const shape of known) {
      if (hasKeys(shape.keys, keys)) return shape;
    }
  }
  const shape = newShape(keys, textCharsMax);
  if (isCacheable(keys)) remember(first, { ...shape, keys });
  return shape;
}

const emptyShape: Shape = { names: [], starts: [], nextStarts: [] };

function hasKeys(keys: readonly string[], others: readonly string[]): boolean {
  if (keys.length !== others.length) return false;
  for (let index = 0; index < keys.length; index += 1) {
    if (keys[index] !== others[index]) return false;
  }
  return true;
}

function newShape(keys: readonly string[], textCharsMax: number): Shape {
  const sorted = keys
    .map((name) => ({ name, key: cutText(name, textCharsMax) }))
    // The default order of strings is by UTF-16 units; keys that are the same once cut stay in their order.
    .toSorted((a, b) => (a.key < b.key ? -1 : a.key === b.key ? 0 : 1));
  const starts = sorted.map(({ key }) => `${JSON.stringify(key)}:`);
  return {
    names: sorted.map(({ name }) => name),
    starts,
    nextStarts: starts.map((start) => `,${start}`),
  };
}

function isCacheable(keys: readonly string[]): boolean {
  return keys.length <= cachedKeysMax && keys.every((key) => key.length <= cachedKeyCharsMax);
}

/** Forgets everything rather than growing: what is in use is known again with its next object. */
function remember(first: string, shape: CachedShape): void {
  const known = shapesByFirstKey.get(first);
  if (known !== undefined && known.length < shapesPerFirstKeyMax) {
    known.push(shape);
    return;
  }
  if (known === undefined && shapesByFirstKey.size >= firstKeysMax) shapesByFirstKey.clear();
  shapesByFirstKey.set(first, [shape]);
}
