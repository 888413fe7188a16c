import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parse } from 'yaml';
import { silentLog } from '../../src/base/log.ts';
import {
  dockerCommand,
  startK3sControlPlane,
  type DockerResult,
} from '../../src/local/k3s-control-plane.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdgate-k3s-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const kubeconfig = `
apiVersion: v1
kind: Config
clusters: [{name: default, cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: ${Buffer.from('the CA').toString('base64')}}}]
users: [{name: default, user: {client-certificate-data: Yw==, client-key-data: aw==}}]
contexts: [{name: default, context: {cluster: default, user: default}}]
current-context: default
`;

/** A docker that answers by the command's first word, and remembers what it was asked. */
function fakeDocker(answers: Partial<Record<string, Partial<DockerResult>>> = {}) {
  const asked: string[][] = [];
  const docker = (args: readonly string[]): Promise<DockerResult> => {
    asked.push([...args]);
    const usual: Partial<DockerResult> =
      args[0] === 'exec' ? { stdout: args.includes('cat') ? kubeconfig : 'ok' } : {};
    return Promise.resolve({ code: 0, stdout: '', stderr: '', ...usual, ...answers[args[0]!] });
  };
  return { docker, asked };
}

const start = (docker: ReturnType<typeof fakeDocker>['docker']) =>
  startK3sControlPlane({ docker, image: 'k3s:1', directory, readyTimeoutMs: 0, log: silentLog });

test('the container is published on loopback only', async () => {
  const { docker, asked } = fakeDocker();
  const { server } = await start(docker);
  const run = asked.find((args) => args[0] === 'run')!;
  const published = run.filter((_, index) => run[index - 1] === '--publish');
  expect(published).toEqual([`127.0.0.1:${new URL(server).port}:6443`]);
});

test('the kubeconfig points at the published port, and the CA is taken out of it', async () => {
  const plane = await start(fakeDocker().docker);
  const written = parse(readFileSync(plane.adminKubeconfig, 'utf8')) as unknown;
  expect(written).toMatchObject({
    clusters: [{ cluster: { server: plane.server } }],
    users: [{ user: { 'client-key-data': 'aw==' } }],
  });
  expect(readFileSync(plane.caFile, 'utf8')).toBe('the CA');
});

test('the gateway has a token that the API server is told, the same at the next start', async () => {
  const first = await start(fakeDocker().docker);
  const second = await start(fakeDocker().docker);
  expect(second.gatewayToken.reveal()).toBe(first.gatewayToken.reveal());
  expect(readFileSync(join(directory, 'shared', 'tokens.csv'), 'utf8')).toBe(
    `${first.gatewayToken.reveal()},gateway,gateway,system:masters\n`,
  );
});

test('a container that an earlier run left is removed first, and no other', async () => {
  const { docker, asked } = fakeDocker();
  await start(docker);
  const name = asked[1]![asked[1]!.indexOf('--name') + 1]!;
  expect(asked[0]).toEqual(['rm', '--force', name]);
  expect(name).toMatch(/^holdgate-[0-9a-f]{12}$/);
});

test('stop stops it, by force where it does not stop by itself', async () => {
  const { docker, asked } = fakeDocker({ stop: { code: 1 } });
  const plane = await start(docker);
  await plane.stop();
  expect(asked.slice(-2).map((args) => args[0])).toEqual(['stop', 'rm']);
});

test('an image that cannot be had is an error with what docker said', async () => {
  const { docker } = fakeDocker({ run: { code: 125, stderr: 'manifest unknown' } });
  await expect(start(docker)).rejects.toThrow('docker could not start k3s:1: manifest unknown');
});

test('a container that does not become ready is an error with the end of its log, and is stopped', async () => {
  const { docker, asked } = fakeDocker({
    exec: { code: 1, stderr: 'refused' },
    logs: { stdout: 'no cgroup' },
  });
  await expect(start(docker)).rejects.toThrow(/was not ready.*refused[\s\S]*no cgroup/);
  expect(asked.at(-1)![0]).toBe('stop');
});

test('a docker that is not there is a failed command, not an exception', async () => {
  const result = await dockerCommand('/nonexistent/docker')(['version']);
  expect(result.code).not.toBe(0);
  expect(result.stderr).toContain('/nonexistent/docker');
});
