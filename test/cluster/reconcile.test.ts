import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { silentLog } from '../../src/base/log.ts';
import { run } from '../../src/cli/run.ts';
import { localToken } from '../../src/cli/token.ts';
import { loadConfig } from '../../src/config/index.ts';
import { startGateway, type Gateway } from '../../src/gateway.ts';
import { freePorts } from '../../src/local/free-ports.ts';
import { describeCluster } from '../support/cluster.ts';

const rule = `# METADATA
# title: The test's agent may write configmaps
package rules.test_configmaps

allow contains {"id": "write", "reason": "the test's agent"} if {
	"local-agents" in input.user.groups
	input.request.resource == "configmaps"
}
`;

describeCluster('a real audit log', (cluster) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdgate-reconcile-'));
  const dataDirectory = join(directory, 'data');
  let gateway: Gateway;
  let token: string;

  beforeAll(async () => {
    mkdirSync(dataDirectory);
    const policies = join(directory, 'policies');
    cpSync(new URL('../../policies', import.meta.url), policies, { recursive: true });
    mkdirSync(join(policies, 'rules', 'test_configmaps'));
    writeFileSync(join(policies, 'rules', 'test_configmaps', 'test_configmaps.rego'), rule);
    const [data = 0, people = 0] = await freePorts([0, 0]);
    const file = join(directory, 'holdgate.yaml');
    const credential = { token: { file: cluster.gatewayTokenFile } };
    const { server, caFile: certificateAuthority } = cluster;
    const document = {
      dataDirectory,
      data: { port: data },
      people: { port: people, roles: { admin: ['local-people'] } },
      identity: { local: true },
      policies: { directory: policies },
      clusters: [{ name: 'real', server, certificateAuthority, credential }],
    };
    writeFileSync(file, stringify(document));
    const config = await loadConfig(file, process.env);
    if (!config.ok) throw new Error(JSON.stringify(config.error));
    gateway = await startGateway(config.value, {
      env: process.env,
      log: silentLog,
      onFatal: () => {},
    });
    ({ token } = await localToken(dataDirectory, 'agent', 'holdgate'));
  });

  afterAll(async () => {
    await gateway.close();
    rmSync(directory, { recursive: true, force: true });
  });

  /** A call through the gateway: its status. */
  const call = (method: string, path: string, body?: object): Promise<number> =>
    new Promise((resolve, reject) => {
      const sent = request(
        `${gateway.dataUrl}${path}`,
        {
          method,
          ca: readFileSync(gateway.caFile ?? ''),
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        },
        (answer) => {
          answer.resume();
          answer.on('end', () => resolve(answer.statusCode ?? 0));
        },
      );
      sent.on('error', reject);
      sent.end(body === undefined ? undefined : JSON.stringify(body));
    });

  const holdgate = async (...args: readonly string[]) => {
    let [out, errors] = ['', ''];
    const code = await run([...args, '--data-directory', dataDirectory], {
      out: (text) => (out += text),
      err: (text) => (errors += text),
      env: {},
      stop: new AbortController().signal,
      onHangup: () => {},
    });
    return { code, out, errors };
  };
  const configMap = (name: string): object => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name },
  });

  /** What reconcile tells of the time since, once the log has the last event that it should tell of. */
  async function reconciled(since: string, lastUrl: string) {
    await vi.waitFor(
      () => expect(readFileSync(cluster.auditLog, 'utf8')).toContain(lastUrl),
      30_000,
    );
    const args = ['reconcile', cluster.auditLog, '--since', since, '--json', '--reads'];
    const { code, out, errors } = await holdgate(...args, '--skew-seconds', '0');
    expect(errors).toBe('');
    type Told = {
      findings: { kind: string; what: string; verb: string }[];
      counts: { explained: number };
      gatewayUsers: string[];
    };
    return { code, told: JSON.parse(out) as Told };
  }

  test('agrees with the record of every call, and names the one that went round the gateway', async () => {
    const since = new Date().toISOString();
    const all = '/api/v1/namespaces/default/configmaps';
    expect(await call('GET', '/api/v1/namespaces/default/pods')).toBe(200);
    expect(await call('POST', all, configMap('by-gateway'))).toBe(201);
    expect(await call('POST', all, configMap('by-gateway'))).toBe(409);
    expect(await call('PUT', `${all}/by-gateway`, configMap('by-gateway'))).toBe(200);
    expect(await call('DELETE', '/api/v1/namespaces/default/secrets/none')).toBe(403);
    expect(await call('DELETE', `${all}/by-gateway?marker=first`)).toBe(200);
    const before = await reconciled(since, 'marker=first');
    expect(before.told.findings).toEqual([]);
    expect(before.code).toBe(0);
    expect(before.told.counts.explained).toBeGreaterThanOrEqual(5);
    expect(before.told.gatewayUsers).toEqual(['gateway']);

    const created = await cluster.run([
      'create',
      'configmap',
      'round-the-gateway',
      '-n',
      'default',
    ]);
    expect(created.stderr).toBe('');
    const after = await reconciled(since, 'round-the-gateway');
    expect(after.code).toBe(1);
    const writes = after.told.findings.filter(({ verb }) => verb !== 'get' && verb !== 'list');
    expect(writes).toMatchObject([
      { kind: 'unrecorded', verb: 'create', what: 'configmaps default/round-the-gateway' },
    ]);
    await cluster.run(['delete', 'configmap', 'round-the-gateway', '-n', 'default']);
  });
});
