import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';
import { allowEverythingToPeople, createWorld } from '../prove/support/world.ts';
import { createLoad } from '../prove/support/load.ts';
import { run } from '../prove/support/processes.ts';

/**
 * `npm run bench`: what the gateway adds to a small read, side by side on a real control plane. Each round sends one
 * request directly and one through the gateway, in random order; figures are medians over rounds, as a ratio. The recorder is
 * the embedded database, durable; the comparison with other proxies comes with the streams.
 */
const target = '/api/v1/namespaces/default/configmaps/kube-root-ca.crt';
const warmUp = 200;
const rounds = 2000;

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

async function timed(call: () => Promise<number>): Promise<number> {
  const startedMs = performance.now();
  const status = await call();
  if (status !== 200)
    throw new Error(`a request was answered ${status}: the figures would mean nothing`);
  return performance.now() - startedMs;
}

const built = await run('npm', ['run', '--silent', 'build']);
if (built.code !== 0) throw new Error(built.stderr);
const world = await createWorld('bench', { prepare: allowEverythingToPeople });
const gateway = await world.startGateway();
const load = await createLoad(world);
const agent = new Agent({ connect: { ca: readFileSync(world.cluster.caFile) }, pipelining: 1 });
try {
  const direct = async (): Promise<number> => {
    const headers = { authorization: `Bearer ${world.cluster.gatewayToken.reveal()}` };
    const sent = await request(`${world.cluster.server}${target}`, { dispatcher: agent, headers });
    await sent.body.dump();
    return sent.statusCode;
  };
  const through = (): Promise<number> => load.get(target);
  for (let round = 0; round < warmUp; round += 1) await Promise.all([direct(), through()]);
  const times = { direct: [] as number[], through: [] as number[] };
  for (let round = 0; round < rounds; round += 1) {
    const directFirst = Math.random() < 0.5;
    if (directFirst) times.direct.push(await timed(direct));
    times.through.push(await timed(through));
    if (!directFirst) times.direct.push(await timed(direct));
  }
  for (const list of Object.values(times)) list.sort((one, other) => one - other);
  console.log(
    `GET of a ConfigMap, HTTP/1.1, warm connections, one at a time, ${rounds} rounds, milliseconds`,
  );
  for (const share of [0.5, 0.9, 0.99]) {
    const [one, other] = [percentile(times.direct, share), percentile(times.through, share)];
    const line = [
      `p${share * 100}`,
      `direct ${one.toFixed(2)}`,
      `through ${other.toFixed(2)}`,
      `ratio ${(other / one).toFixed(2)}`,
      `added ${(other - one).toFixed(2)}`,
    ];
    console.log(line.join('  '));
  }
} finally {
  await load.close();
  await agent.destroy();
  await gateway.stop();
  await world.close();
}
