/** Characters that are held back at most (a character is up to three bytes), and for how long while a turn lasts. */
const heldCharsMax = 64 * 1024;
const heldMs = 50;

type GatheredLinesOptions = {
  /** Writes synchronously: what was handed to it is not lost when the process ends. */
  readonly write: (text: string) => void;
  /** Runs once at the end of this turn of the event loop. */
  readonly atTurnEnd?: (run: () => void) => void;
  readonly nowMs?: () => number;
};

/**
 * Log lines that are written in one go at the end of a turn of the event loop, because a write to a terminal, a pipe or a
 * file is a call to the kernel that everything waits for. Nothing stays behind: whoever makes one calls `flush` when the
 * process exits (see `flushAtExit`), and what may be the last words of a process is written at once.
 */
export class GatheredLines {
  readonly #options: Required<GatheredLinesOptions>;
  #held = '';
  #sinceMs = 0;
  #isScheduled = false;

  constructor({ write, atTurnEnd = setImmediate, nowMs = Date.now }: GatheredLinesOptions) {
    this.#options = { write, atTurnEnd, nowMs };
  }

  /** Takes a line with its newline; `isUrgent` writes it, and what was held before it, at once. */
  readonly write = (line: string, isUrgent = false): void => {
    const { nowMs, atTurnEnd } = this.#options;
    if (this.#held === '') this.#sinceMs = nowMs();
    this.#held += line;
    if (isUrgent || this.#held.length >= heldCharsMax || nowMs() - this.#sinceMs >= heldMs) {
      this.flush();
    } else if (!this.#isScheduled) {
      this.#isScheduled = true;
      atTurnEnd(() => {
        this.#isScheduled = false;
        this.flush();
      });
    }
  };

  /** Writes what is held. */
  readonly flush = (): void => {
    const text = this.#held;
    if (text === '') return;
    // First, so that a write that throws is not repeated at every line.
    this.#held = '';
    this.#options.write(text);
  };
}

/** Flushes when the process exits: at its end, at `process.exit`, and after an exception that nobody caught. */
export function flushAtExit(lines: GatheredLines): void {
  process.on('exit', lines.flush);
}
