import { execFileSync } from 'node:child_process';
import { accessSync, constants, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../prove/support/processes.ts';
import { subjectFile } from './build.ts';
import { startChild, type Child, type ChildOptions } from './child.ts';
import { versionLine } from './machine.ts';
import { nginxConfiguration } from './nginx.ts';
import { peersProgram, type Protocol, type Target, type WireRequest } from './peers.ts';
import type { World } from './world.ts';
import { gatewayConfig } from './gateway-config.ts';

/** Something that requests go through: a peer, or the gateway. `direct` is the upstream itself. */
export type Subject = {
  readonly name: string;
  readonly url: string;
  readonly pids: readonly number[];
  readonly token: string;
  /** Asks a Node subject for the delay of its event loop since the last time; null for all others. */
  readonly eventLoop: () => Promise<EventLoop | null>;
  readonly stop: () => Promise<void>;
};

export type EventLoop = { readonly p99Ms: number; readonly maxMs: number };

/** What is not here to be measured, and why. */
export type Absent = { readonly name: string; readonly why: string };

/** A target of the load: a subject, a protocol and a request; its token is the subject's. */
export function targetOf(
  world: World,
  subject: Subject,
  protocol: Protocol,
  request: Omit<WireRequest, 'token'> & { readonly token?: string },
): Target {
  const { name, url, pids, token } = subject;
  return { name, url, ca: world.tls.ca, protocol, pids, request: { token, ...request } };
}

export const directSubject = (world: World): Subject => ({
  name: 'direct',
  url: world.upstreamUrl,
  pids: [],
  token: 'bench',
  eventLoop: () => Promise.resolve(null),
  stop: () => Promise.resolve(),
});

type Start = Omit<ChildOptions, 'core' | 'logFile'> & { readonly port: number };

async function startSubject(world: World, start: Start, token = 'bench'): Promise<Subject> {
  const { name, port } = start;
  const logFile = join(world.directory, `${name}-${port}.log`);
  const child = await startChild({ ...start, core: 'subject', logFile });
  const isNode = start.command[0] === process.execPath;
  return {
    name,
    url: `https://127.0.0.1:${port}`,
    pids: [child.pid, ...childrenOf(child.pid)],
    token,
    eventLoop: () => (isNode ? askEventLoop(child) : Promise.resolve(null)),
    stop: child.stop,
  };
}

function childrenOf(pid: number): readonly number[] {
  try {
    const listed = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)]).toString();
    return listed.split(/\s+/).filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

const eventLoopLine = /^event-loop (\{.*\})$/gm;

async function askEventLoop(child: Child): Promise<EventLoop | null> {
  const before = [...child.output().matchAll(eventLoopLine)].length;
  child.signal('SIGUSR2');
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const lines = [...child.output().matchAll(eventLoopLine)];
    if (lines.length > before) return JSON.parse(lines.at(-1)?.[1] ?? 'null') as EventLoop;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return null;
}

/** Node as it runs by default, but for the look at its event loop. */
const nodeCommand = (file: string, ...args: readonly string[]): readonly string[] => [
  process.execPath,
  '--import',
  subjectFile('event-loop'),
  file,
  ...args,
];

/** What the image starts Node with. */
const imageFlags = (): readonly string[] => {
  const dockerfile = readFileSync(join(import.meta.dirname, '../../deploy/Dockerfile'), 'utf8');
  const entrypoint = /^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]';
  const words = JSON.parse(entrypoint) as readonly string[];
  const flags = words.filter((word) => word.startsWith('--'));
  if (flags.length === 0) throw new Error('deploy/Dockerfile names no flags of Node');
  return flags;
};

/** The gateway as its image starts it, but for the look at its event loop. */
const gatewayCommand = (file: string, ...args: readonly string[]): readonly string[] => {
  const [node = '', ...rest] = nodeCommand(file, ...args);
  return [node, ...imageFlags(), ...rest];
};

export async function startGoProxy(world: World, upstream: Protocol): Promise<Subject> {
  const port = await world.freePort();
  return startSubject(world, {
    name: `go-${upstream}`,
    port,
    command: [peersProgram, 'proxy'],
    env: { GOMAXPROCS: '1' },
    ready: /ready/,
    spec: {
      address: `127.0.0.1:${port}`,
      ...world.tls,
      upstream: world.upstreamUrl,
      http2: upstream === 'h2',
    },
  });
}

export async function startRawProxy(world: World): Promise<Subject> {
  const port = await world.freePort();
  return startSubject(world, {
    name: 'node-raw',
    port,
    command: nodeCommand(subjectFile('raw-proxy')),
    ready: /ready/,
    spec: { port, ...world.tls, upstream: world.upstreamUrl },
  });
}

export async function startNginx(world: World): Promise<Subject | Absent> {
  if (versionLine('nginx', ['-v']) === null) {
    return { name: 'nginx', why: 'nginx is not installed (Debian: apt-get install nginx)' };
  }
  const port = await world.freePort();
  const { directory, file } = nginxConfiguration(world, port);
  const notice = /start worker process \d+/;
  return startSubject(world, {
    name: 'nginx',
    port,
    command: ['nginx', '-p', directory, '-c', file, '-e', 'stderr'],
    ready: notice,
  });
}

/** Where the program is looked for; `bench/README.md` says how it is built. */
const kubeRbacProxyFile = (): string =>
  join(
    process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
    'holdgate-tools/kube-rbac-proxy-v0.19.1/kube-rbac-proxy',
  );

export async function startKubeRbacProxy(world: World): Promise<Subject | Absent> {
  const name = 'kube-rbac-proxy';
  const program = kubeRbacProxyFile();
  try {
    accessSync(program, constants.X_OK);
  } catch {
    return { name, why: `${program} is not there (bench/README.md says how it is built)` };
  }
  const kubeconfig = join(world.directory, 'reviews.kubeconfig');
  // JSON is YAML.
  writeFileSync(kubeconfig, JSON.stringify(reviewsKubeconfig(world)), { mode: 0o600 });
  const port = await world.freePort();
  return startSubject(world, {
    name,
    port,
    command: [
      program,
      `--secure-listen-address=127.0.0.1:${port}`,
      `--upstream=${world.upstreamUrl}/`,
      `--upstream-ca-file=${world.tls.ca}`,
      `--tls-cert-file=${world.tls.certificate}`,
      `--tls-private-key-file=${world.tls.key}`,
      `--kubeconfig=${kubeconfig}`,
    ],
    env: { GOMAXPROCS: '1' },
    ready: /Listening securely/,
  });
}

/** The upstream stand-in answers token and access reviews with yes. */
const reviewsKubeconfig = (world: World): object => ({
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'bench',
  clusters: [
    {
      name: 'bench',
      cluster: { server: world.upstreamUrl, 'certificate-authority': world.tls.ca },
    },
  ],
  users: [{ name: 'bench', user: { token: 'bench' } }],
  contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
});

/** The gateway with a recorder that keeps nothing. */
export async function startHoldgate(world: World): Promise<Subject> {
  const port = await world.freePort();
  return startSubject(
    world,
    {
      name: 'holdgate',
      port,
      command: gatewayCommand(subjectFile('holdgate')),
      ready: /"message":"ready"/,
      spec: { config: gatewayConfig(world, { port }), peopleUrl: world.peopleUrl },
    },
    world.tokens.agent,
  );
}

const gatewayProgram = join(import.meta.dirname, '../../dist/main.js');

/** The gateway as it ships, on an empty PostgreSQL. */
export async function startDurableHoldgate(world: World, databaseUrl: string): Promise<Subject> {
  const port = await world.freePort();
  const file = join(world.directory, 'holdgate.yaml');
  const database = { url: { env: 'HOLDGATE_BENCH_DATABASE' } };
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(gatewayConfig(world, { port, database })));
  const env = { HOLDGATE_BENCH_DATABASE: databaseUrl };
  const migrated = await run(process.execPath, [gatewayProgram, 'migrate', '--config', file], {
    env,
  });
  if (migrated.code !== 0) throw new Error(`holdgate migrate: ${migrated.stderr}`);
  return startSubject(
    world,
    {
      name: 'holdgate-durable',
      port,
      command: gatewayCommand(gatewayProgram, 'serve', '--config', file),
      env,
      ready: /"message":"ready"/,
    },
    world.tokens.agent,
  );
}

export const isAbsent = (subject: Subject | Absent): subject is Absent => 'why' in subject;
