import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../support/processes.ts';
import type { LoopbackServers } from './loopback-servers.ts';
import { programScenarios } from './program-scenarios.ts';
import type { Scenario } from './scenario.ts';
import { ensureTool } from './tools.ts';

const directory = join(import.meta.dirname, 'javascript');
const version = '1.4.0';

/** The packages of javascript/package-lock.json, none of whose scripts run; the path of the client program beside them. */
export async function installJavaScriptClient(): Promise<string> {
  const files = ['package.json', 'package-lock.json'];
  const installed = await ensureTool({
    name: `javascript-kubernetes-${version}`,
    source: 'the npm registry',
    content: files.map((file) => readFileSync(join(directory, file), 'utf8')).join(''),
    install: async (target, step) => {
      for (const file of files) copyFileSync(join(directory, file), join(target, file));
      await step('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: target });
    },
  });
  // Imports are looked up from where a program is.
  const program = join(installed, 'client.mjs');
  copyFileSync(join(directory, 'client.mjs'), program);
  return program;
}

/**
 * The JavaScript client (`@kubernetes/client-node`): its exec and port-forward speak WebSocket, exec `v5.channel.k8s.io`. Its
 * `cpFromPod` is not here: it asks tar for a compressed archive and unpacks it as one that is not.
 */
export function javaScriptScenarios(
  program: string,
  servers: LoopbackServers,
): readonly Scenario[] {
  const events = { events: 'ADDED 1, MODIFIED 2, DELETED 2' };
  return programScenarios({
    client: `JavaScript client ${version}`,
    operations: {
      'create and list': { names: 'js-0,js-1,js-2,js-3,js-4', pages: 3 },
      'replace, and a conflict': { replaced: /"replaced":"yes"/, conflict: '409 Conflict' },
      'patch: merge, JSON, apply': {
        merged: /"merged":"1"/,
        json: /"added":"2"/,
        applied: '{"applied":"3"}',
      },
      'read what is missing': { status: 404, body: /NotFound/ },
      'a deployment': { created: 'js', replicas: 2 },
      watch: events,
      informer: { events: 'add 1, update 2, delete 2', cacheIsTheList: true },
      'log that is followed': { log: /a line for the follower\n$/ },
      'exec: exit code': {
        code: 3,
        stdout: 'out\n',
        stderr: 'problem\n',
        protocol: 'v5.channel.k8s.io',
      },
      'exec: input': { code: 0, digest: true },
      'exec: output': { bytes: 5 * 2 ** 20 },
      'exec: a container that is missing': { error: 'Unexpected server response: 400' },
      'cp to a pod': { same: true },
      'port-forward': { status: 'HTTP/1.1 200 OK', body: 'GET /javascript 0\n', errors: '' },
      'port-forward: a closed port': { output: '', errors: /refused/ },
      'delete a collection': { left: 0 },
    },
    run: (side) =>
      run(
        process.execPath,
        [
          program,
          side.kubeconfig,
          side.namespace,
          String(servers.httpPort),
          String(servers.closedPort),
          join(side.pods, 'box'),
          side.directory,
        ],
        { env: side.env, timeoutMs: 240_000 },
      ),
  });
}
