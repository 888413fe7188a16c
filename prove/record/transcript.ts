import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../support/processes.ts';
import type { Report } from '../support/report.ts';
import type { World } from '../support/world.ts';

/**
 * A command that is run, and the lines as which it is to show: as it was typed, as far as a request tells it. Not in it are the words of
 * an exec, what stands in files, and how the answer is printed.
 */
type Step = {
  readonly args: readonly string[];
  readonly shown: readonly string[];
  readonly input?: string;
  readonly wire?: 'spdy';
};

const namespace = 'prove-session';
const pod = 'talker';

const manifest = (value: string, name = 'settings'): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, namespace },
    data: { value },
  });

const deployment = JSON.stringify({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', namespace },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'web', image: 'example.test/web:1' }] },
    },
  },
});

const of = (line: string): readonly string[] => [`kubectl ${line} -n ${namespace}`];

/** What somebody does in an afternoon. */
const steps: readonly Step[] = [
  { args: ['get', 'pods'], shown: of('get pods') },
  { args: ['get', 'pods', '-A'], shown: ['kubectl get pods -A'] },
  { args: ['get', 'namespaces'], shown: ['kubectl get namespaces'] },
  { args: ['get', 'nodes'], shown: ['kubectl get nodes'] },
  {
    args: ['get', 'pods', '-l', 'app=web'],
    shown: [`kubectl get pods -n ${namespace} -l app=web`],
  },
  {
    args: ['get', 'pods', '--field-selector=status.phase=Running'],
    shown: [`kubectl get pods -n ${namespace} --field-selector=status.phase=Running`],
  },
  { args: ['get', 'pod', pod], shown: of(`get pod ${pod}`) },
  { args: ['get', 'pod', pod, '-o', 'yaml'], shown: of(`get pod ${pod}`) },
  { args: ['get', 'secrets'], shown: of('get secrets') },
  { args: ['create', '-f', '-'], input: manifest('one'), shown: of('create configmap/settings') },
  { args: ['get', 'configmap', 'settings'], shown: of('get configmap settings') },
  { args: ['apply', '-f', '-'], input: manifest('two'), shown: of('apply configmap/settings') },
  {
    args: ['apply', '--server-side', '--force-conflicts', '-f', '-'],
    input: manifest('three', 'fresh'),
    shown: [`kubectl apply configmap/fresh -n ${namespace} --server-side --force-conflicts`],
  },
  { args: ['apply', '-f', '-'], input: deployment, shown: of('apply deployment/web') },
  {
    args: ['scale', 'deployment/web', '--replicas=2'],
    shown: of('scale deployment/web'),
  },
  { args: ['rollout', 'restart', 'deployment/web'], shown: of('rollout restart deployment/web') },
  { args: ['annotate', 'configmap', 'settings', 'a=b'], shown: of('annotate configmap settings') },
  { args: ['label', 'configmap', 'settings', 'a=b'], shown: of('label configmap settings') },
  {
    args: ['patch', 'configmap', 'settings', '--type=merge', '-p', '{"data":{"x":"y"}}'],
    shown: [`kubectl patch configmap settings -n ${namespace} --type=merge`],
  },
  { args: ['auth', 'can-i', 'get', 'pods'], shown: ['kubectl auth can-i'] },
  { args: ['logs', pod], shown: [`kubectl logs ${pod} -n ${namespace} -c ${pod}`] },
  {
    args: ['logs', pod, '--tail=5'],
    shown: [`kubectl logs ${pod} -n ${namespace} -c ${pod} --tail=5`],
  },
  {
    args: ['exec', pod, '--', 'true'],
    shown: [`kubectl exec ${pod} -n ${namespace} -c ${pod} -- '[1 word]'`],
  },
  {
    args: ['exec', pod, '--', 'true'],
    wire: 'spdy',
    shown: [`kubectl exec ${pod} -n ${namespace} -c ${pod} -- '[1 word]'`],
  },
  {
    args: ['exec', '-i', pod, '--', 'cat'],
    input: 'hello\n',
    shown: [`kubectl exec ${pod} -n ${namespace} -c ${pod} -i -- '[1 word]'`],
  },
  { args: ['cordon', 'node-0'], shown: ['kubectl cordon node-0'] },
  { args: ['uncordon', 'node-0'], shown: ['kubectl uncordon node-0'] },
  { args: ['get', 'events'], shown: of('get events') },
  { args: ['get', '--raw', '/version'], shown: ['kubectl get --raw /version'] },
  { args: ['api-resources'], shown: ['kubectl api-resources'] },
  { args: ['delete', 'configmap', 'settings'], shown: of('delete configmap settings') },
  { args: ['delete', 'deployment', 'web'], shown: of('delete deployment web') },
  {
    args: ['delete', 'pod', pod, '--grace-period=1'],
    shown: [`kubectl delete pod ${pod} -n ${namespace} --grace-period=1`],
  },
];

/** A session of kubectl shows as exactly the commands that were typed, in order. */
export async function proveTranscript(world: World, report: Report): Promise<void> {
  const admin = ['--kubeconfig', world.cluster.adminKubeconfig];
  await run(world.kubectl, [...admin, 'create', 'namespace', namespace]);
  await run(world.kubectl, [...admin, 'run', pod, '-n', namespace, '--image=example.test/c:1']);
  await run(world.kubectl, [
    ...admin,
    'wait',
    '-n',
    namespace,
    '--for=condition=Ready',
    `pod/${pod}`,
    '--timeout=60s',
  ]);
  for (const { args, input, wire } of steps) {
    const ended = await run(
      world.kubectl,
      ['--kubeconfig', world.personKubeconfig, '-n', namespace, ...args],
      {
        ...(input === undefined ? {} : { input }),
        env: {
          KUBECACHEDIR: join(world.directory, 'cache-session'),
          ...(wire === 'spdy' ? { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' } : {}),
        },
      },
    );
    if (ended.code !== 0) {
      report.check(
        `kubectl ${args.join(' ')}`,
        `exit ${ended.code}: ${ended.stderr}`,
        'exit 0',
        false,
      );
    }
  }
  const expected = steps.flatMap(({ shown }) => shown);
  const lines = await shownLines(world, expected.length);
  expected.forEach((line, index) => {
    const found = lines[index] ?? '(nothing)';
    if (found !== line) report.check(`session, line ${index + 1}`, found, line, false);
  });
  report.check(
    'a session of kubectl shows as the commands that were typed',
    `${lines.length} lines of ${steps.length} commands`,
    `${expected.length} lines, the same in order`,
    lines.length === expected.length && lines.every((line, index) => line === expected[index]),
  );
}

type Session = { readonly id: string; readonly user: { readonly username: string } };

/** The lines of the person's session, once there are as many as were expected; at the latest after 20 s. */
async function shownLines(world: World, count: number): Promise<readonly string[]> {
  const ask = async (args: readonly string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await world.holdgate([
      'sessions',
      ...args,
      '--config',
      world.config,
      '-o',
      'json',
    ]);
    if (code !== 0) throw new Error(`holdgate sessions: ${stderr}`);
    return JSON.parse(stdout) as unknown;
  };
  let lines: readonly string[] = [];
  for (let attempt = 0; attempt < 20 && lines.length < count; attempt += 1) {
    await delay(1000);
    const { items } = (await ask(['list'])) as {
      readonly items: readonly (Session & { readonly basis: string })[];
    };
    const session = items.find(
      (one) => one.basis === 'client' && one.user.username.includes('person'),
    );
    if (session === undefined) continue;
    const shown = (await ask(['show', session.id])) as {
      readonly commands: readonly { readonly line: string }[];
    };
    lines = shown.commands.map(({ line }) => line);
  }
  return lines;
}
