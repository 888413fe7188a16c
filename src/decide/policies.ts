import { watch, type FSWatcher } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import { errorText, type Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { ElementPorts } from './element-strings.ts';
import type { ParseCache } from './compile.ts';
import type { PolicyIdentity } from './decision.ts';
import { loadPolicy, type Policy } from './load-policy.ts';
import { findOpa, type Opa, type OpaPlaces } from './opa.ts';
import { listPolicyFiles, readSources, type PolicySources } from './policy-sources.ts';
import { problem, problemText, wholeFile, type PolicyProblem } from './problem.ts';

/** The door of `decide`: the policy in force, and what is wrong with the folder if something is. */
export type Policies = {
  /** Null until a first load succeeded. A policy taken from here stays usable for the call that took it. */
  readonly current: () => Policy | null;
  /** Why what is in the folder now is not in force; empty when it is. */
  readonly problems: () => readonly PolicyProblem[];
  /** Loads what is in the folder now. The running policy stays where that is refused. */
  readonly reload: () => Promise<Result<Policy, readonly PolicyProblem[]>>;
  readonly close: () => Promise<void>;
};

export type PoliciesOptions = ElementPorts & {
  readonly directory: string;
  readonly opa: OpaPlaces;
  readonly log: Log;
  readonly clock: Clock;
  /** False: load once and never look again (for commands). Default true. */
  readonly watch?: boolean;
  /**
   * Told after a policy came into force: the first time before `createPolicies` resolves. What it throws is logged.
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

/** Saves of several files at once are loaded together. Milliseconds. */
const settleMs = 100;

/** Watching misses some file systems (network, bind mounts), so the folder is looked at as well. Milliseconds. */
const pollMs = 1000;

/** A replaced policy stays open for calls in flight: longer than any evaluation may take. Milliseconds. */
const retireMs = 60_000;

/**
 * Loads the policies folder, and again whenever it changes. Resolves after the first attempt to load: with a folder
 * that is refused, `current()` is null and `problems()` says why. An error only where opa itself is missing.
 */
export async function createPolicies(
  options: PoliciesOptions,
): Promise<Result<Policies, readonly PolicyProblem[]>> {
  const opa = await findOpa(options.opa);
  if (!opa.ok) return err([problem('', wholeFile, opa.error, '')]);
  const folder = new PolicyFolder(options, opa.value);
  await folder.reload();
  if (options.watch !== false) folder.watch();
  return ok({
    current: () => folder.current,
    problems: () => folder.problems,
    reload: () => folder.reload(),
    close: () => folder.close(),
  });
}

class PolicyFolder {
  current: Policy | null = null;
  problems: readonly PolicyProblem[] = [];

  readonly #options: PoliciesOptions;
  readonly #opa: Opa;
  readonly #cache: ParseCache = new Map();
  readonly #retired = new Map<Policy, NodeJS.Timeout>();
  #watcher: FSWatcher | null = null;
  #poll: NodeJS.Timeout | null = null;
  #settle: NodeJS.Timeout | null = null;
  #queue: Promise<unknown> = Promise.resolve();
  #stamp = '';
  #closed = false;

  constructor(options: PoliciesOptions, opa: Opa) {
    this.#options = options;
    this.#opa = opa;
  }

  /** Loads one after another: a save during a load is loaded after it. */
  reload(): Promise<Result<Policy, readonly PolicyProblem[]>> {
    const next = this.#queue.then(() => this.#load());
    this.#queue = next.catch(() => {});
    return next;
  }

  async #load(): Promise<Result<Policy, readonly PolicyProblem[]>> {
    const startMs = this.#options.clock.monotonicMs();
    this.#stamp = await this.#look();
    const loaded = await this.#tryLoad();
    if (!loaded.ok) {
      this.problems = loaded.error;
      for (const one of loaded.error) {
        this.#options.log.error('policy refused; the running one stays', {
          problem: problemText(one),
          running: this.current?.identity.sources ?? null,
        });
      }
      return loaded;
    }
    this.problems = [];
    const durationMs = Math.round(this.#options.clock.monotonicMs() - startMs);
    if (loaded.value !== this.current) await this.#swap(loaded.value, durationMs);
    return loaded;
  }

  async #tryLoad(): Promise<Result<Policy, readonly PolicyProblem[]>> {
    try {
      const sources = await readSources(this.#options.directory);
      if (!sources.ok) return sources;
      if (this.current?.identity.sources === sources.value.hash) return ok(this.current);
      const loaded = await loadPolicy(sources.value, {
        ...this.#options,
        opa: this.#opa,
        cache: this.#cache,
      });
      if (!loaded.ok) return loaded;
      try {
        await this.#options.keepSources(sources.value, loaded.value.identity);
      } catch (cause) {
        await loaded.value.close();
        // Looked at again on the next poll, until the store is back.
        this.#stamp = '';
        const what = `the policy sources could not be kept: ${errorText(cause)}`;
        return err([problem('', wholeFile, what, 'check the database')]);
      }
      return loaded;
    } catch (cause) {
      const what = `the policy could not be loaded: ${errorText(cause)}`;
      return err([problem('', wholeFile, what, 'check the disk and the log')]);
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

  watch(): void {
    try {
      this.#watcher = watch(this.#options.directory, { recursive: true, persistent: false });
      this.#watcher.on('change', () => this.#changed());
      this.#watcher.on('error', () => this.#unwatch());
    } catch {
      // Not supported here: the poll sees the change.
    }
    this.#poll = setInterval(() => void this.#pollOnce(), pollMs);
    this.#poll.unref();
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  #changed(): void {
    if (this.#closed) return;
    if (this.#settle !== null) clearTimeout(this.#settle);
    this.#settle = setTimeout(() => void this.#pollOnce(), settleMs);
    this.#settle.unref();
  }

  async #pollOnce(): Promise<void> {
    if (this.#closed || (await this.#look()) === this.#stamp || this.#closed) return;
    await this.reload();
  }

  /** What the folder looks like from outside; a folder that cannot be read is different from any that can. */
  async #look(): Promise<string> {
    try {
      const files = await listPolicyFiles(this.#options.directory);
      return files.map(({ name, stamp }) => `${name} ${stamp}`).join('\n');
    } catch (cause) {
      return `unreadable: ${errorText(cause)}`;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unwatch();
    if (this.#poll !== null) clearInterval(this.#poll);
    if (this.#settle !== null) clearTimeout(this.#settle);
    await this.#queue;
    for (const [policy, timer] of this.#retired) {
      clearTimeout(timer);
      await policy.close();
    }
    await this.current?.close();
  }
}
