import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { createLoad, type Load } from '../support/load.ts';
import type { PostgresServer } from '../support/postgres-server.ts';
import type { Background } from '../support/processes.ts';
import { createSeededRandom } from '../support/seeded-random.ts';
import type { Report } from '../support/report.ts';
import type { World } from '../support/world.ts';

const writers = 8;
const recoverWithinMs = 30_000;

/** How long a commit takes where a kill is to fall into one: PostgreSQL's commit_delay, at its most. Microseconds. */
const commitDelayUs = 100_000;

/** Writes without a pause until stopped; keeps the Audit-ID of each that was acknowledged. */
function writeLoad(load: Load) {
  let stopped = false;
  const acknowledged: string[] = [];
  const writer = async (): Promise<void> => {
    while (!stopped) {
      const body = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { generateName: 'crash-' } };
      const answer = await load.send('/api/v1/namespaces/default/configmaps', body);
      if (answer.status === 201) acknowledged.push(answer.auditId);
      else await delay(20);
    }
  };
  const all = Promise.all(Array.from({ length: writers }, writer));
  return {
    acknowledged,
    stop: async (): Promise<void> => {
      stopped = true;
      await all;
    },
  };
}

type Writing = ReturnType<typeof writeLoad>;

/** Waits until a write is acknowledged again. */
async function recovered({ acknowledged }: Writing): Promise<number> {
  const before = acknowledged.length;
  const startedMs = performance.now();
  while (acknowledged.length === before) {
    if (performance.now() - startedMs > recoverWithinMs) return Number.POSITIVE_INFINITY;
    await delay(20);
  }
  return performance.now() - startedMs;
}

/** Makes every commit take long, so that a kill at any moment falls inside of one; 0: as fast as it can. */
async function delayCommits(database: PostgresServer, delayUs: number): Promise<void> {
  const sql = postgres(database.url, { max: 1, onnotice: () => {} });
  try {
    await sql.unsafe(`alter system set commit_delay = ${delayUs}`);
    await sql.unsafe('alter system set commit_siblings = 0');
    await sql`select pg_reload_conf()`;
  } finally {
    await sql.end();
  }
}

/** Decisions and the ends of requests that the database has, of those that were acknowledged. */
async function missing(database: PostgresServer, ids: readonly string[]): Promise<number> {
  const sql = postgres(database.url, { max: 1, onnotice: () => {} });
  try {
    const rows = await sql<{ request_id: string }[]>`
      select distinct request_id from records where kind = 'decision' and request_id = any(${[...ids]})`;
    const recorded = new Set(rows.map((row) => row.request_id));
    return ids.filter((id) => !recorded.has(id)).length;
  } finally {
    await sql.end();
  }
}

/**
 * kill -9 of Postgres and of the gateway under a load of writes, half of the times inside a commit, the others at random moments:
 * every write that a client saw acknowledged has its decision on record. Answers the gateway that runs at the end.
 */
export async function proveRecordCrashes(
  parts: { readonly world: World; readonly database: PostgresServer; readonly gateway: Background },
  report: Report,
  kills: number,
): Promise<Background> {
  const { world, database } = parts;
  let { gateway } = parts;
  const random = createSeededRandom(5);
  const load = await createLoad(world);
  const writing = writeLoad(load);
  const slowestMs = { postgres: 0, gateway: 0 };
  for (let kill = 0; kill < kills; kill += 1) {
    const insideCommit = kill % 2 === 0;
    await delayCommits(database, insideCommit ? commitDelayUs : 0);
    await delay(100 + random.below(200));
    await database.kill();
    await database.start();
    slowestMs.postgres = Math.max(slowestMs.postgres, await recovered(writing));
    await delay(random.below(200));
    await gateway.stop('SIGKILL');
    gateway = await world.startGateway();
    slowestMs.gateway = Math.max(slowestMs.gateway, await recovered(writing));
  }
  await delayCommits(database, 0);
  await writing.stop();
  await load.close();
  const { acknowledged } = writing;
  const lost = await missing(database, acknowledged);
  report.check(
    `acknowledged writes without a decision on record, ${kills} kills of Postgres and ${kills} of the gateway`,
    `${lost} of ${acknowledged.length}`,
    '0 of > 0',
    lost === 0 && acknowledged.length > 0,
  );
  const slowest = Math.round(Math.max(slowestMs.postgres, slowestMs.gateway));
  report.check(
    'a write is acknowledged again after a kill',
    `slowest: ${Math.round(slowestMs.postgres)} ms of Postgres, ${Math.round(slowestMs.gateway)} ms of the gateway`,
    `<= ${recoverWithinMs} ms`,
    slowest <= recoverWithinMs,
  );
  return gateway;
}
