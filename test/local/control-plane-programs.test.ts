import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cloneBuildScript,
  findControlPlanePrograms,
  kubernetesVersion,
  programCacheDirectory,
  systemProgramSearchPorts,
  type ProgramSearch,
} from '../../src/local/control-plane-programs.ts';

const PAIR = ['etcd', 'kube-apiserver'];
const ALL = [...PAIR, 'kubectl', 'kube-controller-manager', 'kube-scheduler', 'kwok', 'nodestub'];
const STORE = '/home/ann/.local/share/kubebuilder-envtest/k8s';
const CACHE = `/home/ann/.cache/holdgate-testcluster/${kubernetesVersion}`;
const SCRIPT = '/clone/test/cluster/build.sh';

const at = (directory: string, names: readonly string[]): string[] =>
  names.map((name) => join(directory, name));

type World = {
  readonly files?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly platform?: NodeJS.Platform;
  readonly arch?: string;
  readonly docker?: string | null;
  readonly go?: string | null;
  readonly buildScript?: string | null;
  /** Files that the build leaves, and its exit code. */
  readonly build?: { readonly files: readonly string[]; readonly code: number };
};

/** A machine made of a list of executable files; `ran` lists the builds, `said` the progress lines. */
function machine(world: World): { search: ProgramSearch; ran: string[][]; said: string[] } {
  const files = new Set(world.files);
  const ran: string[][] = [];
  const said: string[] = [];
  const search: ProgramSearch = {
    env: world.env ?? {},
    platform: world.platform ?? 'linux',
    arch: world.arch ?? 'x64',
    homeDirectory: '/home/ann',
    buildScript: world.buildScript === undefined ? null : world.buildScript,
    progress: (line) => said.push(line),
    ports: {
      isProgram: (file) => files.has(file),
      namesIn: (directory) => [
        ...new Set(
          [...files]
            .filter((file) => file.startsWith(`${directory}/`))
            .map((file) => file.slice(directory.length + 1).split('/')[0]!),
        ),
      ],
      output: (program) =>
        Promise.resolve(
          program === 'docker'
            ? (world.docker ?? null)
            : program === 'go'
              ? (world.go ?? null)
              : null,
        ),
      run: (program, args, onLine) => {
        ran.push([program, ...args]);
        onLine('building etcd');
        for (const file of world.build?.files ?? []) files.add(file);
        return Promise.resolve(world.build?.code ?? 0);
      },
    },
  };
  return { search, ran, said };
}

const everything: World = {
  files: [
    ...at('/assets', PAIR),
    ...at(`${STORE}/1.35.0-linux-amd64`, PAIR),
    ...at(CACHE, ALL),
    SCRIPT,
  ],
  env: { KUBEBUILDER_ASSETS: '/assets' },
  docker: '28.0.0\n',
  go: 'go version go1.26.0 linux/amd64\n',
  buildScript: SCRIPT,
  build: { files: at(CACHE, ALL), code: 0 },
};

async function found(world: World): Promise<string> {
  const result = await findControlPlanePrograms(machine(world).search);
  if (!result.ok) return `error: ${result.error.split('\n')[0]}`;
  return result.value.kind === 'k3s' ? 'k3s' : result.value.found;
}

describe('the first way that applies is taken, each when those before it do not apply', () => {
  const without = (world: World, drop: (file: string) => boolean): World => ({
    ...world,
    files: world.files!.filter((file) => !drop(file)),
  });
  const noAssets: World = { ...everything, env: {} };
  const noStore = without(noAssets, (file) => file.startsWith(STORE));
  const noCache = without(noStore, (file) => file.startsWith(CACHE));
  const noDocker: World = { ...noCache, docker: null };
  const noGo: World = { ...noDocker, go: null };

  test.each([
    { way: 'KUBEBUILDER_ASSETS', world: everything, expected: 'KUBEBUILDER_ASSETS, /assets' },
    {
      way: "setup-envtest's store",
      world: noAssets,
      expected: `setup-envtest's store, ${STORE}/1.35.0-linux-amd64`,
    },
    { way: 'our cache', world: noStore, expected: `the cache, ${CACHE}` },
    { way: 'a k3s container', world: noCache, expected: 'k3s' },
    { way: 'a build with Go', world: noDocker, expected: `built with Go into ${CACHE}` },
    {
      way: 'none',
      world: noGo,
      expected: 'error: No local Kubernetes control plane was found on this machine.',
    },
    {
      way: 'none, as an installed package has no build script',
      world: { ...noDocker, buildScript: null },
      expected: 'error: No local Kubernetes control plane was found on this machine.',
    },
    {
      way: 'none, as Go is too old to fetch the toolchain that is needed',
      world: { ...noDocker, go: 'go version go1.20.4 linux/amd64' },
      expected: 'error: No local Kubernetes control plane was found on this machine.',
    },
    {
      way: 'none, as a Docker client without an engine is no control plane',
      world: { ...noGo, docker: '\n' },
      expected: 'error: No local Kubernetes control plane was found on this machine.',
    },
  ])('$way', async ({ world, expected }) => {
    expect(await found(world)).toBe(expected);
  });

  test('an empty KUBEBUILDER_ASSETS counts as unset', async () => {
    expect(await found({ ...noStore, env: { KUBEBUILDER_ASSETS: '' } })).toBe(
      `the cache, ${CACHE}`,
    );
  });
});

test('the message where nothing applies names every way', async () => {
  const result = await findControlPlanePrograms(machine({}).search);
  const text = result.ok ? '' : result.error;
  for (const way of [
    'KUBEBUILDER_ASSETS',
    'setup-envtest',
    CACHE,
    'Docker',
    'Go 1.25',
    '--context',
  ]) {
    expect(text).toContain(way);
  }
});

test('a KUBEBUILDER_ASSETS that does not hold the programs is an error, not passed over', async () => {
  const world = { ...everything, files: everything.files!.filter((f) => f !== '/assets/etcd') };
  expect(await found(world)).toContain('error: KUBEBUILDER_ASSETS names /assets');
});

describe("setup-envtest's store", () => {
  test.each([
    { os: 'linux', platform: 'linux', directory: STORE, env: {} },
    {
      os: 'linux with XDG_DATA_HOME',
      platform: 'linux',
      directory: '/data/kubebuilder-envtest/k8s',
      env: { XDG_DATA_HOME: '/data' },
    },
    {
      os: 'macOS',
      platform: 'darwin',
      directory: '/home/ann/Library/Application Support/io.kubebuilder.envtest/k8s',
      env: {},
    },
  ] as const)('is found where $os has it', async ({ platform, directory, env }) => {
    const home = `${directory}/1.35.0-${platform}-arm64`;
    const world = { files: at(home, PAIR), platform, arch: 'arm64', env };
    expect(await found(world)).toBe(`setup-envtest's store, ${home}`);
  });

  test('the newest version wins, as numbers and not as text, and only of this system', async () => {
    const files = [
      '1.9.9-linux-amd64',
      '1.35.0-linux-amd64',
      '1.36.0-darwin-arm64',
      '1.4.0-linux-amd64',
    ].flatMap((name) => at(`${STORE}/${name}`, PAIR));
    expect(await found({ files })).toContain('/1.35.0-linux-amd64');
  });

  test('a version whose download is incomplete is passed over for the next', async () => {
    const files = [
      ...at(`${STORE}/1.36.0-linux-amd64`, ['etcd']),
      ...at(`${STORE}/1.35.0-linux-amd64`, PAIR),
    ];
    expect(await found({ files })).toContain('/1.35.0-linux-amd64');
  });

  test('whatever versions are there, the one found is none older than another', async () => {
    const version = fc.tuple(fc.nat(40), fc.nat(40), fc.nat(40));
    await fc.assert(
      fc.asyncProperty(fc.array(version, { minLength: 1, maxLength: 6 }), async (versions) => {
        const files = versions.flatMap((v) => at(`${STORE}/${v.join('.')}-linux-amd64`, PAIR));
        const rank = (v: readonly number[]): number => v[0]! * 1e6 + v[1]! * 1e3 + v[2]!;
        const best = Math.max(...versions.map(rank));
        const name = /k8s\/([\d.]+)-/.exec(await found({ files }))![1]!;
        expect(rank(name.split('.').map(Number))).toBe(best);
      }),
      { numRuns: 50 },
    );
  });
});

describe('our own cache', () => {
  test('an interrupted build is not taken for a complete one: it is resumed', async () => {
    const { search, ran, said } = machine({
      files: [...at(CACHE, PAIR), SCRIPT],
      go: 'go version go1.26.0 linux/amd64',
      buildScript: SCRIPT,
      build: { files: at(CACHE, ALL), code: 0 },
    });
    const result = await findControlPlanePrograms(search);
    expect(result).toMatchObject({ ok: true, value: { programs: { kwok: `${CACHE}/kwok` } } });
    expect(ran).toEqual([['bash', SCRIPT, CACHE]]);
    expect(said.at(-1)).toBe('building etcd');
  });

  test('a build that fails is said so, with its exit code', async () => {
    const result = await findControlPlanePrograms(
      machine({
        ...everything,
        files: [SCRIPT],
        env: {},
        docker: null,
        build: { files: [], code: 2 },
      }).search,
    );
    expect(result.ok ? '' : result.error).toContain('failed (exit code 2)');
  });

  test('XDG_CACHE_HOME moves it', () => {
    expect(programCacheDirectory({ XDG_CACHE_HOME: '/c' }, '/home/ann')).toBe(
      `/c/holdgate-testcluster/${kubernetesVersion}`,
    );
    expect(programCacheDirectory({ XDG_CACHE_HOME: '' }, '/home/ann')).toBe(CACHE);
  });
});

describe('the clone', () => {
  test('holds the build script where the search looks for it', () => {
    expect(systemProgramSearchPorts.isProgram(cloneBuildScript())).toBe(true);
  });

  test('builds the version that the cache is named after', () => {
    const goMod = readFileSync(new URL('../cluster/go.mod', import.meta.url), 'utf8');
    expect(/^\s*k8s\.io\/kubernetes (\S+)/m.exec(goMod)?.[1]).toBe(kubernetesVersion);
  });
});

describe("the machine's own ports", () => {
  test('a directory, a missing file and a file that cannot be executed are no programs', () => {
    const { isProgram } = systemProgramSearchPorts;
    expect(isProgram('/')).toBe(false);
    expect(isProgram('/nonexistent/etcd')).toBe(false);
    expect(isProgram(new URL('../cluster/go.mod', import.meta.url).pathname)).toBe(false);
    expect(isProgram(process.execPath)).toBe(true);
  });

  test('a command that is missing, fails or takes too long gives no output', async () => {
    const { output } = systemProgramSearchPorts;
    const node = process.execPath;
    expect(await output('/nonexistent/docker', [], 1000)).toBeNull();
    expect(await output(node, ['-e', 'process.exit(3)'], 10_000)).toBeNull();
    expect(await output(node, ['-e', 'setInterval(() => {}, 1000)'], 200)).toBeNull();
    expect(await output(node, ['-e', 'console.log("28")'], 10_000)).toBe('28\n');
  });

  test('a long command hands over each line of both streams, and its exit code', async () => {
    const lines: string[] = [];
    const script = 'console.log("one"); console.error("two"); process.exitCode = 4';
    const code = await systemProgramSearchPorts.run(process.execPath, ['-e', script], (line) =>
      lines.push(line),
    );
    expect(code).toBe(4);
    expect(lines.sort()).toEqual(['one', 'two']);
  });
});
