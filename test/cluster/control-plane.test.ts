import { existsSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { createClusterApi } from '../../src/local/cluster-api.ts';
import {
  kubernetesVersion,
  programCacheDirectory,
  programsIn,
  systemProgramSearchPorts,
} from '../../src/local/control-plane-programs.ts';
import { startControlPlane } from '../../src/local/control-plane.ts';
import { demoObjects, seedDemoObjects } from '../../src/local/demo-objects.ts';
import { describeCluster, openTestCluster } from '../support/cluster.ts';

const WAIT = { timeout: 60_000, interval: 250 };
const PATH = process.env['PATH'] ?? '';

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`) || kill0(pid);

function kill0(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describeCluster('a full control plane', (cluster) => {
  beforeAll(async () => {
    await seedDemoObjects({
      server: cluster.server,
      ca: readFileSync(cluster.caFile, 'utf8'),
      token: readFileSync(cluster.gatewayTokenFile, 'utf8').trim(),
    });
    const ready = ['wait', '--for=condition=Ready', 'pod/checkout-7b9', '-n', 'payments'];
    const waited = await cluster.run([...ready, '--timeout=60s']);
    if (waited.code !== 0) throw new Error(waited.stderr);
  });

  test('kubectl and the API server are of the version that go.mod names', async () => {
    const { stdout } = await cluster.run(['version', '-o', 'json']);
    expect(JSON.parse(stdout)).toMatchObject({
      clientVersion: { gitVersion: kubernetesVersion },
      serverVersion: { gitVersion: kubernetesVersion },
    });
  });

  test('the demo is there, its Deployment has its pods, and making it again changes nothing', async () => {
    const all = ['get', 'deployments,secrets,configmaps', '-n', 'payments', '-o', 'name'];
    const first = await cluster.run(all);
    for (const name of ['deployment.apps/checkout', 'secret/db-credentials']) {
      expect(first.stdout).toContain(name);
    }
    await vi.waitFor(async () => {
      const get = ['get', 'deployment', 'checkout', '-n', 'payments', '-o'];
      const { stdout } = await cluster.run([...get, 'jsonpath={.status.readyReplicas}']);
      expect(stdout).toBe('2');
    }, WAIT);
    const uid = ['get', 'pod', 'checkout-7b9', '-n', 'payments', '-o', 'jsonpath={.metadata.uid}'];
    const before = await cluster.run(uid);
    await seedDemoObjects({
      server: cluster.server,
      ca: readFileSync(cluster.caFile, 'utf8'),
      token: readFileSync(cluster.gatewayTokenFile, 'utf8').trim(),
    });
    expect(await cluster.run(uid)).toEqual(before);
    expect(await cluster.run(all)).toEqual(first);
  });

  test.each([
    { wire: 'WebSocket', env: {} },
    { wire: 'SPDY', env: { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' } },
  ])('exec over $wire runs a process: input, both outputs, exit code', async ({ env }) => {
    const script = 'cat; echo problem >&2; exit 7';
    const exec = ['exec', '-i', '-n', 'payments', 'checkout-7b9', '--', 'sh', '-c', script];
    const result = await cluster.run(exec, { stdin: 'typed\n', env });
    expect(result).toMatchObject({ code: 7, stdout: 'typed\n' });
    expect(result.stderr).toContain('problem');
  });

  test('logs are those of the container', async () => {
    const logs = await cluster.run(['logs', '-n', 'payments', 'checkout-7b9']);
    expect(logs).toMatchObject({ code: 0, stdout: 'checkout started\n' });
  });

  test("the gateway's token is taken, and what it does is in the audit log under its name", async () => {
    const api = createClusterApi({
      server: cluster.server,
      ca: readFileSync(cluster.caFile, 'utf8'),
      token: readFileSync(cluster.gatewayTokenFile, 'utf8').trim(),
    });
    const path = '/api/v1/namespaces/payments/pods/checkout-7b9?limit=4711';
    expect(await api.call('GET', path)).toMatchObject({ status: 200 });
    await vi.waitFor(() => {
      const line = readFileSync(cluster.auditLog, 'utf8')
        .split('\n')
        .find((text) => text.includes('limit=4711'));
      expect(line).toContain('"username":"gateway"');
    }, WAIT);
  });

  test('a caller without a credential, and one with a wrong token, get nothing', async () => {
    const ca = readFileSync(cluster.caFile, 'utf8');
    const api = createClusterApi({ server: cluster.server, ca, token: 'wrong' });
    expect(await api.call('GET', '/api/v1/pods')).toMatchObject({ status: 401 });
  });
});

describeCluster('a control plane of one test', () => {
  const cache = programCacheDirectory(process.env, homedir());
  const full = programsIn(cache, systemProgramSearchPorts.isProgram)!;
  const directory = join(tmpdir(), `holdgate-plane-${process.pid}`);
  const options = { directory, path: PATH, log: silentLog };
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const open = (plane: { server: string; adminKubeconfig: string; caFile: string }) =>
    openTestCluster({
      server: plane.server,
      caFile: plane.caFile,
      adminKubeconfig: plane.adminKubeconfig,
      gatewayTokenFile: join(directory, 'gateway.token'),
      auditLog: join(directory, 'audit.log'),
      podsDirectory: join(directory, 'pods'),
      kubectl: full.kubectl!,
    });

  test('stops without leaving a program, and has what it had when it is started again', async () => {
    const first = await startControlPlane({ programs: full, ...options });
    const pids = first.pids();
    expect(pids).toHaveLength(6);
    expect(await open(first).run(['create', 'namespace', 'kept'])).toMatchObject({ code: 0 });
    await first.stop();
    await first.stop();
    expect(pids.filter(isAlive)).toEqual([]);

    const second = await startControlPlane({ programs: full, ...options });
    try {
      expect(second.server).toBe(first.server);
      expect(await open(second).run(['get', 'namespace', 'kept'])).toMatchObject({ code: 0 });
    } finally {
      await second.stop();
    }
    expect(second.pids()).toEqual([]);
  });

  describe('with etcd and kube-apiserver alone, as KUBEBUILDER_ASSETS has them', () => {
    const bare = { ...full, controllerManager: null, scheduler: null, kwok: null, nodestub: null };

    test('the demo can be made, and its pod deleted', async () => {
      const bareDirectory = join(directory, 'bare');
      const plane = await startControlPlane({
        ...options,
        programs: bare,
        directory: bareDirectory,
      });
      try {
        const ca = readFileSync(plane.caFile, 'utf8');
        const token = plane.gatewayToken.reveal();
        await seedDemoObjects({ server: plane.server, ca, token });
        const api = createClusterApi({ server: plane.server, ca, token });
        for (const { path } of demoObjects) {
          expect(await api.call('GET', path)).toMatchObject({ status: 200 });
        }
        const pod = '/api/v1/namespaces/payments/pods/checkout-7b9';
        expect(await api.call('DELETE', pod)).toMatchObject({ status: 200 });
        expect(await api.call('GET', pod)).toMatchObject({ status: 404 });
      } finally {
        await plane.stop();
      }
    });
  });

  test('a flag that the API server does not know is an error with the end of its log, and nothing runs on', async () => {
    const failed = join(directory, 'failed');
    const starting = startControlPlane({
      ...options,
      programs: full,
      directory: failed,
      apiServerFlags: ['--no-such-flag'],
    });
    await expect(starting).rejects.toThrow(/apiserver ended[\s\S]*no-such-flag/);
    for (const name of ['etcd', 'apiserver']) {
      expect(existsSync(join(failed, `${name}.pid`))).toBe(false);
    }
  });
});
