import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import type { Log } from '../base/log.ts';
import { Secret } from '../base/secret.ts';
import type { ControlPlane } from './control-plane.ts';
import { freePorts } from './free-ports.ts';

/** The result of one docker command. */
export type DockerResult = {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
};

/** Runs `docker <args>`: a fake in tests. */
export type Docker = (args: readonly string[]) => Promise<DockerResult>;

const READY_TIMEOUT_MS = 180_000; // the image may have to be pulled first
const POLL_MS = 1000;
const TOKEN_BYTES = 24;

/** The docker program as a port. */
export const dockerCommand =
  (program: string): Docker =>
  (args) =>
    new Promise((resolve) => {
      execFile(program, [...args], { timeout: READY_TIMEOUT_MS }, (error, stdout, stderr) => {
        const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : 1;
        resolve({ code, stdout, stderr: error === null ? stderr : stderr || error.message });
      });
    });

/** k3s.yaml: one cluster, one user, one context, all named `default`, certificates inline. */
const k3sKubeconfig = z.looseObject({
  clusters: z
    .array(
      z.looseObject({
        cluster: z.looseObject({ server: z.string(), 'certificate-authority-data': z.base64() }),
      }),
    )
    .length(1),
});

function writeAccess(directory: string): Secret {
  const tokenFile = join(directory, 'gateway.token');
  if (!existsSync(tokenFile)) {
    writeFileSync(tokenFile, randomBytes(TOKEN_BYTES).toString('hex'), { mode: 0o600 });
  }
  const token = readFileSync(tokenFile, 'utf8').trim();
  const shared = join(directory, 'shared');
  mkdirSync(shared, { recursive: true, mode: 0o700 });
  const write = (name: string, text: string): void =>
    writeFileSync(join(shared, name), text, { mode: 0o600 });
  write('tokens.csv', `${token},gateway,gateway,system:masters\n`);
  write(
    'audit-policy.json',
    '{"apiVersion":"audit.k8s.io/v1","kind":"Policy","rules":[{"level":"Metadata"}]}',
  );
  return new Secret(token);
}

function runArguments(options: {
  name: string;
  port: number;
  shared: string;
  image: string;
}): string[] {
  const { name, port, shared, image } = options;
  return [
    ['run', '--detach', '--rm', '--privileged', '--name', name, '--hostname', 'node-0'],
    // Loopback only: whoever reaches this port with the token owns the cluster.
    ['--publish', `127.0.0.1:${port}:6443`],
    ['--volume', `${shared}:/holdgate`, '--volume', `${name}:/var/lib/rancher/k3s`],
    [image, 'server', '--tls-san', '127.0.0.1', '--node-name', 'node-0'],
    ['--disable', 'traefik', '--disable', 'servicelb', '--disable', 'metrics-server'],
    ['--kube-apiserver-arg', 'token-auth-file=/holdgate/tokens.csv'],
    ['--kube-apiserver-arg', 'audit-policy-file=/holdgate/audit-policy.json'],
    ['--kube-apiserver-arg', 'audit-log-path=/holdgate/audit.log'],
  ].flat();
}

/** k3s writes its kubeconfig when the API server answers; asked until then. */
async function readKubeconfig(docker: Docker, name: string, limitMs: number): Promise<string> {
  const read = ['exec', name, 'cat', '/etc/rancher/k3s/k3s.yaml'];
  const ready = ['exec', name, 'kubectl', 'get', '--raw', '/readyz'];
  let last: DockerResult | null = null;
  for (let waitedMs = 0; waitedMs <= limitMs; waitedMs += POLL_MS) {
    last = await docker(ready);
    if (last.code === 0 && last.stdout.trim() === 'ok') {
      last = await docker(read);
      if (last.code === 0) return last.stdout;
    }
    await delay(POLL_MS);
  }
  const log = await docker(['logs', '--tail', '20', name]);
  throw new Error(
    `the k3s container ${name} was not ready after ${limitMs / 1000} s (${last?.stderr.trim() ?? ''}); ` +
      `its log ends:\n${log.stdout}${log.stderr}`,
  );
}

/** Rewrites k3s's kubeconfig to the published port, and puts it and the CA where a `ControlPlane` has them. */
function writeKubeconfig(directory: string, text: string, server: string): void {
  const parsed = k3sKubeconfig.parse(parse(text));
  const { cluster } = parsed.clusters[0]!;
  cluster.server = server;
  const ca = Buffer.from(cluster['certificate-authority-data'], 'base64');
  writeFileSync(join(directory, 'ca.crt'), ca);
  writeFileSync(join(directory, 'admin.kubeconfig'), stringify(parsed), { mode: 0o600 });
}

/**
 * Starts k3s in a container, its state in a volume named after the directory, so that a second start finds it again.
 * A container that an earlier run left is replaced. Unverified: written where no Docker engine answered; its commands
 * are tested against a fake.
 */
export async function startK3sControlPlane(options: {
  readonly docker: Docker;
  readonly image: string;
  readonly directory: string;
  readonly port?: number;
  readonly readyTimeoutMs?: number;
  readonly log: Log;
}): Promise<ControlPlane> {
  const { docker, image, log } = options;
  mkdirSync(options.directory, { recursive: true, mode: 0o700 });
  const directory = realpathSync(options.directory);
  const name = `holdgate-${createHash('sha256').update(directory).digest('hex').slice(0, 12)}`;
  const gatewayToken = writeAccess(directory);
  const [port] = await freePorts([options.port ?? 0]);
  await docker(['rm', '--force', name]);
  log.info('starting a k3s container', { name, image });
  const started = await docker(
    runArguments({ name, port: port!, shared: join(directory, 'shared'), image }),
  );
  if (started.code !== 0) {
    throw new Error(`docker could not start ${image}: ${started.stderr.trim()}`);
  }
  const stop = async (): Promise<void> => {
    const stopped = await docker(['stop', '--time', '10', name]);
    if (stopped.code !== 0) await docker(['rm', '--force', name]);
  };
  const server = `https://127.0.0.1:${port}`;
  try {
    const limitMs = options.readyTimeoutMs ?? READY_TIMEOUT_MS;
    writeKubeconfig(directory, await readKubeconfig(docker, name, limitMs), server);
  } catch (cause) {
    await stop();
    throw cause;
  }
  return {
    server,
    caFile: join(directory, 'ca.crt'),
    adminKubeconfig: join(directory, 'admin.kubeconfig'),
    gatewayToken,
    gatewayTokenFile: join(directory, 'gateway.token'),
    auditLog: join(directory, 'shared', 'audit.log'),
    kubectl: null,
    podsDirectory: null,
    pids: () => [],
    stop,
  };
}
