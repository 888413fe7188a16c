import { createHash } from 'node:crypto';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { err, ok, type Result } from '../base/result.ts';
import { isPolicyFile } from './check-layout.ts';
import { problem, wholeFile, type PolicyProblem } from './problem.ts';

/** The sources of a policy as read at one moment; everything after works on these, never on the folder again. */
export type PolicySources = {
  /** `sha256:<hex>` over names and contents. */
  readonly hash: string;
  /** Path inside the folder, with forward slashes, in order -> text. */
  readonly files: ReadonlyMap<string, string>;
};

/** A policies folder that is larger is not one. */
const filesCountMax = 5000;
const fileBytesMax = 4 * 1024 * 1024;

/** Hashes sources: each name and text with its length before it, so that no two folders read the same. */
export function hashSources(files: ReadonlyMap<string, string>): string {
  const hash = createHash('sha256');
  for (const [name, text] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const part of [name, text]) {
      const bytes = Buffer.from(part);
      hash.update(`${bytes.length}:`);
      hash.update(bytes);
    }
  }
  return `sha256:${hash.digest('hex')}`;
}

/** The policy files of a folder, with size and time of change. Symbolic links are not followed: they could leave it. */
export async function listPolicyFiles(
  directory: string,
): Promise<readonly { readonly name: string; readonly stamp: string; readonly bytes: number }[]> {
  const files: { name: string; stamp: string; bytes: number }[] = [];
  const walk = async (prefix: string): Promise<void> => {
    const entries = await readdir(join(directory, prefix), { withFileTypes: true });
    for (const entry of entries) {
      const name = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
      if (entry.isDirectory() && !entry.name.startsWith('.')) await walk(name);
      else if (entry.isFile() && isPolicyFile(name)) {
        const stat = await lstat(join(directory, name), { bigint: true });
        files.push({ name, stamp: `${stat.mtimeNs}-${stat.size}`, bytes: Number(stat.size) });
      }
    }
  };
  await walk('');
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Reads a policies folder. */
export async function readSources(
  directory: string,
): Promise<Result<PolicySources, readonly PolicyProblem[]>> {
  const refuse = (file: string, what: string, fix: string): Result<never, PolicyProblem[]> =>
    err([problem(file, wholeFile, what, fix)]);
  try {
    const listed = await listPolicyFiles(directory);
    if (!listed.some((one) => one.name === 'gate/decision.rego')) {
      const what = `${directory} has no gate/decision.rego`;
      return refuse('', what, 'name a policies folder, or copy gate/ from the one of Holdgate');
    }
    if (listed.length > filesCountMax) {
      return refuse('', `${directory} has over ${filesCountMax} policy files`, 'remove some');
    }
    const files = new Map<string, string>();
    for (const { name, bytes } of listed) {
      if (bytes > fileBytesMax) {
        return refuse(name, `the file is over ${fileBytesMax} bytes`, 'split it');
      }
      files.set(name, await readFile(join(directory, name), 'utf8'));
    }
    return ok({ hash: hashSources(files), files });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return refuse('', `the policies folder cannot be read: ${why}`, 'check its path and rights');
  }
}
