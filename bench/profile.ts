import { mkdtempSync, readFileSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, subjectFile } from './support/build.ts';
import { startChild } from './support/child.ts';
import { counts, loadConnections } from './support/counts.ts';
import { gatewayConfig } from './support/gateway-config.ts';
import { pinThisProcess } from './support/machine.ts';
import { probe, type LoadFigures } from './support/peers.ts';
import { targetOf, type Subject } from './support/subjects.ts';
import { openWorld } from './support/world.ts';
import { smallGet } from './scenarios/latency.ts';

/** `npx tsx bench/profile.ts`: where the gateway's CPU goes for a small GET, by function and by file, self and total time. */
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
  requests: number,
): void {
  console.log(`\n${title}: µs a request, share`);
  const rows = [...times].toSorted((one, other) => other[1] - one[1]).slice(0, 60);
  for (const [place, us] of rows) {
    console.log(
      `${(us / requests).toFixed(1).padStart(8)} ${((us / busy) * 100).toFixed(1).padStart(5)}%  ${place}`,
    );
  }
}

await build();
pinThisProcess();
const world = await openWorld(counts.small);
const profiles = mkdtempSync(join(tmpdir(), 'holdgate-profile-'));
try {
  const port = await world.freePort();
  const child = await startChild({
    name: 'holdgate',
    core: 'subject',
    command: [process.execPath, '--cpu-prof', '--cpu-prof-dir', profiles, subjectFile('holdgate')],
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
  const load = await probe<LoadFigures>('load', {
    target: targetOf(world, subject, 'h2', smallGet),
    connections: loadConnections,
    warmSeconds: 0.1,
    seconds: 15,
  });
  await child.stop();
  const file = readdirSync(profiles)[0] ?? '';
  const { self, total, busy } = summarize(
    JSON.parse(readFileSync(join(profiles, file), 'utf8')) as Profile,
  );
  console.log(
    `${load.requests} requests, ${((load.cpuSeconds / load.requests) * 1e6).toFixed(0)} µs CPU each`,
  );
  console.log(`the profile: ${join(profiles, file)}`);
  print('self', self, busy, load.requests);
  print('total', total, busy, load.requests);
} finally {
  await world.close();
}
