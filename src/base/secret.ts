import { inspect } from 'node:util';

const REDACTED = '[redacted]';

/**
 * Holds a credential so that no log line, error text or JSON document can print it by accident.
 * The one way to the text is `reveal()`, which is what a reviewer greps for.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The credential itself: only to be put on the wire or into a signing function. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return REDACTED;
  }

  toJSON(): string {
    return REDACTED;
  }

  [inspect.custom](): string {
    return REDACTED;
  }
}
