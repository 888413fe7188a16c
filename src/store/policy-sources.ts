import { eq } from 'drizzle-orm';
import { policySources } from './schema.ts';
import type { Store } from './store.ts';

/** The sources of a policy that decided. */
export type PolicySources = {
  /** `sha256:<hex>` of the sources, as decisions name it. */
  readonly hash: string;
  /** `sha256:<hex>` of the compiled program. */
  readonly wasm: string;
  /** `opa/0.70.0`. */
  readonly compiler: string;
  /** Path to text. */
  readonly files: Readonly<Record<string, string>>;
};

export type PolicySourceStore = {
  /** Keeps sources, once per hash: the same hash again changes nothing. */
  readonly keep: (sources: PolicySources) => Promise<void>;
  /** The sources of a hash, or null. */
  readonly byHash: (hash: string) => Promise<PolicySources | null>;
};

/** The sources of every policy that ever decided, so that a decision can be explained after its files were changed. */
export function createPolicySourceStore(store: Pick<Store, 'run'>): PolicySourceStore {
  return {
    keep: (sources) =>
      store.run(async (db) => {
        const { hash, wasm, compiler, files } = sources;
        await db
          .insert(policySources)
          .values({ hash, wasm, compiler, files })
          .onConflictDoNothing({ target: policySources.hash });
      }),
    byHash: (hash) =>
      store.run(async (db) => {
        const [row] = await db
          .select({
            hash: policySources.hash,
            wasm: policySources.wasm,
            compiler: policySources.compiler,
            files: policySources.files,
          })
          .from(policySources)
          .where(eq(policySources.hash, hash));
        return row ?? null;
      }),
  };
}
