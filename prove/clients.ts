import { buildClientGo, clientGoScenarios } from './clients/client-go.ts';
import { helmScenarios, installHelm } from './clients/helm.ts';
import { installJavaScriptClient, javaScriptScenarios } from './clients/javascript-client.ts';
import { letTheCorpusThrough, proveCorpus } from './clients/corpus.ts';
import { attachScenarios, logScenarios } from './clients/kubectl-attach.ts';
import { copyScenarios } from './clients/kubectl-copy.ts';
import { createScenarios } from './clients/kubectl-create.ts';
import { execScenarios, wires } from './clients/kubectl-exec.ts';
import { portForwardScenarios } from './clients/kubectl-port-forward.ts';
import { startLoopbackServers } from './clients/loopback-servers.ts';
import { installPythonClient, pythonScenarios } from './clients/python-client.ts';
import { proveScenario, type Scenario } from './clients/scenario.ts';
import { createSides } from './clients/sides.ts';
import { proveVanish } from './clients/vanish.ts';
import type { Report } from './support/report.ts';
import { allowEverythingToPeople, createWorld, type World } from './support/world.ts';

/** How much of each is run. `full` is the acceptance; CI runs `small`. */
export type ClientCounts = {
  readonly copyBytes: number;
  readonly informerMs: number;
  readonly informerChanges: number;
  readonly corpusRequests: number;
  readonly vanishings: number;
};

export const clientCounts: Readonly<Record<'full' | 'small', ClientCounts>> = {
  full: {
    copyBytes: 200 * 2 ** 20,
    informerMs: 600_000,
    informerChanges: 2000,
    corpusRequests: 2400,
    vanishings: 10_000,
  },
  small: {
    copyBytes: 8 * 2 ** 20,
    informerMs: 20_000,
    informerChanges: 100,
    corpusRequests: 300,
    vanishings: 400,
  },
};

type Topic = {
  readonly scenarios: (world: World, count: ClientCounts) => Promise<readonly Scenario[]>;
  /** Ends what `scenarios` started. */
  readonly close?: () => Promise<void>;
};

/** Each topic has one namespace at each end. */
const topics: Readonly<Record<string, () => Promise<Topic>>> = {
  exec: async () => ({
    scenarios: async (world) =>
      wires.flatMap((wire) => execScenarios(wire, world.cluster.auditLog)),
  }),
  create: async () => ({ scenarios: async (world) => createScenarios(world) }),
  copy: async () => ({
    scenarios: async (_, count) => wires.flatMap((wire) => copyScenarios(wire, count.copyBytes)),
  }),
  helm: async () => {
    const helm = await installHelm();
    return { scenarios: async (world) => helmScenarios(world, helm) };
  },
  python: async () => {
    const python = await installPythonClient();
    const servers = await startLoopbackServers();
    return { scenarios: async () => pythonScenarios(python, servers), close: servers.close };
  },
  javascript: async () => {
    const program = await installJavaScriptClient();
    const servers = await startLoopbackServers();
    return { scenarios: async () => javaScriptScenarios(program, servers), close: servers.close };
  },
  'client-go': async () => {
    const program = await buildClientGo();
    return {
      scenarios: async (_, count) =>
        clientGoScenarios(program, count.informerMs, count.informerChanges),
    };
  },
  attach: async () => ({
    scenarios: async (world) => [
      ...logScenarios,
      ...wires.flatMap((wire) => attachScenarios(world, wire)),
    ],
  }),
  'port-forward': async () => {
    const servers = await startLoopbackServers();
    return {
      scenarios: async () => wires.flatMap((wire) => portForwardScenarios(wire, servers)),
      close: servers.close,
    };
  },
};

/** Runs beside all others: it mostly waits, for ten minutes. */
const longest = 'client-go';

/** Topics that need a world of their own. */
const worlds: Readonly<Record<string, (report: Report, count: ClientCounts) => Promise<void>>> = {
  corpus: async (report, count) => {
    const world = await createWorld('corpus', { prepare: letTheCorpusThrough });
    try {
      const gateway = await world.startGateway();
      try {
        await proveCorpus(world, report, count.corpusRequests);
      } finally {
        await gateway.stop();
      }
    } finally {
      await world.close();
    }
  },
  vanish: (report, count) => proveVanish(report, count.vanishings),
};

/**
 * Real clients on a real control plane: each scenario is run directly against the API server and through the gateway, as
 * somebody whom policy allows everything, and must end the same. `only` names topics; none means all.
 */
export async function proveClients(
  report: Report,
  count: ClientCounts,
  only: readonly string[],
): Promise<void> {
  const names = [...Object.keys(topics), ...Object.keys(worlds)];
  const unknown = only.filter((name) => !names.includes(name));
  if (unknown.length > 0) {
    throw new Error(`no topic ${unknown.join(', ')}; there are ${names.join(', ')}`);
  }
  const isWanted = (name: string): boolean => only.length === 0 || only.includes(name);
  if (Object.keys(topics).some(isWanted)) await proveTopics(report, count, isWanted);
  for (const [name, proveWorld] of Object.entries(worlds)) {
    if (isWanted(name)) await proveWorld(report, count);
  }
}

async function proveTopics(
  report: Report,
  count: ClientCounts,
  isWanted: (name: string) => boolean,
): Promise<void> {
  const world = await createWorld('clients', { prepare: allowEverythingToPeople });
  try {
    const gateway = await world.startGateway();
    try {
      const lane = async (names: readonly string[]): Promise<void> => {
        for (const name of names) {
          const topic = topics[name];
          if (topic !== undefined) await proveTopic(name, topic, world, count, report);
        }
      };
      const wanted = Object.keys(topics).filter(isWanted);
      await Promise.all([
        lane(wanted.filter((name) => name === longest)),
        lane(wanted.filter((name) => name !== longest)),
      ]);
    } finally {
      await gateway.stop();
    }
  } finally {
    await world.close();
  }
}

async function proveTopic(
  name: string,
  open: () => Promise<Topic>,
  world: World,
  count: ClientCounts,
  report: Report,
): Promise<void> {
  let topic: Topic;
  try {
    topic = await open();
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    // Where nobody promised that the tools can be had, a client that cannot be installed is said, not counted.
    if (process.env['HOLDGATE_REQUIRE_CLUSTER'] === '1') {
      report.check(`${name}: the client is installed`, text, 'it can be installed', false);
    } else {
      console.log(`SKIPPED ${name}: ${text}`);
    }
    return;
  }
  try {
    const scenarios = await topic.scenarios(world, count);
    const sides = await createSides(world, name);
    for (const scenario of scenarios) await proveScenario(scenario, sides, report);
  } catch (cause) {
    // One client that breaks must not hide what the others show.
    const text = cause instanceof Error ? cause.message : String(cause);
    report.check(`${name}: ran to its end`, text, 'no failure', false);
  } finally {
    await topic.close?.();
  }
}
