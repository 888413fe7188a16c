import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../support/processes.ts';
import type { World } from '../support/world.ts';
import type { Side } from './scenario.ts';

function createSide(world: World, name: Side['name'], topic: string, kubeconfig: string): Side {
  // Names of one length, so that figures of bytes and columns of tables can be the same.
  const namespace = `${topic}-${name === 'direct' ? 'straight' : 'via-gate'}`;
  const directory = join(world.directory, namespace);
  mkdirSync(directory, { recursive: true });
  const env = { KUBECACHEDIR: join(directory, 'cache'), HOME: directory, KUBECONFIG: kubeconfig };
  const command = (args: readonly string[]): readonly [string, ...string[]] => [
    world.kubectl,
    '--kubeconfig',
    kubeconfig,
    '-n',
    namespace,
    ...args,
  ];
  return {
    name,
    namespace,
    kubeconfig,
    directory,
    pods: join(world.cluster.podsDirectory ?? '', namespace),
    env,
    command,
    kubectl: (args, options = {}) => {
      const [program, ...rest] = command(args);
      return run(program, rest, {
        timeoutMs: 90_000,
        ...options,
        env: { ...env, ...options.env },
      });
    },
  };
}

/** kubectl as the administrator, straight at the API server: what the test itself does between the scenarios' steps. */
export function asAdministrator(world: World, side: Pick<Side, 'namespace'>) {
  return async (args: readonly string[], input = ''): Promise<string> => {
    const done = await run(
      world.kubectl,
      ['--kubeconfig', world.cluster.adminKubeconfig, '-n', side.namespace, ...args],
      { input },
    );
    if (done.code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${done.stderr}`);
    return done.stdout;
  };
}

const box = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'box', labels: { app: 'box' } },
  spec: {
    containers: [
      { name: 'main', image: 'example.test/main:1', ports: [{ containerPort: 80 }] },
      { name: 'beside', image: 'example.test/beside:1' },
    ],
  },
};

/** The two ends of one topic, each with a namespace of its own and a running pod `box` of two containers in it. */
export async function createSides(world: World, topic: string): Promise<readonly [Side, Side]> {
  const sides = [
    createSide(world, 'direct', topic, world.cluster.adminKubeconfig),
    createSide(world, 'through', topic, world.personKubeconfig),
  ] as const;
  for (const side of sides) {
    const administrator = asAdministrator(world, side);
    await administrator(['create', 'namespace', side.namespace]);
    await administrator(['apply', '-f', '-'], JSON.stringify(box));
    await administrator(['wait', '--for=condition=Ready', 'pod/box', '--timeout=60s']);
  }
  return sides;
}
