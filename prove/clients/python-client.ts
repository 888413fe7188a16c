import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../support/processes.ts';
import type { LoopbackServers } from './loopback-servers.ts';
import { programScenarios } from './program-scenarios.ts';
import type { Scenario } from './scenario.ts';
import { ensureTool } from './tools.ts';

const directory = join(import.meta.dirname, 'python');
const version = '35.0.0';

/** A virtual environment with the pinned packages of python/requirements.txt; the path of its Python. */
export async function installPythonClient(): Promise<string> {
  const requirements = join(directory, 'requirements.txt');
  const installed = await ensureTool({
    name: `python-kubernetes-${version}`,
    source: 'PyPI',
    content: readFileSync(requirements, 'utf8'),
    install: async (target, step) => {
      await step('python3', ['-m', 'venv', target]);
      const options = ['--disable-pip-version-check', '--no-deps', '-r', requirements];
      await step(join(target, 'bin', 'python'), ['-m', 'pip', 'install', ...options]);
    },
  });
  return join(installed, 'bin', 'python');
}

/** The Python client (`kubernetes`): its exec and port-forward speak `v4.channel.k8s.io` over WebSocket. */
export function pythonScenarios(python: string, servers: LoopbackServers): readonly Scenario[] {
  return programScenarios({
    client: `Python client ${version}`,
    operations: {
      'create and list': { names: 'py-0,py-1,py-2,py-3,py-4', pages: 3, types: 'V1ConfigMap' },
      'patch: merge, JSON, apply': {
        merged: /"merged": "1"/,
        json: /"added": "2"/,
        applied: '{"applied": "3"}',
      },
      'replace, and a conflict': { replaced: /"replaced": "yes"/, conflict: /^409 Conflict/ },
      'read what is missing': { status: 404, reason: 'Not Found', type: 'application/json' },
      'a deployment and its scale': { kind: 'Scale', scaled: 3, image: 'example.test/py:1' },
      watch: { events: 'ADDED 1, MODIFIED 2, DELETED 2' },
      'watch from a version long ago': {},
      log: { log: /.+\n/ },
      'exec: exit code': {
        stdout: 'out\n',
        stderr: 'problem\n',
        code: 3,
        protocol: 'v4.channel.k8s.io',
      },
      'exec: plain': { output: 'plain\n' },
      'exec: input': { digest: true, code: 0 },
      'exec: output': { bytes: 5 * 2 ** 20 },
      'exec: a container that is missing': { status: 0, reason: /400 Bad Request/ },
      'port-forward': { status: 'HTTP/1.1 200 OK', body: 'GET /python 0\n', error: 'None' },
      'port-forward: a closed port': { bytes: 0, error: /refused/ },
      'delete a collection': { left: 0 },
    },
    run: (side) =>
      run(
        python,
        [
          join(directory, 'client.py'),
          side.kubeconfig,
          side.namespace,
          String(servers.httpPort),
          String(servers.closedPort),
        ],
        { env: { ...side.env, PYTHONDONTWRITEBYTECODE: '1' }, timeoutMs: 240_000 },
      ),
  });
}
