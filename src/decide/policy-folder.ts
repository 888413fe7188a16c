import { errorText } from '../base/log.ts';
import { ok } from '../base/result.ts';
import type { ParseCache } from './compile.ts';
import type { ElementPorts } from './element-strings.ts';
import { checkSources, startPassed, type PassedPolicy } from './load-policy.ts';
import type { Opa } from './opa.ts';
import type { Found, PolicyOrigin } from './policy-in-force.ts';
import { listPolicyFiles, readSources } from './policy-sources.ts';
import type { Policy } from './start-policy.ts';
import { watchPath } from './watch-path.ts';

/** How many policies are kept compiled: whoever takes a save back wants the one before, now. */
const passedCountMax = 4;

/** Policies out of a folder of sources, checked and compiled here. */
export function policyFolder(
  options: ElementPorts & { readonly directory: string; readonly opa: Opa },
): PolicyOrigin {
  const { directory } = options;
  const cache: ParseCache = new Map();
  const passed = new Map<string, PassedPolicy>();
  const keep = (hash: string, policy: PassedPolicy): void => {
    passed.delete(hash);
    passed.set(hash, policy);
    for (const oldest of [...passed.keys()].slice(0, -passedCountMax)) passed.delete(oldest);
  };
  let stamp = '';
  return {
    load: async (current: Policy | null): Promise<Found> => {
      stamp = await look(directory);
      const sources = await readSources(directory);
      if (!sources.ok) return { kind: 'refused', problems: sources.error };
      if (current?.identity.sources === sources.value.hash) {
        return { kind: 'loaded', policy: current, sources: sources.value };
      }
      const known = passed.get(sources.value.hash);
      const checked =
        known === undefined ? await checkSources(sources.value, { ...options, cache }) : ok(known);
      if (!checked.ok) return { kind: 'refused', problems: checked.error };
      keep(sources.value.hash, checked.value);
      const loaded = await startPassed(checked.value);
      return loaded.ok
        ? { kind: 'loaded', policy: loaded.value, sources: sources.value }
        : { kind: 'refused', problems: loaded.error };
    },
    forget: () => {
      stamp = '';
    },
    watch: (changed) =>
      watchPath(directory, true, async () => {
        if ((await look(directory)) !== stamp) await changed();
      }),
  };
}

/** What the folder looks like from outside; a folder that cannot be read is different from any that can. */
async function look(directory: string): Promise<string> {
  try {
    const files = await listPolicyFiles(directory);
    return files.map(({ name, stamp }) => `${name} ${stamp}`).join('\n');
  } catch (cause) {
    return `unreadable: ${errorText(cause)}`;
  }
}
