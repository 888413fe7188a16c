import type { Clock } from '../base/clock.ts';
import { errorText, type Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { PolicyIdentity } from './decision.ts';
import type { PolicySources } from './policy-sources.ts';
import { problem, problemText, wholeFile, type PolicyProblem } from './problem.ts';
import type { Policy } from './start-policy.ts';

type Problems = readonly PolicyProblem[];

/** What was found where policies come from. */
export type Found =
  /** A policy, already running: the current one where nothing about it changed. */
  | { readonly kind: 'loaded'; readonly policy: Policy; readonly sources: PolicySources }
  /** What was found before, be it in force or refused. */
  | { readonly kind: 'same' }
  | { readonly kind: 'refused'; readonly problems: Problems }
  /** Nothing could be looked at; what was found before still holds. */
  | { readonly kind: 'unreachable'; readonly problems: Problems };

/** Where policies come from: a folder, a bundle's file, a bundle's URL. */
export type PolicyOrigin = {
  /** Looks, and loads what is new. */
  readonly load: (current: Policy | null) => Promise<Found>;
  /** What was loaded did not come into force: it must be found again. */
  readonly forget: () => void;
  /** Calls `changed` when it may be time to load; the answer ends that. */
  readonly watch: (changed: () => Promise<unknown>) => () => void;
};

export type InForceOptions = {
  readonly log: Log;
  readonly clock: Clock;
  /**
   * Told after a policy came into force: the first time before the first `reload` resolves. What it throws is logged.
   * `loaded` is the policy itself, for what it names.
   */
  readonly onChange: (
    policy: PolicyIdentity,
    previous: PolicyIdentity | null,
    loaded: Policy,
  ) => unknown;
  /** Keeps sources under their hash, before anything is decided by them; a rejection keeps the policy from coming into force. */
  readonly keepSources: (sources: PolicySources, identity: PolicyIdentity) => Promise<void>;
};

/** A replaced policy stays open for calls in flight: longer than any evaluation may take. Milliseconds. */
const retireMs = 60_000;

/** The policy in force. A new one takes its place at once and completely; one that is refused changes nothing. */
export class PolicyInForce {
  current: Policy | null = null;

  readonly #options: InForceOptions;
  readonly #origin: PolicyOrigin;
  readonly #retired = new Map<Policy, NodeJS.Timeout>();
  #refused: Problems = [];
  #unreachable: Problems = [];
  #queue: Promise<unknown> = Promise.resolve();
  #unwatch: (() => void) | null = null;
  #closed = false;

  constructor(options: InForceOptions, origin: PolicyOrigin) {
    this.#options = options;
    this.#origin = origin;
  }

  problems(): Problems {
    return [...this.#unreachable, ...this.#refused];
  }

  /** Loads one after another: a save during a load is loaded after it. */
  reload(): Promise<Result<Policy, Problems>> {
    const next = this.#queue.then(() => this.#load());
    this.#queue = next.catch(() => {});
    return next;
  }

  watch(): void {
    this.#unwatch = this.#origin.watch(async () => {
      if (!this.#closed) await this.reload();
    });
  }

  async #load(): Promise<Result<Policy, Problems>> {
    const startMs = this.#options.clock.monotonicMs();
    const found = await this.#find();
    this.#unreachable = found.kind === 'unreachable' ? found.problems : [];
    if (found.kind === 'refused') this.#refused = found.problems;
    if (found.kind === 'refused' || found.kind === 'unreachable') {
      for (const one of found.problems) {
        this.#options.log.error(`policy ${found.kind}; the running one stays`, {
          problem: problemText(one),
          running: this.current?.identity.sources ?? null,
        });
      }
    }
    if (found.kind === 'loaded') {
      this.#refused = [];
      const durationMs = Math.round(this.#options.clock.monotonicMs() - startMs);
      if (found.policy !== this.current) await this.#swap(found.policy, durationMs);
    }
    const problems = this.problems();
    return this.current === null || problems.length > 0 ? err(problems) : ok(this.current);
  }

  async #find(): Promise<Found> {
    const refuse = (what: string, fix: string): Found => ({
      kind: 'refused',
      problems: [problem('', wholeFile, what, fix)],
    });
    try {
      const found = await this.#origin.load(this.current);
      if (found.kind !== 'loaded' || found.policy === this.current) return found;
      try {
        await this.#options.keepSources(found.sources, found.policy.identity);
      } catch (cause) {
        await found.policy.close();
        this.#origin.forget();
        const what = `the policy sources could not be kept: ${errorText(cause)}`;
        return refuse(what, 'check the database');
      }
      return found;
    } catch (cause) {
      const what = `the policy could not be loaded: ${errorText(cause)}`;
      return refuse(what, 'check the disk and the log');
    }
  }

  async #swap(policy: Policy, durationMs: number): Promise<void> {
    const previous = this.current;
    this.current = policy;
    if (previous !== null) this.#retire(previous);
    this.#options.log.info('policy in force', { ...policy.identity, durationMs });
    try {
      await this.#options.onChange(policy.identity, previous?.identity ?? null, policy);
    } catch (cause) {
      this.#options.log.error('policy change not recorded', { cause: errorText(cause) });
    }
  }

  #retire(policy: Policy): void {
    const timer = setTimeout(() => {
      this.#retired.delete(policy);
      void policy.close();
    }, retireMs);
    timer.unref();
    this.#retired.set(policy, timer);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unwatch?.();
    await this.#queue;
    for (const [policy, timer] of this.#retired) {
      clearTimeout(timer);
      await policy.close();
    }
    await this.current?.close();
  }
}
