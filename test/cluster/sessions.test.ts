import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { silentLog } from '../../src/base/log.ts';
import { kubeconfigText } from '../../src/cli/kubeconfig.ts';
import { readGatewayFile } from '../../src/cli/gateway-file.ts';
import { run } from '../../src/cli/run.ts';
import { localToken } from '../../src/cli/token.ts';
import { startGateway, type Gateway } from '../../src/gateway.ts';
import { freePorts } from '../../src/local/free-ports.ts';
import { localProfile } from '../../src/local/index.ts';
import { describeCluster } from '../support/cluster.ts';
import { gateFiles, writeFiles } from '../support/policy-fixtures.ts';

const allowAll =
  'package rules.x\n\nallow contains {"id": "a", "reason": "r"} if input.request.verb\n';

/** What kubectl is told, and the line that it is shown as, where that is another one. */
const told: readonly { readonly args: string; readonly line?: string; readonly stdin?: string }[] =
  [
    { args: 'create namespace shown' },
    {
      args: 'create configmap settings -n shown --from-literal=a=b',
      line: 'kubectl create configmap settings -n shown',
    },
    { args: 'get configmaps -n shown' },
    { args: 'get configmap settings -n shown' },
    {
      args: 'label configmap settings -n shown tier=web',
      line: 'kubectl label configmap settings -n shown',
    },
    {
      args: 'apply -f - -n shown',
      line: 'kubectl apply configmap/settings -n shown',
      stdin:
        '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"},"data":{"a":"c"}}',
    },
    { args: 'get pods -A -l app=nothing' },
    { args: 'delete configmap settings -n shown' },
    { args: 'get configmap settings -n shown' },
    { args: 'delete namespace shown --wait=false', line: 'kubectl delete namespace shown' },
  ];

describeCluster('commands through the gateway', (cluster) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdgate-sessions-'));
  const dataDirectory = join(directory, 'data');
  let gateway: Gateway;

  const holdgate = async (...args: string[]): Promise<string> => {
    const out: string[] = [];
    const err: string[] = [];
    const code = await run([...args, '--data-directory', dataDirectory], {
      out: (text) => out.push(text),
      err: (text) => err.push(text),
      env: process.env,
      stop: new AbortController().signal,
      onHangup: () => {},
    });
    expect({ code, err }).toEqual({ code: 0, err: [] });
    return out.join('');
  };

  beforeAll(async () => {
    const policies = join(directory, 'policies');
    await writeFiles(policies, { ...gateFiles, 'rules/x/x.rego': allowAll });
    const [dataPort, peoplePort] = await freePorts([0, 0]);
    const config = localProfile({
      clusters: [
        {
          name: 'local',
          server: cluster.server,
          certificateAuthority: cluster.caFile,
          labels: {},
          credential: { token: { file: cluster.gatewayTokenFile } },
        },
      ],
      approverGroups: [],
      dataDirectory,
      policiesDirectory: policies,
      ...(dataPort === undefined ? {} : { dataPort }),
      ...(peoplePort === undefined ? {} : { peoplePort }),
    });
    gateway = await startGateway(config, { env: process.env, log: silentLog, onFatal: () => {} });
  });
  afterAll(async () => {
    await gateway.close();
    rmSync(directory, { recursive: true });
  });

  test('ten kubectl commands are ten lines, in their order', async () => {
    const tokenFile = join(directory, 'token');
    writeFileSync(tokenFile, (await localToken(dataDirectory, 'agent', 'holdgate')).token);
    const kubeconfig = join(directory, 'kubeconfig');
    const file = readGatewayFile(dataDirectory);
    const text = kubeconfigText({
      gateway: { ...file, dataUrl: `${file.dataUrl}/clusters/local/s/ten-commands` },
      dataDirectory,
      identity: 'agent',
      cluster: null,
      tokenFile,
      program: [''],
    });
    writeFileSync(kubeconfig, text);
    for (const { args, stdin } of told) {
      await cluster.run(args.split(' '), { kubeconfig, ...(stdin === undefined ? {} : { stdin }) });
    }
    const expected = told.map(({ args, line }) => line ?? `kubectl ${args}`);
    const shown = await vi.waitFor(
      async () => {
        const list = await holdgate('sessions', 'list', '--label', 'ten-commands', '-o', 'json');
        const { items } = JSON.parse(list) as { items: { id: string }[] };
        expect(items).toHaveLength(1);
        const lines = await holdgate('sessions', 'show', items[0]?.id ?? '');
        expect(lines).toContain('kubectl delete namespace shown ');
        return lines;
      },
      { timeout: 20_000, interval: 500 },
    );
    const commands = [...shown.matchAll(/^\d\d:\d\d:\d\d {2}(.*?) {3}/gm)].map(([, one]) =>
      one?.trim(),
    );
    expect(commands).toEqual(expected);
    expect(shown).toMatch(/\+\d+ discovery requests?/);
    const found = await holdgate(
      'sessions',
      'search',
      '--match',
      'glob',
      '--command',
      'kubectl delete *',
    );
    expect(found.match(/kubectl delete/g)).toHaveLength(2);
  });
});
