import { createLocalJWKSet, errors, type CryptoKey, type LocalJWKSet } from 'jose';
import type { Clock } from '../base/clock.ts';
import { refusal, type Refusal } from '../base/errors.ts';
import { errorText, type Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import { discover, fetchKeys, type DiscoverPorts, type KeySource } from './discover.ts';
import { RefetchGate } from './refetch-gate.ts';
import { quoted } from './text.ts';

/** Runs `run` once after `delayMs`; the answer cancels it. */
export type Schedule = (delayMs: number, run: () => void) => () => void;

/** What names a key: two fields of the token's header. */
export type KeyHint = { readonly alg: string; readonly kid: string | undefined };

export type KeyStorePorts = DiscoverPorts & {
  readonly clock: Clock;
  readonly log: Log;
  readonly schedule: Schedule;
};

type Loaded = {
  readonly find: LocalJWKSet;
  readonly count: number;
  readonly fingerprint: string;
  /** When a refresh is due, on the monotonic clock: a step of the wall clock must not age keys or keep them young. */
  readonly freshUntilMs: number;
};

/**
 * One issuer's keys, kept current in the background. jose's own remote key set goes dark with its issuer (ten
 * minutes after an outage began, even known keys fail) and lets each unknown `kid` cause a fetch while the issuer is
 * down; so the fetching is ours and only the matching is jose's:
 * - one fetch at a time, whoever asks; after a failure the next waits twice as long (`RefetchGate`);
 * - the last good keys serve for `maxStaleMs` after they should have been refreshed, then everything is refused;
 * - an unknown `kid` causes at most one fetch in ten seconds, and the same `kid` none for a minute.
 */
export class KeyStore {
  readonly #source: KeySource;
  readonly #ports: KeyStorePorts;
  readonly #maxStaleMs: number;
  readonly #gate: RefetchGate;
  #loaded: Loaded | null = null;
  #version = 0;
  #keysUrl: string | null = null;
  #problem = 'the keys have not been fetched yet';
  #inFlight: Promise<void> | null = null;
  #cancelNext: () => void = () => {};
  #closed = false;

  constructor(source: KeySource, maxStaleMs: number, ports: KeyStorePorts) {
    this.#source = source;
    this.#maxStaleMs = maxStaleMs;
    this.#ports = ports;
    this.#gate = new RefetchGate(() => ports.clock.monotonicMs());
  }

  /** Begins to fetch; does not wait, since an issuer that is down must not stop the gateway from starting. */
  start(): void {
    void this.#refresh('with discovery');
  }

  /** Grows when the keys change; 0 while there are none that may be used. */
  version(): number {
    return this.#usable() === null ? 0 : this.#version;
  }

  /** `problem` is empty while all is well; with `ready` it says why the keys are not fresh. */
  status(): { readonly ready: boolean; readonly problem: string } {
    const usable = this.#usable();
    if (usable?.count === 0) {
      return { ready: false, problem: 'the issuer publishes no key that may be used' };
    }
    return { ready: usable !== null, problem: this.#problem };
  }

  /** Stops the background refresh. */
  close(): void {
    this.#closed = true;
    this.#cancelNext();
  }

  /** The one key that the header names, or a refusal. Waits for a fetch only where one is due and allowed. */
  async find(hint: KeyHint): Promise<Result<CryptoKey, Refusal>> {
    if (this.#usable() === null) {
      if (this.#inFlight !== null || this.#gate.mayRetry()) await this.#refresh('with discovery');
      if (this.#usable() === null) return err(this.#unavailable());
    }
    const known = await this.#match(hint);
    if (known !== 'unknown') return known;
    const wanted = JSON.stringify([hint.alg, hint.kid ?? null]);
    const refetched = await this.#refetchFor(wanted);
    if (refetched === 'failed') return err(this.#unavailable());
    const found = refetched === 'done' ? await this.#match(hint) : 'unknown';
    if (found !== 'unknown') return found;
    if (refetched === 'done') this.#gate.remember(wanted);
    return err(this.#unknownKey(hint));
  }

  async #refetchFor(wanted: string): Promise<'done' | 'failed' | 'not-now'> {
    if (this.#gate.remembers(wanted)) return 'not-now';
    if (this.#inFlight === null) {
      if (!this.#gate.mayRetry()) return 'failed';
      if (!this.#gate.mayForce()) return 'not-now';
    }
    await this.#refresh('keys only');
    return this.#gate.failing() || this.#usable() === null ? 'failed' : 'done';
  }

  #usable(): Loaded | null {
    const loaded = this.#loaded;
    if (loaded === null) return null;
    const ageLimitMs = loaded.freshUntilMs + this.#maxStaleMs;
    return this.#ports.clock.monotonicMs() < ageLimitMs ? loaded : null;
  }

  async #match(hint: KeyHint): Promise<Result<CryptoKey, Refusal> | 'unknown'> {
    const loaded = this.#usable();
    if (loaded === null) return err(this.#unavailable());
    try {
      const { alg, kid } = hint;
      return ok(await loaded.find(kid === undefined ? { alg } : { alg, kid }));
    } catch (cause) {
      if (cause instanceof errors.JWKSNoMatchingKey) return 'unknown';
      const message =
        cause instanceof errors.JWKSMultipleMatchingKeys
          ? `the token does not say which of several keys of ${quoted(this.#source.issuerUrl)} signed it: its kid is missing or stands for more than one`
          : `the key of ${quoted(this.#source.issuerUrl)} that the token names cannot be used`;
      return err(
        refusal('HOLDGATE_IDENTIFY_SIGNATURE_INVALID', message, { detail: errorText(cause) }),
      );
    }
  }

  #refresh(kind: 'with discovery' | 'keys only'): Promise<void> {
    this.#inFlight ??= this.#load(kind)
      .catch((cause: unknown) => this.#failed(errorText(cause)))
      .finally(() => {
        this.#inFlight = null;
      });
    return this.#inFlight;
  }

  async #load(kind: 'with discovery' | 'keys only'): Promise<void> {
    if (this.#closed) return;
    this.#cancelNext();
    this.#gate.began();
    if (kind === 'with discovery' || this.#keysUrl === null) {
      const keysUrl = await discover(this.#ports, this.#source);
      if (!keysUrl.ok) return this.#failed(keysUrl.error);
      this.#keysUrl = keysUrl.value;
    }
    const fetched = await fetchKeys(this.#ports, this.#source, this.#keysUrl);
    if (!fetched.ok) return this.#failed(fetched.error);
    const { keys, fingerprint, maxAgeMs, leakedCount } = fetched.value;
    this.#gate.succeeded();
    const freshUntilMs = this.#ports.clock.monotonicMs() + maxAgeMs;
    if (this.#loaded?.fingerprint === fingerprint) {
      this.#loaded = { ...this.#loaded, freshUntilMs };
    } else {
      const count = keys.keys.length;
      this.#loaded = { find: createLocalJWKSet(keys), count, fingerprint, freshUntilMs };
      this.#version += 1;
      this.#gate.forget();
      this.#ports.log.info('issuer keys loaded', { issuer: this.#source.issuerUrl, keys: count });
    }
    this.#problem =
      leakedCount === 0
        ? ''
        : `${leakedCount} of its keys are not used: the issuer publishes their private part`;
    this.#next(maxAgeMs);
  }

  #failed(problem: string): void {
    const retryMs = this.#gate.failed();
    this.#problem = problem;
    this.#ports.log.warn('issuer keys could not be fetched', {
      issuer: this.#source.issuerUrl,
      problem,
      usable: this.#usable() !== null,
      retryMs,
    });
    this.#next(retryMs);
  }

  #next(delayMs: number): void {
    if (this.#closed) return;
    this.#cancelNext = this.#ports.schedule(delayMs, () => {
      void this.#refresh('with discovery');
    });
  }

  #unavailable(): Refusal {
    return refusal(
      'HOLDGATE_IDENTIFY_ISSUER_UNAVAILABLE',
      `the keys of issuer ${quoted(this.#source.issuerUrl)} cannot be fetched at the moment, so the token cannot be checked`,
      { detail: this.#problem },
    );
  }

  #unknownKey({ alg, kid }: KeyHint): Refusal {
    const key =
      kid === undefined ? `${quoted(alg)} key` : `${quoted(alg)} key with kid ${quoted(kid)}`;
    return refusal(
      'HOLDGATE_IDENTIFY_SIGNATURE_INVALID',
      `issuer ${quoted(this.#source.issuerUrl)} publishes no ${key}; where it has just changed its keys, run the same command again in a minute`,
    );
  }
}
