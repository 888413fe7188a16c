import { join } from 'node:path';
import { run } from '../support/processes.ts';
import type { World } from '../support/world.ts';
import { commandFacts, levelled, type Scenario, type Side } from './scenario.ts';
import { asAdministrator } from './sides.ts';
import { ensureTool } from './tools.ts';

const version = 'v3.19.0';
const chart = join(import.meta.dirname, 'chart');

/** Builds helm from the Go module proxy; a few minutes the first time. The program's path. */
export async function installHelm(): Promise<string> {
  const directory = await ensureTool({
    name: `helm-${version}`,
    source: `helm.sh/helm/v3@${version} (Go module proxy)`,
    install: async (target, step) => {
      const env = { GOBIN: target, GOFLAGS: '', CGO_ENABLED: '0' };
      const module = `helm.sh/helm/v3/cmd/helm@${version}`;
      await step('go', ['install', '-trimpath', '-ldflags', '-s -w', module], { cwd: '/', env });
    },
  });
  return join(directory, 'helm');
}

type HelmStep = {
  readonly what: string;
  readonly args: readonly string[];
  readonly code?: number;
  readonly said?: RegExp;
};

const steps: readonly HelmStep[] = [
  { what: 'lint', args: ['lint', chart], said: /1 chart\(s\) linted, 0 chart\(s\) failed/ },
  {
    what: 'install as a dry run on the server',
    args: ['install', 'shop', chart, '--dry-run=server', '--set', 'colour=blue'],
    said: /colour: blue/,
  },
  {
    what: 'install',
    args: ['install', 'shop', chart, '--wait=false', '--set', 'colour=blue'],
    said: /STATUS: deployed\nREVISION: 1/,
  },
  {
    what: 'install again',
    args: ['install', 'shop', chart, '--wait=false'],
    code: 1,
    said: /cannot re-use a name that is still in use/,
  },
  { what: 'list', args: ['list', '-o', 'json'], said: /"name":"shop"/ },
  {
    what: 'upgrade',
    args: [
      'upgrade',
      'shop',
      chart,
      '--wait=false',
      '--set',
      'colour=green',
      '--set',
      'replicas=3',
      '--set',
      'ingress=true',
    ],
    said: /REVISION: 2/,
  },
  {
    what: 'upgrade with waiting',
    args: ['upgrade', 'shop', chart, '--reuse-values', '--wait', '--timeout=60s'],
    said: /REVISION: 3/,
  },
  {
    what: 'upgrade to what the API server refuses',
    args: ['upgrade', 'shop', chart, '--wait=false', '--set', 'replicas=-1'],
    code: 1,
    said: /must be greater than or equal to 0/,
  },
  { what: 'get values', args: ['get', 'values', 'shop', '-o', 'json'] },
  { what: 'get manifest', args: ['get', 'manifest', 'shop'], said: /kind: Deployment/ },
  { what: 'status', args: ['status', 'shop', '-o', 'json'], said: /"name":"shop"/ },
  {
    what: 'rollback',
    args: ['rollback', 'shop', '1', '--wait=false'],
    said: /Rollback was a success/,
  },
  { what: 'history', args: ['history', 'shop', '-o', 'json'], said: /Rollback to 1/ },
];

const uninstalls: readonly HelmStep[] = [
  {
    what: 'uninstall',
    args: ['uninstall', 'shop', '--wait=false'],
    said: /release "shop" uninstalled/,
  },
  { what: 'status after it', args: ['status', 'shop'], code: 1, said: /release: not found/ },
];

async function helmAt(helm: string, side: Side, args: readonly string[]) {
  return run(helm, ['--kubeconfig', side.kubeconfig, '-n', side.namespace, ...args], {
    env: {
      ...side.env,
      HELM_CACHE_HOME: join(side.directory, 'helm-cache'),
      HELM_CONFIG_HOME: join(side.directory, 'helm-config'),
      HELM_DATA_HOME: join(side.directory, 'helm-data'),
    },
    timeoutMs: 120_000,
  });
}

/** helm tells times in its own formats, with the zone of the machine; the chart's key is random. */
const levelledTexts = (text: string): string =>
  text
    .replace(/key: [A-Za-z0-9+/=]{44}/g, 'key: <key>')
    .replace(/LAST DEPLOYED: .*/g, 'LAST DEPLOYED: <time>')
    .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\.\d+[^",]*/g, '<time>');

function stepScenario(helm: string, step: HelmStep): Scenario {
  return {
    name: `helm ${step.what}`,
    expected: {
      code: step.code ?? 0,
      ...(step.said === undefined ? {} : { said: step.said }),
    },
    run: async (side) => {
      const done = await helmAt(helm, side, step.args);
      const facts = commandFacts(done, side);
      const said = levelledTexts(`${facts['stdout']}${facts['stderr']}`);
      return { facts: { code: done.code, said } };
    },
  };
}

/** What the chart made, without what controllers add: the same objects with the same content. */
function stored(world: World, colour: string, replicas: number): Scenario {
  return {
    name: `helm: the objects of the release, colour ${colour}`,
    expected: { colour, replicas, secret: 'true' },
    run: async (side) => {
      const get = async (resource: string, path: string): Promise<string> =>
        asAdministrator(world, side)(['get', resource, '-o', `jsonpath=${path}`]);
      const deployment = await get('deployment/shop', '{.spec}{.metadata.labels}');
      return {
        facts: {
          colour: await get('configmap/shop', '{.data.colour}'),
          replicas: Number(await get('deployment/shop', '{.spec.replicas}')),
          // The value is random for each release that is installed; that there is one is compared.
          secret: String((await get('secret/shop', '{.data.key}')).length === 44),
          deployment: levelled(deployment, side),
        },
      };
    },
  };
}

/** helm's life of a release. */
export function helmScenarios(world: World, helm: string): readonly Scenario[] {
  const after = steps.findIndex((step) => step.what === 'upgrade with waiting') + 1;
  return [
    ...steps.slice(0, after).map((step) => stepScenario(helm, step)),
    stored(world, 'green', 3),
    ...steps.slice(after).map((step) => stepScenario(helm, step)),
    stored(world, 'blue', 2),
    ...uninstalls.map((step) => stepScenario(helm, step)),
  ];
}
