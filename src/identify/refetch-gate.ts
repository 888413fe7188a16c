/** Between two fetches that an unknown key causes: an attacker who invents `kid`s costs the issuer six a minute. */
const forcedSpacingMs = 10_000;
/** How long a `kid` that the issuer does not have causes no fetch. */
const unknownKeyMs = 60_000;
/** Unknown keys remembered: enough for honest mistakes, too few to fill the memory by inventing them. */
const unknownKeysMax = 1_000;
const backoffFirstMs = 1_000;
/** A minute at most, so that the gateway is back soon after its issuer. */
const backoffMaxMs = 60_000;

/** Says when an issuer's keys may be fetched again. Pure bookkeeping on a monotonic clock. */
export class RefetchGate {
  readonly #nowMs: () => number;
  readonly #unknownUntilMs = new Map<string, number>();
  #lastBeganMs = Number.NEGATIVE_INFINITY;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #failures = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** False while a failure is recent: nobody may cause a fetch then but the timer. */
  mayRetry(): boolean {
    return this.#nowMs() >= this.#retryAtMs;
  }

  /** True where the last fetch began long enough ago for an unknown key to cause another. */
  mayForce(): boolean {
    return this.#nowMs() - this.#lastBeganMs >= forcedSpacingMs;
  }

  /** True from a failure until the next success. */
  failing(): boolean {
    return this.#failures > 0;
  }

  began(): void {
    this.#lastBeganMs = this.#nowMs();
  }

  succeeded(): void {
    this.#failures = 0;
    this.#retryAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Notes a failure; the answer is how long to wait, twice as long each time. Milliseconds. */
  failed(): number {
    const waitMs = Math.min(backoffFirstMs * 2 ** Math.min(this.#failures, 16), backoffMaxMs);
    this.#failures += 1;
    this.#retryAtMs = this.#nowMs() + waitMs;
    return waitMs;
  }

  /** Remembers a key that the issuer does not have; the oldest is forgotten where there are too many. */
  remember(key: string): void {
    this.#unknownUntilMs.delete(key);
    this.#unknownUntilMs.set(key, this.#nowMs() + unknownKeyMs);
    if (this.#unknownUntilMs.size <= unknownKeysMax) return;
    const [oldest] = this.#unknownUntilMs.keys();
    if (oldest !== undefined) this.#unknownUntilMs.delete(oldest);
  }

  remembers(key: string): boolean {
    return (this.#unknownUntilMs.get(key) ?? 0) > this.#nowMs();
  }

  /** Forgets every unknown key: the key set has changed. */
  forget(): void {
    this.#unknownUntilMs.clear();
  }
}
