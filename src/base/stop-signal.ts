/** The part of an AbortSignal that requests need. Every AbortSignal is one. */
export type StopSignal = {
  readonly aborted: boolean;
  /** Called once at most, at the abort; never where that was before. */
  readonly addEventListener: (
    type: 'abort',
    listener: () => void,
    options?: { readonly once?: boolean },
  ) => void;
  readonly removeEventListener: (type: 'abort', listener: () => void) => void;
};

/**
 * An AbortController and its signal in one object, for what is made anew with each request: Node's own pair, with its
 * event targets, weak references and finalizers, takes as long as reading the request.
 */
export class StopSwitch implements StopSignal {
  #aborted = false;
  #listeners: Set<() => void> | null = null;

  get aborted(): boolean {
    return this.#aborted;
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    if (!this.#aborted) (this.#listeners ??= new Set()).add(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners?.delete(listener);
  }

  /** Tells every listener, in the order in which they came; a second call tells nobody. */
  abort(): void {
    if (this.#aborted) return;
    this.#aborted = true;
    for (const listener of this.#listeners ?? []) listener();
    this.#listeners = null;
  }
}
