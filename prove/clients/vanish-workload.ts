import { run } from '../support/processes.ts';
import type { Report } from '../support/report.ts';
import type { World } from '../support/world.ts';

const namespace = 'prove-vanish';
const pod = 'talker';
/** Together more than the sockets between gateway and client hold. */
const listItems = 40;
const itemBytes = 60_000;

/** A pod to open sessions in, and a list of several megabytes. */
export async function prepareNamespace(
  world: World,
): Promise<{ readonly namespace: string; readonly pod: string }> {
  const kubectl = async (args: readonly string[], input = ''): Promise<void> => {
    const done = await run(
      world.kubectl,
      ['--kubeconfig', world.cluster.adminKubeconfig, ...args, '-n', namespace],
      { input },
    );
    if (done.code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${done.stderr}`);
  };
  await kubectl(['create', 'namespace', namespace]);
  const items = Array.from({ length: listItems }, (_, at) => ({
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: { name: `large-${at}` },
    data: { text: 'x'.repeat(itemBytes) },
  }));
  await kubectl(
    ['create', '-f', '-'],
    JSON.stringify({
      kind: 'List',
      apiVersion: 'v1',
      items: [
        ...items,
        {
          kind: 'Pod',
          apiVersion: 'v1',
          metadata: { name: pod },
          spec: { containers: [{ name: 'c', image: 'example.test/c:1' }] },
        },
      ],
    }),
  );
  await kubectl(['wait', '--for=condition=Ready', `pod/${pod}`, '--timeout=60s']);
  return { namespace, pod };
}

/** An ordinary user comes after all that. */
export async function checkStillWorks(world: World, report: Report): Promise<void> {
  const through = ['--kubeconfig', world.personKubeconfig, '-n', namespace];
  const timeoutMs = 30_000;
  const listed = await run(world.kubectl, [...through, 'get', 'pods'], { timeoutMs });
  const sees = listed.code === 0 && listed.stdout.includes(pod);
  report.check('kubectl get pods afterwards', `exit ${listed.code}`, 'exit 0, the pod', sees);
  const args = [...through, 'exec', '-i', pod, '--', 'cat'];
  const echoed = await run(world.kubectl, args, { input: 'still here\n', timeoutMs });
  report.check(
    'kubectl exec afterwards',
    `exit ${echoed.code}: ${echoed.stdout.trim()}${echoed.stderr.trim()}`,
    'exit 0, its input back',
    echoed.code === 0 && echoed.stdout === 'still here\n',
  );
}
