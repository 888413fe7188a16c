import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, subjectFile } from './support/build.ts';
import { startChild } from './support/child.ts';
import { counts, loadConnections } from './support/counts.ts';
import { gatewayConfig } from './support/gateway-config.ts';
import { pinThisProcess } from './support/machine.ts';
import { buildDirectory, probe, type LoadFigures } from './support/peers.ts';
import { targetOf, type Subject } from './support/subjects.ts';
import { openWorld } from './support/world.ts';
import { smallGet } from './scenarios/latency.ts';
import { list } from './scenarios/saturation.ts';

/** `npx tsx bench/profile.ts [--http1] [--list]`: where the gateway's CPU goes for a request, by function, self and total. */
type Node = {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
  readonly children?: readonly number[];
};
type Profile = {
  readonly nodes: readonly Node[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
};

const placeOf = ({ callFrame: { functionName, url, lineNumber } }: Node): string => {
  const file = url.replace(/^.*\/(dist|node_modules)\//, '$1/').replace(/^file:\/\//, '');
  return `${functionName || '(anonymous)'} ${file}${url === '' ? '' : `:${lineNumber + 1}`}`;
};

/** Self time by frame, and total time by frame of ours (counted once a sample, however deep it recurs). */
function summarize(profile: Profile) {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const parent = new Map<number, number>();
  for (const node of profile.nodes)
    for (const child of node.children ?? []) parent.set(child, node.id);
  const self = new Map<string, number>();
  const total = new Map<string, number>();
  let busy = 0;
  profile.samples.forEach((sample, at) => {
    const node = byId.get(sample);
    const delta = profile.timeDeltas[at] ?? 0;
    if (node === undefined || node.callFrame.functionName === '(idle)') return;
    busy += delta;
    self.set(placeOf(node), (self.get(placeOf(node)) ?? 0) + delta);
    const seen = new Set<string>();
    for (let id: number | undefined = sample; id !== undefined; id = parent.get(id)) {
      const frame = byId.get(id);
      if (frame !== undefined) seen.add(placeOf(frame));
    }
    for (const place of seen) total.set(place, (total.get(place) ?? 0) + delta);
  });
  return { self, total, busy };
}

function print(
  title: string,
  times: ReadonlyMap<string, number>,
  busy: number,
  cpuUs: number,
): void {
  console.log(`\n${title}: µs of a request's CPU, share`);
  const rows = [...times].toSorted((one, other) => other[1] - one[1]).slice(0, 90);
  for (const [place, us] of rows) {
    const share = us / busy;
    console.log(
      `${(share * cpuUs).toFixed(1).padStart(8)} ${(share * 100).toFixed(1).padStart(5)}%  ${place}`,
    );
  }
}

const { values } = parseArgs({
  options: {
    http1: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});
await build();
pinThisProcess();
const world = await openWorld(counts.small);
const file = join(buildDirectory, 'holdgate.cpuprofile');
try {
  const port = await world.freePort();
  const child = await startChild({
    name: 'holdgate',
    core: 'subject',
    command: [process.execPath, '--import', subjectFile('profiler'), subjectFile('holdgate'), file],
    logFile: join(world.directory, 'holdgate.log'),
    ready: /"message":"ready"/,
    spec: { config: gatewayConfig(world, { port }), peopleUrl: world.peopleUrl },
  });
  const subject: Subject = {
    name: 'holdgate',
    url: `https://127.0.0.1:${port}`,
    pids: [child.pid],
    token: world.tokens.agent,
    eventLoop: () => Promise.resolve(null),
    stop: child.stop,
  };
  const load = (warmSeconds: number, seconds: number): Promise<LoadFigures> =>
    probe<LoadFigures>('load', {
      target: targetOf(world, subject, values.http1 ? 'h1' : 'h2', values.list ? list : smallGet),
      connections: values.list ? 4 : loadConnections,
      warmSeconds,
      seconds,
    });
  const plain = await load(4, 4);
  child.signal('SIGHUP');
  const profiled = await load(0.2, 8);
  child.signal('SIGHUP');
  while (!child.output().includes('profiled')) await new Promise((done) => setTimeout(done, 50));
  await child.stop();
  const cpuUs = (plain.cpuSeconds / plain.requests) * 1e6;
  const { self, total, busy } = summarize(JSON.parse(readFileSync(file, 'utf8')) as Profile);
  console.log(
    `${profiled.requests} requests profiled; ${cpuUs.toFixed(0)} µs CPU each without the profiler`,
  );
  console.log(`the profile: ${file}`);
  print('self', self, busy, cpuUs);
  print('total', total, busy, cpuUs);
} finally {
  await world.close();
}
