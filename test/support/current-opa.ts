import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The newest OPA that the policies are held to, beside the pinned one; `.ci/run` installs it (a test compares them). */
export const currentOpaVersion = 'v1.22.0';

/** Where the current OPA is: `HOLDGATE_OPA_CURRENT`, else the cache that `.ci/run` fills. Null where it is not there. */
export function currentOpa(): string | null {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const file =
    process.env['HOLDGATE_OPA_CURRENT'] ??
    join(cache, 'holdgate-tools', `opa-${currentOpaVersion}`, 'opa');
  try {
    accessSync(file, constants.X_OK);
    return file;
  } catch {
    return null;
  }
}
