import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { run, start } from '../support/processes.ts';
import type { Report } from '../support/report.ts';
import type { World } from '../support/world.ts';
import { kubectlSteps, levelled, manifests, type KubectlStep } from './kubectl-commands.ts';

type Side = { readonly namespace: string; readonly kubeconfig: string; readonly manifests: string };

const outcomeMax = 300;

function prepareSide(world: World, namespace: string, kubeconfig: string): Side {
  const directory = join(world.directory, `manifests-${namespace}`);
  mkdirSync(directory);
  for (const [file, text] of Object.entries(manifests(namespace))) {
    writeFileSync(join(directory, file), text);
  }
  return { namespace, kubeconfig, manifests: directory };
}

async function firstPod(world: World, side: Side): Promise<string> {
  const listed = await run(world.kubectl, [
    '--kubeconfig',
    world.cluster.adminKubeconfig,
    'get',
    'pods',
    '-n',
    side.namespace,
    '-l',
    'app=web',
    '--field-selector=status.phase=Running',
    '-o',
    'jsonpath={.items[0].metadata.name}',
  ]);
  return listed.stdout;
}

async function runStep(world: World, side: Side, step: KubectlStep) {
  const needsPod = step.args.includes('$POD');
  const pod = needsPod ? await firstPod(world, side) : '';
  const args = step.args.map((arg) =>
    arg
      .replaceAll('$NS', side.namespace)
      .replaceAll('$DIR', side.manifests)
      .replaceAll('$POD', pod),
  );
  return run(world.kubectl, ['--kubeconfig', side.kubeconfig, ...args], {
    env: { ...step.env, KUBECACHEDIR: join(world.directory, `cache-${side.namespace}`) },
    timeoutMs: step.timeoutMs ?? 90_000,
  });
}

/** Each kubectl command, directly and through the gateway: the same exit code, the same text. */
export async function proveClients(world: World, report: Report): Promise<void> {
  const admin = ['--kubeconfig', world.cluster.adminKubeconfig];
  const sides = [
    prepareSide(world, 'prove-direct', world.cluster.adminKubeconfig),
    prepareSide(world, 'prove-through', world.personKubeconfig),
  ] as const;
  for (const side of sides)
    await run(world.kubectl, [...admin, 'create', 'namespace', side.namespace]);
  for (const step of kubectlSteps) {
    const [direct, through] = [
      await runStep(world, sides[0], step),
      await runStep(world, sides[1], step),
    ];
    const text = (one: typeof direct, side: Side): string =>
      levelled(`${one.stdout}\n${one.stderr}`, side.namespace);
    const sameText = step.codeOnly === true || text(direct, sides[0]) === text(through, sides[1]);
    const same = direct.code === through.code && sameText;
    const figure = same
      ? `exit ${through.code}`
      : `direct ${direct.code} ${text(direct, sides[0]).slice(0, outcomeMax)} / through ${through.code} ${text(through, sides[1]).slice(0, outcomeMax)}`;
    report.check(`kubectl: ${step.name}`, figure, 'ends as it does directly', same);
  }
}

/** `get -w` shows a change while it is open, and `logs -f` a line after a long silence. */
export async function proveStreams(world: World, report: Report, silenceMs: number): Promise<void> {
  const admin = ['--kubeconfig', world.cluster.adminKubeconfig];
  const through = ['--kubeconfig', world.personKubeconfig];
  const namespace = 'prove-streams';
  await run(world.kubectl, [...admin, 'create', 'namespace', namespace]);
  const logFile = join(world.directory, 'streams.log');

  const watch = start(
    world.kubectl,
    [...through, 'get', 'configmaps', '-n', namespace, '-w', '--no-headers'],
    { logFile },
  );
  await watch.until(/kube-root-ca/, 30_000);
  await run(world.kubectl, [...admin, 'create', 'configmap', 'seen', '-n', namespace]);
  const seen = await watch.until(/seen/, 10_000).then(
    () => true,
    () => false,
  );
  await watch.stop('SIGINT');
  report.check(
    'kubectl get -w',
    seen ? 'change seen' : 'change not seen',
    'a change is shown while the watch is open',
    seen,
  );

  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'talker' },
    spec: { containers: [{ name: 'c', image: 'example.test/c:1' }] },
  };
  await run(world.kubectl, [...admin, 'apply', '-n', namespace, '-f', '-'], {
    input: JSON.stringify(pod),
  });
  await run(world.kubectl, [
    ...admin,
    'wait',
    '-n',
    namespace,
    '--for=condition=Ready',
    'pod/talker',
    '--timeout=60s',
  ]);
  const logs = start(world.kubectl, [...through, 'logs', '-n', namespace, '-f', 'talker'], {
    logFile,
  });
  await logs.until(/started/, 30_000);
  await delay(silenceMs);
  appendFileSync(
    join(world.cluster.podsDirectory ?? '', namespace, 'talker', '.log-c'),
    'after the silence\n',
  );
  const line = await logs.until(/after the silence/, 10_000).then(
    () => true,
    () => false,
  );
  await logs.stop('SIGINT');
  report.check(
    'kubectl logs -f',
    line ? `line after ${silenceMs / 1000} s` : 'no line',
    `a line after ${silenceMs / 1000} s of silence`,
    line,
  );
}
