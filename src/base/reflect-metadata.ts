/**
 * The four functions of the `reflect-metadata` proposal that `@peculiar/x509` (through its dependency tsyringe) looks
 * for when it is loaded. They are ours because the package that defines them patches much more of `Reflect`.
 * Import this file for its effect, before `@peculiar/x509`.
 */
type Metadata = {
  /** Not used: a property that `Reflect` has, without which TypeScript takes the two for unrelated. */
  readonly ownKeys?: unknown;
  getMetadata?: (key: unknown, target: object) => unknown;
  getOwnMetadata?: (key: unknown, target: object) => unknown;
  defineMetadata?: (key: unknown, value: unknown, target: object) => void;
  metadata?: (key: unknown, value: unknown) => (target: object) => void;
};

/** Adds the functions to `target` (in production: `Reflect`) unless somebody else defined them already. */
export function defineReflectMetadata(target: Metadata): void {
  if (target.getMetadata !== undefined) return;
  const table = new WeakMap<object, Map<unknown, unknown>>();
  const getOwn = (key: unknown, of: object): unknown => table.get(of)?.get(key);
  const define = (key: unknown, value: unknown, of: object): void => {
    const own = table.get(of) ?? new Map<unknown, unknown>();
    table.set(of, own.set(key, value));
  };
  target.getOwnMetadata = getOwn;
  target.defineMetadata = define;
  target.metadata = (key, value) => (of) => define(key, value, of);
  // Looked up along the prototypes, as a subclass inherits what was said of its parent.
  target.getMetadata = (key, of) => {
    for (let at: object | null = of; at !== null; at = Reflect.getPrototypeOf(at)) {
      if (table.get(at)?.has(key) === true) return getOwn(key, at);
    }
    return undefined;
  };
}

defineReflectMetadata(Reflect);
