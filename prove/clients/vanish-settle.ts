import { setTimeout as delay } from 'node:timers/promises';
import { collectGarbage } from '../support/inspector.ts';
import { processState } from '../support/process-state.ts';
import type { Background } from '../support/processes.ts';

/** What a gateway holds when it has come to rest. */
export type Settled = {
  readonly clients: number;
  readonly chaos: number;
  readonly cluster: number;
  /** Descriptors of anything but clients, upstreams and the database. */
  readonly others: number;
  /** The least of several samples, each behind a garbage collection. */
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
};

export type SettleFacts = {
  readonly gateway: Background;
  readonly dataPort: number;
  readonly chaosPorts: readonly number[];
  readonly clusterPort: number;
  readonly databasePort: number;
  /** Connections to the cluster that may stay open at rest. */
  readonly clusterMax: number;
  /** Other descriptors that may. A connection that was reset is one of them, until it is closed: it is in no table. */
  readonly othersMax: number;
  /** How long it may take to come to rest. */
  readonly withinMs: number;
};

const samples = 5;
const sampleEveryMs = 500;

/** What a gateway holds now. */
export function connectionsOf(
  facts: Pick<SettleFacts, 'dataPort' | 'chaosPorts' | 'clusterPort' | 'databasePort'>,
  pid: number,
) {
  const { fds, connections, rssBytes } = processState(pid);
  const count = (matches: (one: (typeof connections)[number]) => boolean): number =>
    connections.filter(matches).length;
  const clients = count(({ localPort }) => localPort === facts.dataPort);
  const chaos = count(({ remotePort }) => facts.chaosPorts.includes(remotePort));
  const cluster = count(({ remotePort }) => remotePort === facts.clusterPort);
  const database = count(({ remotePort }) => remotePort === facts.databasePort);
  return { clients, chaos, cluster, others: fds - clients - chaos - cluster - database, rssBytes };
}

/** Waits until nothing of what vanished is left, or the time is over; then measures. */
export async function settle(facts: SettleFacts): Promise<Settled> {
  const { gateway, withinMs } = facts;
  const url = /Debugger listening on (ws:\S+)/.exec(gateway.output())?.[1] ?? '';
  const pid = gateway.child.pid ?? 0;
  const deadlineMs = performance.now() + withinMs;
  let calm = connectionsOf(facts, pid);
  while (performance.now() < deadlineMs) {
    const { clients, chaos, cluster, others } = calm;
    const isCalm = chaos <= 1 && cluster <= facts.clusterMax && others <= facts.othersMax;
    if (clients === 0 && isCalm) break;
    await delay(250);
    calm = connectionsOf(facts, pid);
  }
  let rssBytes = Number.POSITIVE_INFINITY;
  let heapUsedBytes = Number.POSITIVE_INFINITY;
  for (let sample = 0; sample < samples; sample += 1) {
    const collected = await collectGarbage(url);
    heapUsedBytes = Math.min(heapUsedBytes, collected.heapUsedBytes);
    await delay(sampleEveryMs);
    rssBytes = Math.min(rssBytes, processState(pid).rssBytes);
  }
  return { ...connectionsOf(facts, pid), rssBytes, heapUsedBytes };
}
