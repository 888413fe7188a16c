import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { start, type Background } from '../support/processes.ts';
import type { World } from '../support/world.ts';
import type { Wire } from './kubectl-exec.ts';
import { commandFacts, levelled, type Facts, type Scenario, type Side } from './scenario.ts';
import { asAdministrator } from './sides.ts';

const pollMs = 100;
const patienceMs = 30_000;

function background(side: Side, wire: Wire, args: readonly string[]): Background {
  const [program, ...rest] = side.command(args);
  return start(program, rest, {
    env: { ...side.env, ...wire.env },
    logFile: join(side.directory, 'attach.log'),
  });
}

/** What the main process of a container prints: nodestub shows the container's log file to logs -f and attach. */
function print(side: Side, pod: string, container: string, text: string): void {
  const directory = join(side.pods, pod);
  mkdirSync(directory, { recursive: true });
  appendFileSync(join(directory, `.log-${container}`), text);
}

/** Prints until the attached client shows it: an attach shows what is printed from when it is there. */
async function printUntilShown(
  side: Side,
  shown: () => string,
  at: { readonly pod: string; readonly container: string; readonly text: string },
): Promise<boolean> {
  const deadlineMs = performance.now() + patienceMs;
  while (performance.now() < deadlineMs) {
    print(side, at.pod, at.container, `${at.text}\n`);
    await delay(pollMs);
    if (shown().includes(at.text)) return true;
  }
  return false;
}

async function until(ready: () => Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = performance.now() + patienceMs;
  while (performance.now() < deadlineMs) {
    if (await ready()) return;
    await delay(pollMs);
  }
  throw new Error(`${what} did not happen in ${patienceMs / 1000} s`);
}

function attached(wire: Wire): readonly Scenario[] {
  return [
    {
      name: `kubectl attach (${wire.wire}): shows what is printed`,
      expected: { shown: true },
      run: async (side) => {
        const attach = background(side, wire, ['attach', 'box', '-c', 'main']);
        try {
          const at = { pod: 'box', container: 'main', text: `attached over ${wire.wire}` };
          const shown = await printUntilShown(side, attach.output, at);
          const other = levelled(attach.output(), side)
            .split('\n')
            .filter((line) => line !== at.text);
          return { facts: { shown, other: other.join('\n') } };
        } finally {
          await attach.stop('SIGINT');
        }
      },
    },
    {
      name: `kubectl attach -i (${wire.wire}): input arrives, and its end ends it`,
      expected: { code: 0, stdout: 'typed in attach\n' },
      run: async (side) => {
        const args = ['attach', '-i', 'box', '-c', 'beside'];
        const done = await side.kubectl(args, { env: wire.env, input: 'typed in attach\n' });
        return { facts: commandFacts(done, side) };
      },
    },
    {
      name: `kubectl attach (${wire.wire}): to a container that is missing`,
      expected: { code: 1 },
      run: async (side) => {
        const args = ['attach', 'box', '-c', 'nobody'];
        return { facts: commandFacts(await side.kubectl(args, { env: wire.env }), side) };
      },
    },
  ];
}

/** The ephemeral container is added through kubectl; that it runs is said here, as kwok plays no ephemeral containers. */
function debug(world: World, wire: Wire): Scenario {
  return {
    name: `kubectl debug -i (${wire.wire}): an ephemeral container, attached to`,
    expected: { code: 0, stdout: /typed in debug\n/, image: 'example.test/debug:1' },
    run: async (side) => {
      const administrator = asAdministrator(world, side);
      const name = `debugger-${wire.wire.toLowerCase()}`;
      const args = ['debug', 'box', '-i', '--image=example.test/debug:1', '-c', name];
      const running = side.kubectl([...args, '--target=main', '--profile=general'], {
        env: wire.env,
        input: 'typed in debug\n',
      });
      const image = (): Promise<string> =>
        administrator([
          'get',
          'pod',
          'box',
          '-o',
          `jsonpath={.spec.ephemeralContainers[?(@.name=="${name}")].image}`,
        ]);
      let over = false;
      void running.then(() => (over = true));
      await until(async () => over || (await image()) !== '', 'the ephemeral container');
      const status = {
        status: {
          ephemeralContainerStatuses: [
            {
              name,
              image: 'example.test/debug:1',
              imageID: '',
              ready: true,
              restartCount: 0,
              state: { running: { startedAt: new Date().toISOString().replace(/\.\d+/, '') } },
            },
          ],
        },
      };
      const patch = ['patch', 'pod', 'box', '--subresource=status', '--type=strategic', '-p'];
      await administrator([...patch, JSON.stringify(status)]);
      return { facts: { ...commandFacts(await running, side), image: await image() } };
    },
  };
}

async function podExists(
  administrator: (args: readonly string[]) => Promise<string>,
  pod: string,
): Promise<boolean> {
  return (await administrator(['get', 'pod', pod, '--ignore-not-found', '-o', 'name'])) !== '';
}

function runAndRemove(world: World, wire: Wire): readonly Scenario[] {
  const pod = `run-${wire.wire.toLowerCase()}`;
  return [
    {
      name: `kubectl run -i --rm (${wire.wire}): input arrives, and the pod is gone`,
      expected: { code: 0, stdout: /typed in run/, left: false },
      run: async (side) => {
        const args = ['run', pod, '-i', '--rm', '--image=example.test/run:1'];
        const done = await side.kubectl(args, { env: wire.env, input: 'typed in run\n' });
        const left = await podExists(asAdministrator(world, side), pod);
        return { facts: { ...commandFacts(done, side), left } };
      },
    },
    {
      name: `kubectl run -i --rm --restart=Never (${wire.wire}): the exit code of the pod`,
      expected: { code: 3, left: false },
      run: async (side) => {
        const administrator = asAdministrator(world, side);
        const name = `${pod}-once`;
        const args = ['run', name, '-i', '--rm', '--restart=Never', '--image=example.test/run:1'];
        const running = side.kubectl(args, { env: wire.env, input: 'typed in run\n' });
        let over = false;
        void running.then(() => (over = true));
        const log = join(side.pods, name);
        // The pod ends once its input has been read: the log then has the line.
        const logs = ['logs', name, '--tail=1'];
        await until(
          async () => over || (await administrator(logs).catch(() => '')).includes('typed'),
          `input in ${log}`,
        );
        const terminated = { exitCode: 3, reason: 'Error' };
        const status = {
          phase: 'Failed',
          containerStatuses: [
            {
              name,
              image: 'example.test/run:1',
              imageID: '',
              ready: false,
              restartCount: 0,
              state: { running: null, terminated },
            },
          ],
        };
        const patch = ['patch', 'pod', name, '--subresource=status', '--type=merge', '-p'];
        await administrator([...patch, JSON.stringify({ status })]).catch(() => '');
        const facts = commandFacts(await running, side);
        return { facts: { ...facts, left: await podExists(administrator, name) } };
      },
    },
  ];
}

/** `kubectl attach`, `debug` and `run -i`, over one protocol. */
export const attachScenarios = (world: World, wire: Wire): readonly Scenario[] => [
  ...attached(wire),
  debug(world, wire),
  ...runAndRemove(world, wire),
];

async function followed(side: Side, args: readonly string[], wanted: number): Promise<Facts> {
  const [program, ...rest] = side.command(['logs', 'box', '-c', 'main', '-f', ...args]);
  const logs = start(program, rest, {
    env: side.env,
    logFile: join(side.directory, 'logs.log'),
  });
  try {
    await logs.until(/before/, patienceMs);
    for (let index = 0; index < wanted; index += 1) print(side, 'box', 'main', `line ${index}\n`);
    await logs.until(new RegExp(`line ${wanted - 1}\n`), patienceMs);
    return { text: levelled(logs.output(), side) };
  } finally {
    await logs.stop('SIGINT');
  }
}

/** `kubectl logs`. */
export const logScenarios: readonly Scenario[] = [
  {
    name: 'kubectl logs -f: 1,000 lines while it follows',
    expected: { text: /^before\nline 0\n[^]*line 999\n$/ },
    run: async (side) => {
      print(side, 'box', 'main', 'before\n');
      return { facts: await followed(side, ['--tail=1'], 1000) };
    },
  },
  {
    name: 'kubectl logs --all-containers --prefix',
    expected: { code: 0, stdout: /\[pod\/box\/beside\][^]*\[pod\/box\/main\] line 999/ },
    run: async (side) => {
      const args = ['logs', 'box', '--all-containers', '--prefix', '--tail=2'];
      const facts = commandFacts(await side.kubectl(args), side);
      // kubectl reads the containers at once: whose line comes first is chance.
      const lines = String(facts['stdout']).split('\n').toSorted().join('\n');
      return { facts: { ...facts, stdout: lines } };
    },
  },
  {
    name: 'kubectl logs of a container that is missing',
    expected: { code: 1, stderr: /container nobody is not valid/ },
    run: async (side) => ({
      facts: commandFacts(await side.kubectl(['logs', 'box', '-c', 'nobody']), side),
    }),
  },
];
