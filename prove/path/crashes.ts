import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { createLoad, type Load } from '../support/load.ts';
import type { PostgresServer } from '../support/postgres-server.ts';
import type { Background } from '../support/processes.ts';
import type { Report } from '../support/report.ts';
import type { World } from '../support/world.ts';

const writers = 8;
const killAfterMs = 250;
const recoverWithinMs = 20_000;

type AuditEvent = {
  readonly auditID: string;
  readonly stage: string;
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly objectRef?: { readonly resource?: string; readonly namespace?: string };
};

/** Writes without a pause until stopped; counts what was acknowledged. */
function writeLoad(load: Load, namespace: string) {
  let stopped = false;
  let acknowledged = 0;
  const writer = async (): Promise<void> => {
    while (!stopped) {
      const body = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { generateName: 'crash-' } };
      const status = await load.post(`/api/v1/namespaces/${namespace}/configmaps`, body);
      if (status === 201) acknowledged += 1;
      else await delay(20);
    }
  };
  const all = Promise.all(Array.from({ length: writers }, writer));
  return {
    acknowledged: () => acknowledged,
    stop: async (): Promise<void> => {
      stopped = true;
      await all;
    },
  };
}

/** Waits until a write is acknowledged again. */
async function recovered(writing: ReturnType<typeof writeLoad>): Promise<number> {
  const before = writing.acknowledged();
  const startedMs = performance.now();
  while (writing.acknowledged() === before) {
    if (performance.now() - startedMs > recoverWithinMs) return Number.POSITIVE_INFINITY;
    await delay(20);
  }
  return performance.now() - startedMs;
}

/** The Audit-IDs of the writes that reached the cluster, by the API server's own audit log. */
function reached(world: World, namespace: string): readonly string[] {
  const ids = new Set<string>();
  for (const line of readFileSync(world.cluster.auditLog, 'utf8').split('\n')) {
    if (line === '') continue;
    const event = JSON.parse(line) as AuditEvent;
    // The controllers write too (each namespace's CA); the gateway is the user of its token.
    const created = event.verb === 'create' && event.objectRef?.resource === 'configmaps';
    const ours = created && event.user.username === 'gateway';
    if (ours && event.objectRef?.namespace === namespace) ids.add(event.auditID);
  }
  return [...ids];
}

async function unrecorded(databaseUrl: string, ids: readonly string[]): Promise<readonly string[]> {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  try {
    const rows = await sql<{ request_id: string }[]>`
      select distinct request_id from records where kind = 'decision' and request_id = any(${[...ids]})`;
    const recorded = new Set(rows.map((row) => row.request_id));
    return ids.filter((id) => !recorded.has(id));
  } finally {
    await sql.end();
  }
}

/** kill -9 of Postgres and of the gateway under a load of writes: no write reached the cluster without its decision. */
export async function proveCrashes(
  world: World,
  database: PostgresServer,
  first: Background,
  report: Report,
  kills: number,
): Promise<Background> {
  let gateway = first;
  const namespace = 'default';
  const load = await createLoad(world);
  const writing = writeLoad(load, namespace);
  const postgresMs: number[] = [];
  for (let kill = 0; kill < kills; kill += 1) {
    await delay(killAfterMs);
    await database.kill();
    await delay(100);
    await database.start();
    postgresMs.push(await recovered(writing));
  }
  const gatewayMs: number[] = [];
  for (let kill = 0; kill < kills; kill += 1) {
    await delay(killAfterMs);
    await gateway.stop('SIGKILL');
    gateway = await world.startGateway();
    gatewayMs.push(await recovered(writing));
  }
  await writing.stop();
  await load.close();

  const ids = reached(world, namespace);
  const missing = await unrecorded(database.url, ids);
  const slowest = (times: readonly number[]): number => Math.round(Math.max(...times));
  report.check(
    'writes under the kills',
    `${writing.acknowledged()} acknowledged, ${ids.length} reached the cluster`,
    '> 0, and no fewer than acknowledged',
    writing.acknowledged() > 0 && ids.length >= writing.acknowledged(),
  );
  report.check(
    `writes without a decision record, ${kills} kills of Postgres and ${kills} of the gateway`,
    `${missing.length} of ${ids.length}`,
    '0',
    missing.length === 0 && ids.length > 0,
  );
  report.check(
    'recovery after Postgres is back, without a restart',
    `slowest ${slowest(postgresMs)} ms`,
    `<= ${recoverWithinMs} ms`,
    slowest(postgresMs) <= recoverWithinMs,
  );
  report.check(
    'recovery after the gateway is back',
    `slowest ${slowest(gatewayMs)} ms`,
    `<= ${recoverWithinMs} ms`,
    slowest(gatewayMs) <= recoverWithinMs,
  );
  return gateway;
}
