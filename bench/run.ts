import { build } from './support/build.ts';
import type { Counts } from './support/counts.ts';
import type { Figure } from './support/figures.ts';
import { cores, describeMachine, pinThisProcess } from './support/machine.ts';
import { printFigures } from './support/print.ts';
import {
  directSubject,
  isAbsent,
  startGoProxy,
  startHoldgate,
  startKubeRbacProxy,
  startNginx,
  startRawProxy,
  type Absent,
  type Subject,
} from './support/subjects.ts';
import { openWorld } from './support/world.ts';
import { decisions, growth } from './scenarios/decisions.ts';
import { durable } from './scenarios/durable.ts';
import { execStreams } from './scenarios/exec.ts';
import { freshConnections, latency } from './scenarios/latency.ts';
import { lists, openLoop, saturation } from './scenarios/saturation.ts';
import { leavers, watches } from './scenarios/watches.ts';

export type BenchOptions = {
  readonly counts: Counts;
  /** Names of scenarios; null for all. */
  readonly only: readonly string[] | null;
  /** Go on where the direct path is unsteady: the figures are then marked rough, and not written. */
  readonly acceptNoise: boolean;
  readonly writeBaseline: boolean;
};

export async function runBench(options: BenchOptions): Promise<number> {
  await build();
  const machine = describeMachine();
  pinThisProcess();
  console.log(machine, cores === null ? 'NOT pinned' : 'pinned');
  const world = await openWorld(options.counts);
  const subjects: Subject[] = [];
  const absent: Absent[] = [];
  let ended = false;
  const add = (one: Subject | Absent): void => {
    if (isAbsent(one)) absent.push(one);
    else subjects.push(one);
  };
  try {
    add(directSubject(world));
    add(await startGoProxy(world, 'h2'));
    add(await startGoProxy(world, 'h1'));
    add(await startNginx(world));
    add(await startKubeRbacProxy(world));
    add(await startRawProxy(world));
    add(await startHoldgate(world));
    for (const { name, why } of absent) console.log(`skipped: ${name}: ${why}`);
    const wanted = (name: string): boolean => options.only?.includes(name) ?? true;
    const all: Figure[] = [];
    const note = (name: string, done: { figures: readonly Figure[]; table: object }): void => {
      console.log(`\n${name}`);
      console.table(done.table);
      all.push(...done.figures);
      printFigures(done.figures);
    };
    for (const protocol of ['h2', 'h1'] as const) {
      if (wanted('latency'))
        note(`latency ${protocol}`, await latency(world, subjects, protocol, options.acceptNoise));
      if (wanted('saturation'))
        note(`saturation ${protocol}`, await saturation(world, subjects, protocol));
    }
    if (wanted('fresh')) note('fresh', await freshConnections(world, subjects));
    if (wanted('list')) note('list', await lists(world, subjects));
    if (wanted('durable')) note('durable', await durable(world, subjects));
    if (wanted('watches')) note('watches', await watches(world));
    if (wanted('exec')) note('exec', await execStreams(world, subjects));
    if (wanted('decisions')) note('decisions', await decisions(world));
    if (wanted('growth')) note('growth', await growth(world));
    if (wanted('open')) note('open loop', await openLoop(world, subjects));
    ended = true;
  } finally {
    for (const subject of subjects) await subject.stop();
    await world.close(!ended);
    if (!ended) console.error(`the logs of the processes are in ${world.directory}`);
  }
  return 0;
}
