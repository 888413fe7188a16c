import postgres from 'postgres';
import { createPostgresServer } from '../../prove/support/postgres-server.ts';
import { figure, median, missing, type Figure } from '../support/figures.ts';
import { loadConnections } from '../support/counts.ts';
import { probe, type Blocks, type LoadFigures } from '../support/peers.ts';
import { startDurableHoldgate, targetOf, type Subject } from '../support/subjects.ts';
import type { World } from '../support/world.ts';
import { smallGet } from './latency.ts';

/** A create that the upstream answers with what it was sent. */
const body = JSON.stringify({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'bench', namespace: 'default' },
  data: { text: 'x'.repeat(300) },
});
const create = {
  method: 'POST',
  path: '/api/v1/namespaces/default/configmaps',
  body,
  status: 201,
  bytes: Buffer.byteLength(body),
} as const;

const commits = 150;

/** What one durable commit of a row as large as a record takes on this database, now: p50, microseconds. */
async function commitUs(sql: postgres.Sql): Promise<number> {
  const times: number[] = [];
  const text = 'x'.repeat(1024);
  for (let number = 0; number < commits; number += 1) {
    const startedMs = performance.now();
    await sql`insert into bench_commits (body) values (${text})`;
    times.push((performance.now() - startedMs) * 1000);
  }
  return median(times);
}

type DurableRow = {
  readonly commit: number;
  readonly directRead: number;
  readonly nullRead: number;
  readonly read: number;
  readonly directWrite: number;
  readonly write: number;
};

/** Blocks of commits, reads and writes in turn, so that each block's commit time is that of its requests. */
async function measure(
  world: World,
  subjects: readonly Subject[],
  sql: postgres.Sql,
): Promise<DurableRow[]> {
  const { blocks, rounds: all, warmUp } = world.counts;
  const rounds = Math.ceil(all / 3);
  const reads = subjects.map((one) => targetOf(world, one, 'h2', smallGet));
  const token = world.tokens.person;
  const writes = subjects.map((one) =>
    targetOf(world, one, 'h2', { ...create, token: one.name === 'direct' ? one.token : token }),
  );
  const rows: DurableRow[] = [];
  for (let block = 0; block < blocks; block += 1) {
    const commit = await commitUs(sql);
    const some = block === 0 ? Math.ceil(warmUp / 3) : 50;
    const read = await probe<Blocks>('rounds', { targets: reads, blocks: 1, rounds, warmUp: some });
    const write = await probe<Blocks>('rounds', {
      targets: writes,
      blocks: 1,
      rounds,
      warmUp: some,
    });
    const p50 = (of: Blocks, name: string): number => of.blocks[0]?.[name]?.p50Us ?? Number.NaN;
    rows.push({
      commit,
      directRead: p50(read, 'direct'),
      nullRead: p50(read, 'holdgate'),
      read: p50(read, 'holdgate-durable'),
      directWrite: p50(write, 'direct'),
      write: p50(write, 'holdgate-durable'),
    });
  }
  return rows;
}

/** CPU a request of the durable gateway over the one whose recorder keeps nothing, round by round. */
async function cpuRatios(world: World, nothing: Subject, durably: Subject): Promise<number[]> {
  const { loadRounds, loadSeconds } = world.counts;
  const cpu = async (subject: Subject): Promise<number> => {
    const one = await probe<LoadFigures>('load', {
      target: targetOf(world, subject, 'h2', smallGet),
      connections: loadConnections,
      warmSeconds: 0.5,
      seconds: loadSeconds,
    });
    return one.cpuSeconds / one.requests;
  };
  const ratios: number[] = [];
  for (let round = 0; round < loadRounds; round += 1) {
    const base = await cpu(nothing);
    ratios.push((await cpu(durably)) / base);
  }
  return ratios;
}

const skipped = (why: string) => ({
  figures: [missing('durable/read-p50', 'durable recorder', why)],
  table: {},
});

/** The gateway as it ships on a PostgreSQL with fsync, against the same path with a recorder that keeps nothing. */
export async function durable(world: World, subjects: readonly Subject[]) {
  const nothing = subjects.find(({ name }) => name === 'holdgate');
  const direct = subjects.find(({ name }) => name === 'direct');
  if (nothing === undefined || direct === undefined)
    return skipped('the gateway is not among the subjects');
  let server;
  try {
    server = await createPostgresServer();
  } catch (cause) {
    return skipped(`no PostgreSQL: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
  const sql = postgres(server.url, { max: 1, onnotice: () => {} });
  await sql`create table bench_commits (id bigint generated always as identity, body text not null)`;
  const durably = await startDurableHoldgate(world, server.url);
  try {
    const rows = await measure(world, [direct, nothing, durably], sql);
    const ratios = await cpuRatios(world, nothing, durably);
    const ms = (value: (row: DurableRow) => number): number[] =>
      rows.map((row) => value(row) / 1000);
    const figures: Figure[] = [
      figure(
        ms((row) => row.read - row.directRead - Math.max(0, row.commit - row.directRead)),
        {
          id: 'durable/read-p50',
          what: 'durable recorder, small GET: p50 above direct + max(0, commit - upstream)',
          unit: 'ms',
          target: { max: 0.5 },
        },
      ),
      figure(
        ms((row) => row.write - row.directWrite - row.commit),
        {
          id: 'durable/write-p50',
          what: 'durable recorder, small POST: added p50 above one commit',
          unit: 'ms',
          target: { max: 1 },
        },
      ),
      figure(ratios, {
        id: 'durable/cpu-over-null',
        what: 'durable recorder: CPU a request / recorder that keeps nothing',
        unit: 'x',
        target: { max: 1.5 },
        gate: true,
      }),
      figure(
        ms((row) => row.commit),
        { id: 'durable/commit', what: 'one commit, p50', unit: 'ms' },
      ),
    ];
    const table = Object.fromEntries(rows.map((row, block) => [`block ${block + 1}, p50 µs`, row]));
    return { figures, table };
  } finally {
    await sql.end({ timeout: 1 });
    await durably.stop();
    await server.stop();
  }
}
