import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { z } from 'zod';
import { errorText, type Log } from '../base/log.ts';
import { Secret } from '../base/secret.ts';
import { openChildProcesses, type Child, type ChildProcesses } from './child-processes.ts';
import { createClusterApi, type ClusterApi } from './cluster-api.ts';
import {
  apiServerArguments,
  controllerManagerArguments,
  etcdArguments,
  kwokArguments,
  nodestubArguments,
  schedulerArguments,
  type ArgumentInput,
  type ControlPlanePorts,
} from './control-plane-arguments.ts';
import { ensureControlPlanePki, type ControlPlanePki } from './control-plane-pki.ts';
import type { ControlPlanePrograms } from './control-plane-programs.ts';
import { freePorts } from './free-ports.ts';

/** A running local cluster. Everything in it is disposable; everybody on this machine who reads its files owns it. */
export type ControlPlane = {
  /** `https://127.0.0.1:<port>`. */
  readonly server: string;
  /** The cluster's CA, PEM. */
  readonly caFile: string;
  /** A kubeconfig of system:masters. */
  readonly adminKubeconfig: string;
  /** A bearer token of user `gateway`, system:masters: what the gateway's own calls carry. */
  readonly gatewayToken: Secret;
  readonly gatewayTokenFile: string;
  /** The API server's own audit log, level Metadata: the judge of what reached the cluster. */
  readonly auditLog: string;
  /** A kubectl of the cluster's version, where the programs include one. */
  readonly kubectl: string | null;
  /** `<namespace>/<pod>/` in it is a pod's file system; null where pods do not run as local processes. */
  readonly podsDirectory: string | null;
  readonly pids: () => readonly number[];
  /** Ends every program, in order. May be called twice. */
  readonly stop: () => Promise<void>;
};

export type ControlPlaneOptions = {
  readonly programs: ControlPlanePrograms;
  /** Holds all state; started again on the same directory, the cluster has what it had. */
  readonly directory: string;
  /** Ports to use; others are those of the last run where still free, else free ones. */
  readonly ports?: Partial<ControlPlanePorts>;
  /** More flags of kube-apiserver. */
  readonly apiServerFlags?: readonly string[];
  /** The PATH that programs see; exec in a pod finds its commands there. */
  readonly path: string;
  readonly log: Log;
};

const READY_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 10_000;
const POLL_MS = 100;
const LOG_TAIL_LINES = 20;
const TOKEN_BYTES = 24;

const portNames = [
  'apiServer',
  'etcd',
  'etcdPeer',
  'node',
  'controllerManager',
  'scheduler',
  'kwok',
] as const satisfies readonly (keyof ControlPlanePorts)[];

const port = z.int().min(1).max(65_535);
const allPorts = z.record(z.enum(portNames), port);
const savedPorts = z.partialRecord(z.enum(portNames), port);

/** The last run's ports are taken again where they are free, so that kubeconfigs and issued tokens stay valid. */
async function choosePorts(
  directory: string,
  fixed: Partial<ControlPlanePorts>,
): Promise<ControlPlanePorts> {
  const file = join(directory, 'ports.json');
  let saved: z.infer<typeof savedPorts> = {};
  if (existsSync(file)) {
    const parsed = savedPorts.safeParse(JSON.parse(readFileSync(file, 'utf8')));
    if (parsed.success) saved = parsed.data;
  }
  const chosen = await freePorts(portNames.map((name) => fixed[name] ?? saved[name] ?? 0));
  const entries = portNames.map((name, index) => [name, chosen[index]!] as const);
  for (const [name, free] of entries) {
    const wanted = fixed[name];
    if (wanted !== undefined && wanted !== 0 && wanted !== free) {
      throw new Error(`port ${wanted}, meant for ${name} of the control plane, is taken`);
    }
  }
  const ports = allPorts.parse(Object.fromEntries(entries));
  writeFileSync(file, `${JSON.stringify(ports)}\n`);
  return ports;
}

function kubeconfig(server: string, pki: ControlPlanePki, user: 'admin' | 'controllers'): string {
  const credential = {
    'client-certificate': pki.certificateFile(user),
    'client-key': pki.keyFile(user),
  };
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'local', cluster: { server, 'certificate-authority': pki.caFile } }],
    users: [{ name: user, user: credential }],
    contexts: [{ name: 'local', context: { cluster: 'local', user } }],
    'current-context': 'local',
  });
}

/** Writes the token (kept from the last run) and the files that the programs' arguments name. */
function writeFiles(directory: string, server: string, pki: ControlPlanePki): Secret {
  const tokenFile = join(directory, 'gateway.token');
  if (!existsSync(tokenFile)) {
    writeFileSync(tokenFile, randomBytes(TOKEN_BYTES).toString('hex'), { mode: 0o600 });
  }
  const token = readFileSync(tokenFile, 'utf8').trim();
  const write = (name: string, text: string): void =>
    writeFileSync(join(directory, name), text, { mode: 0o600 });
  write('tokens.csv', `${token},gateway,gateway,system:masters\n`);
  const auditPolicy = {
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    rules: [{ level: 'Metadata' }],
  };
  write('audit-policy.json', JSON.stringify(auditPolicy));
  const kwok = {
    apiVersion: 'config.kwok.x-k8s.io/v1alpha1',
    kind: 'KwokConfiguration',
    options: { enableCRDs: [] },
  };
  write('kwok.yaml', stringify(kwok));
  write('admin.kubeconfig', kubeconfig(server, pki, 'admin'));
  write('controllers.kubeconfig', kubeconfig(server, pki, 'controllers'));
  return new Secret(token);
}

function logTail(child: Child): string {
  const lines = readFileSync(child.logFile, 'utf8').trimEnd().split('\n');
  return lines.slice(-LOG_TAIL_LINES).join('\n');
}

/** Waits until the API server says that it is ready; throws with the end of its log when it ends or takes too long. */
async function untilReady(api: ClusterApi, children: readonly Child[]): Promise<void> {
  const deadlineMs = performance.now() + READY_TIMEOUT_MS;
  let last = 'no answer';
  for (;;) {
    const dead = children.find((child) => !child.running());
    if (dead !== undefined) {
      throw new Error(
        `${dead.name} ended while it started; ${dead.logFile} ends:\n${logTail(dead)}`,
      );
    }
    try {
      const answer = await api.call('GET', '/readyz');
      if (answer.status === 200) return;
      last = `${answer.status} ${answer.body.slice(0, 500)}`;
    } catch (cause) {
      last = errorText(cause);
    }
    if (performance.now() > deadlineMs) {
      const server = children.at(-1)!;
      throw new Error(
        `the API server was not ready after ${READY_TIMEOUT_MS / 1000} s (${last}); ` +
          `${server.logFile} ends:\n${logTail(server)}`,
      );
    }
    await delay(POLL_MS);
  }
}

const capacity = { cpu: '32', memory: '256Gi', pods: '1000' };

/** The one node. kwok keeps it Ready; its kubelet port is nodestub's, which may have changed since the last run. */
async function applyNode(api: ClusterApi, nodePort: number): Promise<void> {
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: 'node-0',
      labels: { 'kubernetes.io/hostname': 'node-0' },
      annotations: { 'kwok.x-k8s.io/node': 'fake' },
    },
    status: { allocatable: capacity, capacity },
  };
  const created = await api.call('POST', '/api/v1/nodes', node);
  if (created.status !== 201 && created.status !== 409) {
    throw new Error(`the node could not be created: ${created.status} ${created.body}`);
  }
  const status = { status: { daemonEndpoints: { kubeletEndpoint: { Port: nodePort } } } };
  const path = '/api/v1/nodes/node-0/status';
  const patched = await api.call('PATCH', path, status, 'application/merge-patch+json');
  if (patched.status !== 200) {
    throw new Error(`the node's port could not be set: ${patched.status} ${patched.body}`);
  }
}

/** etcd and the API server, ready; then whichever of the others there are. */
async function startPrograms(
  children: ChildProcesses,
  input: ArgumentInput,
  api: ClusterApi,
  { programs, apiServerFlags }: ControlPlaneOptions,
): Promise<void> {
  const apiServerArgs = apiServerArguments(input, {
    controllers: programs.controllerManager !== null,
    extra: apiServerFlags ?? [],
  });
  const etcd = await children.start('etcd', programs.etcd, etcdArguments(input));
  const apiServer = await children.start('apiserver', programs.apiServer, apiServerArgs);
  await untilReady(api, [etcd, apiServer]);
  if (programs.controllerManager !== null) {
    const args = controllerManagerArguments(input);
    await children.start('controller-manager', programs.controllerManager, args);
  }
  if (programs.scheduler !== null) {
    await children.start('scheduler', programs.scheduler, schedulerArguments(input));
  }
  if (programs.nodestub !== null) {
    await children.start('nodestub', programs.nodestub, nodestubArguments(input));
  }
  if (programs.kwok !== null) {
    const kwokArgs = kwokArguments(input, { nodestub: programs.nodestub !== null });
    await children.start('kwok', programs.kwok, kwokArgs);
    await applyNode(api, input.ports.node);
  }
}

/**
 * Starts a real control plane on loopback: etcd and kube-apiserver, and where there are programs for them the
 * controllers, the scheduler and one node. Ready in about 10 seconds. Throws with the end of the log of what failed;
 * nothing is left running then. With etcd and kube-apiserver alone, objects can be read and written, but nothing
 * acts on them: a Deployment makes no pods, and pods stay Pending.
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { programs, log } = options;
  mkdirSync(join(options.directory, 'pods'), { recursive: true, mode: 0o700 });
  const directory = realpathSync(options.directory);
  const children = await openChildProcesses(directory, options.path, log);
  try {
    const ports = await choosePorts(directory, options.ports ?? {});
    const pki = await ensureControlPlanePki(join(directory, 'pki'), Date.now());
    const server = `https://127.0.0.1:${ports.apiServer}`;
    const gatewayToken = writeFiles(directory, server, pki);
    const ca = readFileSync(pki.caFile, 'utf8');
    const api = createClusterApi({ server, ca, token: gatewayToken.reveal() });
    await startPrograms(children, { directory, pki, ports }, api, options);
    const stop = async (): Promise<void> => {
      await children.stop(['kwok', 'nodestub', 'scheduler', 'controller-manager'], STOP_GRACE_MS);
      await children.stop(['apiserver'], STOP_GRACE_MS);
      await children.close(STOP_GRACE_MS);
    };
    return {
      server,
      caFile: pki.caFile,
      adminKubeconfig: join(directory, 'admin.kubeconfig'),
      gatewayToken,
      gatewayTokenFile: join(directory, 'gateway.token'),
      auditLog: join(directory, 'audit.log'),
      kubectl: programs.kubectl,
      podsDirectory: programs.nodestub === null ? null : join(directory, 'pods'),
      pids: children.pids,
      stop,
    };
  } catch (cause) {
    await children.close(STOP_GRACE_MS);
    throw cause;
  }
}
