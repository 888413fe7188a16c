import { z } from 'zod';
import { err, ok, type Result } from '../../base/result.ts';
import { entrypoints } from '../compile.ts';

/** What is read of a bundle's `.manifest` (https://www.openpolicyagent.org/docs/management-bundles#bundle-file-format). */
export type Manifest = {
  /** What the builder calls this state: a commit, a tag; empty where it named none. */
  readonly revision: string;
  /** Which parts of `data` the bundle owns; `['']` is all of it. */
  readonly roots: readonly string[];
};

/** A revision is in every decision: a commit or a tag, no document. */
const revisionCharsMax = 256;

const manifestForm = z.object({
  revision: z
    .string()
    .max(revisionCharsMax)
    .regex(/^[^\p{Cc}]*$/u, 'has control characters')
    .default(''),
  roots: z.array(z.string().max(256)).max(1000).nullish(),
  wasm: z
    .array(z.object({ entrypoint: z.string(), module: z.string() }))
    .max(100)
    .default([]),
});

/** Reads a manifest; `json` is its text. Its list of entrypoints must be the gateway's, all in `/policy.wasm`. */
export function readManifest(json: string): Result<Manifest, string> {
  const read = manifestForm.safeParse(JSON.parse(json));
  if (!read.success) {
    const [issue] = read.error.issues;
    return err(`${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'malformed'}`);
  }
  const { revision, roots, wasm } = read.data;
  const named = wasm.map(({ entrypoint }) => entrypoint).sort();
  const wanted = [...entrypoints].sort();
  if (named.join(' ') !== wanted.join(' ')) {
    return err(`its entrypoints are ${named.join(', ') || 'none'}, not ${wanted.join(', ')}`);
  }
  const elsewhere = wasm.find((one) => one.module.replace(/^\//, '') !== 'policy.wasm');
  if (elsewhere !== undefined) return err(`its module ${elsewhere.module} is not /policy.wasm`);
  return ok({ revision, roots: roots ?? [''] });
}

/**
 * The first path of `data` that no root of the manifest covers, or null: OPA refuses such a bundle, and so do we, because
 * what is reviewed as the bundle's part would not be all of it.
 */
export function outsideRoots(data: unknown, roots: readonly string[]): string | null {
  const parts = roots.map((root) => root.split('/').filter((part) => part !== ''));
  const look = (value: unknown, path: readonly string[]): string | null => {
    const near = parts.filter((root) =>
      path.every((part, i) => root[i] === undefined || root[i] === part),
    );
    if (near.some((root) => root.length <= path.length)) return null;
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (near.length === 0 || !isObject) return path.join('/');
    for (const [key, below] of Object.entries(value)) {
      const found = look(below, [...path, key]);
      if (found !== null) return found;
    }
    return null;
  };
  return look(data, []);
}
