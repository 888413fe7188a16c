import { errorText } from '../base/log.ts';
import type { ParseCache } from './compile.ts';
import type { ElementPorts } from './element-strings.ts';
import { loadPolicy } from './load-policy.ts';
import type { Opa } from './opa.ts';
import type { Found, PolicyOrigin } from './policy-in-force.ts';
import { listPolicyFiles, readSources } from './policy-sources.ts';
import type { Policy } from './start-policy.ts';
import { watchPath } from './watch-path.ts';

/** Policies out of a folder of sources, checked and compiled here. */
export function policyFolder(
  options: ElementPorts & { readonly directory: string; readonly opa: Opa },
): PolicyOrigin {
  const { directory } = options;
  const cache: ParseCache = new Map();
  let stamp = '';
  return {
    load: async (current: Policy | null): Promise<Found> => {
      stamp = await look(directory);
      const sources = await readSources(directory);
      if (!sources.ok) return { kind: 'refused', problems: sources.error };
      if (current?.identity.sources === sources.value.hash) {
        return { kind: 'loaded', policy: current, sources: sources.value };
      }
      const loaded = await loadPolicy(sources.value, { ...options, cache });
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
