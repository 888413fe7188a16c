import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hashSources, type PolicyInput, type PolicySources } from '../../src/decide/index.ts';
import { smokeInput } from '../../src/decide/smoke-input.ts';

/** The policies that are shipped. */
export const shippedPolicies = fileURLToPath(new URL('../../policies', import.meta.url));

const gate = readFileSync(join(shippedPolicies, 'gate/decision.rego'), 'utf8');

/** A policies folder in memory: the real gate and the files given. */
export function sourcesOf(files: Readonly<Record<string, string>>): PolicySources {
  const all = new Map(Object.entries({ 'gate/decision.rego': gate, ...files }));
  return { hash: hashSources(all), files: all };
}

/** Writes files below a folder. */
export async function writeFiles(
  directory: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
}

/** The real gate, for folders on disk. */
export const gateFiles: Readonly<Record<string, string>> = { 'gate/decision.rego': gate };

type Request = Partial<PolicyInput['request']>;
type User = Partial<PolicyInput['user']>;

/** An ordinary policy input, with what a test is about. */
export function inputOf(request: Request = {}, user: User = {}): PolicyInput {
  return {
    ...smokeInput,
    user: { ...smokeInput.user, ...user },
    request: { ...smokeInput.request, ...request },
  };
}
