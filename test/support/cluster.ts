import { execFile } from 'node:child_process';
import { describe, inject } from 'vitest';

/** Where the tier's one control plane is: plain data, as it is handed from the global setup to the test processes. */
export type TestClusterAccess = {
  readonly server: string;
  readonly caFile: string;
  readonly adminKubeconfig: string;
  readonly gatewayTokenFile: string;
  readonly auditLog: string;
  /** `<namespace>/<pod>/` in it is a pod's file system; `.log-<container>` there is its log. */
  readonly podsDirectory: string;
  /** kubectl of the cluster's version. */
  readonly kubectl: string;
};

export type CommandResult = {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
};

export type KubectlOptions = {
  /** Default: the administrator's, straight at the API server. */
  readonly kubeconfig?: string;
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
};

export type TestCluster = TestClusterAccess & {
  /** Runs kubectl to its end; never throws for an exit code. */
  readonly run: (args: readonly string[], options?: KubectlOptions) => Promise<CommandResult>;
};

const KUBECTL_TIMEOUT_MS = 60_000;

/** Adds kubectl to the plain data. HOME is nowhere, so that no discovery cache or kubeconfig of the machine's is read. */
export function openTestCluster(access: TestClusterAccess): TestCluster {
  const run: TestCluster['run'] = (args, options = {}) =>
    new Promise((resolve) => {
      const child = execFile(
        access.kubectl,
        ['--kubeconfig', options.kubeconfig ?? access.adminKubeconfig, ...args],
        {
          timeout: options.timeoutMs ?? KUBECTL_TIMEOUT_MS,
          maxBuffer: 64 * 1024 * 1024,
          env: { PATH: process.env['PATH'], HOME: '/nonexistent', ...options.env },
        },
        (error, stdout, stderr) => {
          const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : 1;
          resolve({ code, stdout, stderr: error === null ? stderr : stderr || error.message });
        },
      );
      child.stdin?.on('error', () => {}); // kubectl may end before it read its input
      child.stdin?.end(options.stdin ?? '');
    });
  return { ...access, run };
}

/**
 * A `describe` of the cluster tier. Where there is no control plane its tests are skipped under a name that says why
 * (and with HOLDGATE_REQUIRE_CLUSTER=1 the run has failed before).
 */
export function describeCluster(name: string, tests: (cluster: TestCluster) => void): void {
  const given = inject('holdgateCluster');
  const missing = 'missing' in given ? given.missing : null;
  const cluster = 'access' in given ? openTestCluster(given.access) : unreachableCluster;
  const title = missing === null ? name : `${name} (NOT RUN: ${missing})`;
  // eslint-disable-next-line vitest/valid-title, vitest/valid-describe-callback -- the title is the caller's; the body returns nothing
  describe.skipIf(missing !== null)(title, () => tests(cluster));
}

/** What the bodies of skipped tests would see, were they run. */
const unreachableCluster: TestCluster = openTestCluster({
  server: 'https://127.0.0.1:1',
  caFile: '/nonexistent',
  adminKubeconfig: '/nonexistent',
  gatewayTokenFile: '/nonexistent',
  auditLog: '/nonexistent',
  podsDirectory: '/nonexistent',
  kubectl: '/nonexistent/kubectl',
});
