/** A text that is kept with its value, and the bound that its parts were cut to. */
export type KeptText = { text: string | null; textCharsMax: number };

const keptTexts = new WeakMap<object, KeptText>();

/**
 * Declares that a value never changes (and freezes it to see to it): an identity, or a policy's name, that stands in the
 * records of thousands of requests. What is written of it is then written once.
 */
export function constant<T extends object>(value: T): T {
  freezeDeep(value);
  keptTexts.set(value, { text: null, textCharsMax: 0 });
  return value;
}

/** Where the text of a constant is kept; undefined for every other value. */
export const keptTextOf = (value: object): KeptText | undefined => keptTexts.get(value);

function freezeDeep(value: object): void {
  if (Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const member of Object.values(value) as readonly unknown[]) {
    if (typeof member === 'object' && member !== null) freezeDeep(member);
  }
}
