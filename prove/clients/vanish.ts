import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPostgresServer } from '../support/postgres-server.ts';
import type { Background } from '../support/processes.ts';
import type { Report } from '../support/report.ts';
import { createSeededRandom, type SeededRandom } from '../support/seeded-random.ts';
import { allowEverythingToPeople, createWorld, type World } from '../support/world.ts';
import { createChaosUpstream, type ChaosUpstream } from './chaos-upstream.ts';
import type { Kind, VanishTarget } from './vanish-line.ts';
import { checkRecords, settledRecords, type Ledger } from './vanish-records.ts';
import { requestKinds } from './vanish-requests.ts';
import { connectionsOf, settle, type Settled, type SettleFacts } from './vanish-settle.ts';
import { streamKinds } from './vanish-streams.ts';
import { upstreamKinds } from './vanish-upstreams.ts';
import { checkStillWorks, prepareNamespace } from './vanish-workload.ts';

const seed = 20_26;
const concurrency = 50;
/** Fewer leave the heap still growing into its size, and memory would be compared with that of a young process. */
const warmUpMin = 200;
/** Of the process itself: files that it opens lazily. */
const othersMore = 2;
const stuckAfterMs = 40_000;
const kinds: readonly Kind[] = [...requestKinds, ...streamKinds, ...upstreamKinds];

/** Every kind as often as the others, in an order of the seed. */
function plan(total: number, random: SeededRandom): readonly Kind[] {
  const rounds = Math.ceil(total / kinds.length);
  return random.shuffled(
    Array.from({ length: rounds }, () => kinds)
      .flat()
      .slice(0, total),
  );
}

async function withinTime(kind: Kind, run: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${kind.name}: stuck`)), stuckAfterMs);
  });
  try {
    await Promise.race([run, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function vanishAll(
  target: VanishTarget,
  ledger: Ledger,
  options: { readonly name: string; readonly total: number; readonly seed: number },
): Promise<void> {
  const random = createSeededRandom(options.seed);
  const queue = plan(options.total, random);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < queue.length; at = next++) {
      const kind = queue[at];
      if (kind === undefined) return;
      const one = {
        ...target,
        // Its own numbers: what one does must not depend on when the others run.
        random: createSeededRandom(options.seed * 100_003 + at),
        marker: `vanish/${options.name}-${at}`,
        sent: (marker: string) => void ledger.sent.add(marker),
        answered: (marker: string) => void ledger.answered.add(marker),
      };
      ledger.ran.set(kind.name, (ledger.ran.get(kind.name) ?? 0) + 1);
      await withinTime(kind, kind.run(one)).catch((cause: unknown) => {
        const why = cause instanceof Error ? cause.message : String(cause);
        ledger.failures.push(`${kind.name}: ${why}`);
      });
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}

async function targetOf(world: World): Promise<VanishTarget> {
  const minted = await world.holdgate(['token', '--identity', 'person', '--config', world.config]);
  if (minted.code !== 0) throw new Error(`holdgate token: ${minted.stderr}`);
  const { token } = JSON.parse(minted.stdout) as { readonly token: string };
  return {
    port: Number(new URL(world.dataUrl).port),
    ca: readFileSync(join(world.dataDirectory, 'tls', 'ca.crt'), 'utf8'),
    token,
    ...(await prepareNamespace(world)),
  };
}

const clusterOf = (name: string, server: string, { caFile }: ChaosUpstream): object => ({
  name,
  server,
  certificateAuthority: caFile,
  credential: { token: { env: 'HOLDGATE_PROVE_CHAOS_TOKEN' } },
});

const mib = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

function checkState(
  report: Report,
  { clusterMax, othersMax }: SettleFacts,
  before: Settled,
  after: Settled,
): void {
  const figures = ({ clients, chaos, cluster, others }: Settled): string =>
    `${clients} of clients, ${chaos} to the chaos upstream, ${cluster} to the cluster, ${others} other descriptors`;
  report.check(
    'connections and descriptors after all have vanished',
    `${figures(after)} (after warm-up: ${figures(before)})`,
    `0; <= 1 (the HTTP/2 session that is shared); <= ${clusterMax} (kept for the next request); <= ${othersMax} (as at the start, and ${othersMore})`,
    after.clients === 0 &&
      after.chaos <= 1 &&
      after.cluster <= clusterMax &&
      after.others <= othersMax,
  );
  report.check(
    'memory after all have vanished',
    `RSS ${mib(after.rssBytes)} MiB, heap ${mib(after.heapUsedBytes)} MiB; after warm-up RSS ${mib(before.rssBytes)} MiB, heap ${mib(before.heapUsedBytes)} MiB`,
    'RSS <= 1.1 x RSS after warm-up',
    after.rssBytes <= 1.1 * before.rssBytes,
  );
}

function checkLog(report: Report, gateway: Background, ledger: Ledger): void {
  const lines = gateway.output().split('\n');
  const count = (text: string): number => lines.filter((line) => line.includes(text)).length;
  const unforeseen = count('unforeseen failure') + count('a failed call could not be answered');
  const examples = lines.filter((line) => line.includes('unforeseen failure')).slice(0, 2);
  report.check(
    'unforeseen failures in the log',
    `${unforeseen} ${examples.join(' ').slice(0, 1500)}`.trim(),
    '0',
    unforeseen === 0,
  );
  const halves = ['half a request head', 'half an upgrade head'];
  const expected = halves.reduce((sum, name) => sum + (ledger.ran.get(name) ?? 0), 0);
  const logged = count('a request could not be parsed');
  report.check(
    'heads that never became requests',
    `${expected} sent, ${logged} broken connections logged`,
    'each is logged',
    logged >= expected,
  );
}

/**
 * Clients and upstreams that vanish, `total` times, before a gateway process of its own: nothing of them stays, each
 * request is on record once, and the gateway serves as before.
 */
export async function proveVanish(report: Report, total: number): Promise<void> {
  const random = createSeededRandom(seed);
  const directory = mkdtempSync(join(tmpdir(), 'holdgate-prove-chaos-'));
  const chaos = await createChaosUpstream(directory, random.bytes);
  const database = await createPostgresServer();
  const world = await createWorld('vanish', {
    databaseUrl: database.url,
    prepare: allowEverythingToPeople,
    clusters: [
      clusterOf('chaos', chaos.http1Url, chaos),
      clusterOf('chaos-h2', chaos.http2Url, chaos),
      clusterOf('chaos-tcp', chaos.tcpUrl, chaos),
      clusterOf('chaos-tls', chaos.tlsUrl, chaos),
    ],
    env: { HOLDGATE_PROVE_CHAOS_TOKEN: 'chaos' },
    gatewayEnv: { NODE_OPTIONS: '--inspect=127.0.0.1:0' },
  });
  try {
    const migrated = await world.holdgate(['migrate', '--config', world.config]);
    if (migrated.code !== 0) throw new Error(`holdgate migrate: ${migrated.stderr}`);
    const gateway = await world.startGateway();
    try {
      await proveOn({ world, gateway, chaos, databaseUrl: database.url }, report, total);
    } finally {
      await gateway.stop();
    }
  } finally {
    await world.close();
    await database.stop();
    await chaos.close();
  }
}

type Stage = {
  readonly world: World;
  readonly gateway: Background;
  readonly chaos: ChaosUpstream;
  readonly databaseUrl: string;
};

async function proveOn(stage: Stage, report: Report, total: number): Promise<void> {
  const { world, gateway, chaos, databaseUrl } = stage;
  const target = await targetOf(world);
  const ledger: Ledger = {
    sent: new Set(),
    answered: new Set(),
    ran: new Map(),
    failures: [],
  };
  const ports = {
    dataPort: target.port,
    chaosPorts: chaos.ports,
    clusterPort: Number(new URL(world.cluster.server).port),
    databasePort: Number(new URL(databaseUrl).port),
  };
  const facts = {
    ...ports,
    gateway,
    othersMax: connectionsOf(ports, gateway.child.pid ?? 0).others + othersMore,
    // The pool closes what is idle for 30 s; a short run does not wait for it.
    clusterMax: total > 1000 ? 5 : concurrency,
    withinMs: 60_000,
  };
  await vanishAll(target, ledger, { name: 'warm', total: Math.max(warmUpMin, total / 10), seed });
  const before = await settle(facts);
  const startedMs = performance.now();
  await vanishAll(target, ledger, { name: 'run', total, seed: seed + 1 });
  const seconds = (performance.now() - startedMs) / 1000;
  report.check(
    'clients and upstreams that vanish',
    `${total} in ${seconds.toFixed(0)} s, of ${kinds.length} kinds; ${ledger.failures.length} stuck or untold ${[...new Set(ledger.failures)].slice(0, 5).join('; ')}`,
    'every client is told, or leaves',
    ledger.failures.length === 0,
  );
  const after = await settle(facts);
  checkState(report, facts, before, after);
  const alive = gateway.child.exitCode === null && gateway.child.signalCode === null;
  report.check('the gateway process', alive ? 'lives' : 'ended', 'lives', alive);
  checkLog(report, gateway, ledger);
  checkRecords(report, await settledRecords(databaseUrl), ledger, chaos);
  await checkStillWorks(world, report);
}
