import { hash } from 'node:crypto';
import type { Secret } from '../base/secret.ts';
import type { Identity } from './identity.ts';

/** As long as kube-apiserver caches a token review's success: a key withdrawn by its issuer counts no longer than this. */
const keptMs = 10_000;
/** About 2 KiB each. */
const entriesMax = 10_000;

/** A verified token's identity, with what it hangs on. */
export type CachedIdentity = {
  readonly identity: Identity;
  /** The key set that verified it; its version changes with its keys. */
  readonly keys: { readonly version: () => number };
  readonly keysVersion: number;
};

/**
 * Successes of the last ten seconds, least recently stored dropped first. Keyed by the token's SHA-256, so that no
 * token lies in memory longer than its request. Failures are never kept: an attacker could fill the cache with them,
 * and a token that is refused now may be good when the issuer's keys are here.
 */
export class TokenCache {
  readonly #nowMs: () => number;
  readonly #entries = new Map<string, CachedIdentity & { readonly untilMs: number }>();

  constructor(monotonicMs: () => number) {
    this.#nowMs = monotonicMs;
  }

  /** The identity of a token, where it is kept and its issuer's keys are still the ones that verified it. */
  get(token: Secret): CachedIdentity | null {
    const key = keyOf(token);
    const entry = this.#entries.get(key);
    if (entry === undefined) return null;
    if (this.#nowMs() < entry.untilMs && entry.keys.version() === entry.keysVersion) {
      return entry;
    }
    this.#entries.delete(key);
    return null;
  }

  set(token: Secret, cached: CachedIdentity): void {
    // Version 0 stands for "no keys": a cached identity must never match it.
    if (cached.keysVersion === 0) return;
    const key = keyOf(token);
    this.#entries.delete(key);
    this.#entries.set(key, { ...cached, untilMs: this.#nowMs() + keptMs });
    if (this.#entries.size <= entriesMax) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  get size(): number {
    return this.#entries.size;
  }
}

const keyOf = (token: Secret): string => hash('sha256', token.reveal(), 'base64');
