import { spawn } from 'node:child_process';
import { accessSync, constants, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { err, ok, type Result } from '../base/result.ts';

/** The Kubernetes version that `test/cluster/build.sh` builds: the one in its go.mod (a test compares them). */
export const kubernetesVersion = 'v1.35.4';

/** The k3s image of the same minor version. Unverified: no Docker engine answered where this was written. */
export const k3sImage = 'rancher/k3s:v1.35.4-k3s1';

/** Files of a control plane's programs. Only etcd and kube-apiserver are needed; what else is there is run too. */
export type ControlPlanePrograms = {
  readonly etcd: string;
  readonly apiServer: string;
  readonly kubectl: string | null;
  readonly controllerManager: string | null;
  readonly scheduler: string | null;
  /** Keeps a node and its pods alive in the API without running them. */
  readonly kwok: string | null;
  /** The node's streaming half: exec, attach, port-forward and logs as local processes. */
  readonly nodestub: string | null;
};

/** Where a control plane comes from, and how that was found, in words for a person. */
export type ControlPlaneSource =
  | {
      readonly kind: 'programs';
      readonly found: string;
      readonly programs: ControlPlanePrograms;
    }
  | {
      readonly kind: 'k3s';
      readonly found: string;
      readonly docker: string;
      readonly image: string;
    };

/** What the search may look at: a fake in tests. */
export type ProgramSearchPorts = {
  /** True for an executable regular file. */
  readonly isProgram: (file: string) => boolean;
  /** Names in a directory; empty where there is none. */
  readonly namesIn: (directory: string) => readonly string[];
  /** Standard output of a command; null where it is missing, fails or says nothing for `timeoutMs`. */
  readonly output: (
    program: string,
    args: readonly string[],
    timeoutMs: number,
  ) => Promise<string | null>;
  /** Runs a long command, handing each line that it prints to `onLine`; the exit code. */
  readonly run: (
    program: string,
    args: readonly string[],
    onLine: (line: string) => void,
  ) => Promise<number>;
};

/** The environment of the process, as its reader (`config/` or `cli/`) hands it in. */
export type Environment = Readonly<Record<string, string | undefined>>;

export type ProgramSearch = {
  readonly env: Environment;
  readonly platform: NodeJS.Platform;
  readonly arch: string;
  readonly homeDirectory: string;
  /** `test/cluster/build.sh` of a clone; null, or a file that is not there, where Holdgate is not run from a clone. */
  readonly buildScript: string | null;
  /** Told to the person who waits: one line each. */
  readonly progress: (line: string) => void;
  readonly ports: ProgramSearchPorts;
};

const OUTPUT_TIMEOUT_MS = 5000;
const goMinorMin = 21; // from 1.21 on, Go fetches the toolchain that go.mod asks for by itself

/** Where `build.sh` puts the programs: `$XDG_CACHE_HOME` or `~/.cache`, then the version. */
export function programCacheDirectory(env: Environment, homeDirectory: string): string {
  const cache =
    env['XDG_CACHE_HOME'] === undefined || env['XDG_CACHE_HOME'] === ''
      ? join(homeDirectory, '.cache')
      : env['XDG_CACHE_HOME'];
  return join(cache, 'holdgate-testcluster', kubernetesVersion);
}

/** The build script of the clone that this file is part of (`src/local` and `dist/local` are equally deep). */
export function cloneBuildScript(): string {
  return fileURLToPath(new URL('../../test/cluster/build.sh', import.meta.url));
}

/** The programs in one directory; null where etcd or kube-apiserver is missing. */
export function programsIn(
  directory: string,
  isProgram: ProgramSearchPorts['isProgram'],
): ControlPlanePrograms | null {
  const find = (name: string): string | null => {
    const file = join(directory, name);
    return isProgram(file) ? file : null;
  };
  const etcd = find('etcd');
  const apiServer = find('kube-apiserver');
  if (etcd === null || apiServer === null) return null;
  return {
    etcd,
    apiServer,
    kubectl: find('kubectl'),
    controllerManager: find('kube-controller-manager'),
    scheduler: find('kube-scheduler'),
    kwok: find('kwok'),
    nodestub: find('nodestub'),
  };
}

/** True where nothing is missing: what `build.sh` leaves when it was not interrupted. */
export function isComplete(programs: ControlPlanePrograms): boolean {
  return Object.values(programs).every((file) => file !== null);
}

/**
 * setup-envtest's store (controller-runtime, `tools/setup-envtest/store`): `k8s/<version>-<os>-<arch>` under a
 * directory that depends on the system.
 */
function envtestDirectory(search: ProgramSearch): string {
  const { env, homeDirectory, platform } = search;
  if (platform === 'darwin') {
    return join(homeDirectory, 'Library/Application Support/io.kubebuilder.envtest', 'k8s');
  }
  if (platform === 'win32') {
    return join(
      env['LocalAppData'] ?? join(homeDirectory, 'AppData/Local'),
      'kubebuilder-envtest',
      'k8s',
    );
  }
  const data =
    env['XDG_DATA_HOME'] === undefined || env['XDG_DATA_HOME'] === ''
      ? join(homeDirectory, '.local/share')
      : env['XDG_DATA_HOME'];
  return join(data, 'kubebuilder-envtest', 'k8s');
}

const GO_ARCH: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };
const GO_OS: Readonly<Record<string, string>> = { win32: 'windows' };

function fromEnvtest(search: ProgramSearch): ControlPlaneSource | null {
  const directory = envtestDirectory(search);
  const suffix = `-${GO_OS[search.platform] ?? search.platform}-${GO_ARCH[search.arch] ?? search.arch}`;
  const versions = search.ports
    .namesIn(directory)
    .filter((name) => name.endsWith(suffix) && /^\d+\.\d+\.\d+-/.test(name))
    .map((name) => ({ name, version: name.split('-')[0]!.split('.').map(Number) }))
    .sort((a, b) => compareVersions(b.version, a.version));
  for (const { name } of versions) {
    const programs = programsIn(join(directory, name), search.ports.isProgram);
    if (programs !== null) {
      return {
        kind: 'programs',
        found: `setup-envtest's store, ${join(directory, name)}`,
        programs,
      };
    }
  }
  return null;
}

function compareVersions(a: readonly number[], b: readonly number[]): number {
  for (const index of [0, 1, 2]) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

async function fromDocker(search: ProgramSearch): Promise<ControlPlaneSource | null> {
  // `docker version` reports the engine only when one answers; the client alone is no control plane.
  const args = ['version', '--format', '{{.Server.Version}}'];
  const engine = await search.ports.output('docker', args, OUTPUT_TIMEOUT_MS);
  if (engine === null || engine.trim() === '') return null;
  const found = `a k3s container (${k3sImage}) on Docker ${engine.trim()}`;
  return { kind: 'k3s', found, docker: 'docker', image: k3sImage };
}

async function goCanBuild(search: ProgramSearch): Promise<boolean> {
  const version = await search.ports.output('go', ['version'], OUTPUT_TIMEOUT_MS);
  const match = /\bgo1\.(\d+)/.exec(version ?? '');
  return match !== null && Number(match[1]) >= goMinorMin;
}

async function fromBuild(
  search: ProgramSearch,
  script: string,
  cache: string,
): Promise<Result<ControlPlaneSource, string>> {
  search.progress(
    `Building a local Kubernetes control plane (${kubernetesVersion}) with Go into ${cache}.`,
  );
  search.progress('This takes about 10 minutes on 2 cores, once; an interrupted build is resumed.');
  const code = await search.ports.run('bash', [script, cache], search.progress);
  const programs = programsIn(cache, search.ports.isProgram);
  if (code !== 0 || programs === null) {
    return err(
      `The build of the control plane failed (exit code ${code}): the lines above say why. ` +
        `Run ${script} by hand to see it again, or give the programs another way.\n${ways(cache)}`,
    );
  }
  return ok({ kind: 'programs', found: `built with Go into ${cache}`, programs });
}

function ways(cache: string): string {
  return [
    'Ways to have a local control plane, any one of:',
    '  - KUBEBUILDER_ASSETS=<directory with etcd and kube-apiserver>',
    "  - setup-envtest's store: setup-envtest use",
    `  - our own cache: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl, kwok and nodestub in ${cache}`,
    `  - a Docker engine, for a k3s container (${k3sImage})`,
    '  - Go 1.25 or later, in a clone of the repository: the programs are then built, once',
    'Or use a cluster of your own: npm start -- --context NAME',
  ].join('\n');
}

/**
 * Finds a control plane, first that applies: `KUBEBUILDER_ASSETS`, setup-envtest's store (newest version), our own
 * cache, a k3s container where a Docker engine answers, a build with Go. The error is a message that names these ways.
 */
export async function findControlPlanePrograms(
  search: ProgramSearch,
): Promise<Result<ControlPlaneSource, string>> {
  const cache = programCacheDirectory(search.env, search.homeDirectory);
  const assets = search.env['KUBEBUILDER_ASSETS'];
  if (assets !== undefined && assets !== '') {
    const programs = programsIn(assets, search.ports.isProgram);
    // Said by the user, so never passed over in silence: another cluster than the named one would surprise.
    if (programs === null) {
      return err(
        `KUBEBUILDER_ASSETS names ${assets}, where etcd or kube-apiserver is missing or not executable. ` +
          `Mend it, or unset it.\n${ways(cache)}`,
      );
    }
    return ok({ kind: 'programs', found: `KUBEBUILDER_ASSETS, ${assets}`, programs });
  }
  const envtest = fromEnvtest(search);
  if (envtest !== null) return ok(envtest);
  const cached = programsIn(cache, search.ports.isProgram);
  if (cached !== null && isComplete(cached)) {
    return ok({ kind: 'programs', found: `the cache, ${cache}`, programs: cached });
  }
  const container = await fromDocker(search);
  if (container !== null) return ok(container);
  const script = search.buildScript;
  if (script !== null && search.ports.isProgram(script) && (await goCanBuild(search))) {
    return fromBuild(search, script, cache);
  }
  return err(`No local Kubernetes control plane was found on this machine.\n${ways(cache)}`);
}

/** The machine's own files and commands. */
export const systemProgramSearchPorts: ProgramSearchPorts = {
  isProgram: (file) => {
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  },
  namesIn: (directory) => {
    try {
      return readdirSync(directory);
    } catch {
      return [];
    }
  },
  output: (program, args, timeoutMs) =>
    new Promise((resolve) => {
      const child = spawn(program, args, {
        stdio: ['ignore', 'pipe', 'ignore'],
        timeout: timeoutMs,
      });
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      child.on('error', () => resolve(null));
      child.on('close', (code) => resolve(code === 0 ? text : null));
    }),
  run: (program, args, onLine) =>
    new Promise((resolve, reject) => {
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      createInterface({ input: child.stdout }).on('line', onLine);
      createInterface({ input: child.stderr }).on('line', onLine);
      child.on('error', reject);
      child.on('close', (code) => resolve(code ?? 1));
    }),
};
