import { scenarios, type Context, type Outcome, type Scenario } from './scenarios/all.ts';
import { UnsteadyError } from './scenarios/latency.ts';
import {
  readBaseline,
  worseMax,
  worseThan,
  writeBaseline,
  type Baseline,
} from './support/baseline.ts';
import { build } from './support/build.ts';
import type { Counts } from './support/counts.ts';
import { cores, describeMachine, pinThisProcess } from './support/machine.ts';
import { printFigures } from './support/print.ts';
import { writeReport, type Report } from './support/report.ts';
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
import { openWorld, type World } from './support/world.ts';

export type BenchOptions = {
  readonly counts: Counts;
  /** Names of scenarios; null for all. */
  readonly only: readonly string[] | null;
  /** Go on where the direct path is unsteady. The figures are then rough, and no committed file is written. */
  readonly acceptNoise: boolean;
  readonly writeBaseline: boolean;
};

type Started = { readonly subjects: Subject[]; readonly absent: Absent[] };

async function startSubjects(world: World): Promise<Started> {
  const started: Started = { subjects: [directSubject(world)], absent: [] };
  // A small run has the peers that its ratios are made of.
  const more = [() => startGoProxy(world, 'h1'), () => startKubeRbacProxy(world)];
  const peers = [
    () => startGoProxy(world, 'h2'),
    () => startNginx(world),
    () => startRawProxy(world),
    ...(world.counts.name === 'full' ? more : []),
    () => startHoldgate(world),
  ];
  try {
    for (const start of peers) {
      const one = await start();
      if (isAbsent(one)) started.absent.push(one);
      else started.subjects.push(one);
    }
  } catch (cause) {
    for (const subject of started.subjects) await subject.stop();
    throw cause;
  }
  for (const { name, why } of started.absent) console.log(`SKIPPED ${name}: ${why}`);
  return started;
}

function isWanted({ name, fullOnly }: Scenario, { only, counts }: BenchOptions): boolean {
  if (only !== null) return only.includes(name);
  return counts.name === 'full' || fullOnly !== true;
}

async function runScenario(scenario: Scenario, context: Context): Promise<Outcome> {
  console.log(`\n## ${scenario.name}: ${scenario.title}`);
  const startedMs = performance.now();
  const outcome = await scenario.run(context);
  console.table(outcome.table);
  printFigures(outcome.figures);
  console.log(`(${((performance.now() - startedMs) / 1000).toFixed(0)} s)`);
  return outcome;
}

const runsMax = 5;
const worseRunsMax = 3;

/**
 * Figures that are worse than the baseline are measured again, up to five runs in all: three worse ones are a
 * regression, three good ones are none.
 */
async function gate(
  baseline: Baseline,
  outcomes: ReadonlyMap<Scenario, Outcome>,
  context: Context,
): Promise<string[]> {
  const regressions: string[] = [];
  for (const [scenario, outcome] of outcomes) {
    const worse = new Map(worseThan(baseline, outcome.figures).map(({ id }) => [id, 1]));
    for (let runs = 1; worse.size > 0 && runs < runsMax; runs += 1) {
      console.log(`\nworse than the baseline, once more: ${[...worse.keys()].join(', ')}`);
      const again = await runScenario(scenario, context);
      const now = new Set(worseThan(baseline, again.figures).map(({ id }) => id));
      for (const [id, times] of worse) {
        const count = times + (now.has(id) ? 1 : 0);
        worse.set(id, count);
        if (count >= worseRunsMax) regressions.push(id);
        if (count >= worseRunsMax || runs + 1 - count >= runsMax - worseRunsMax + 1)
          worse.delete(id);
      }
    }
  }
  return regressions;
}

async function judge(
  report: Report,
  outcomes: ReadonlyMap<Scenario, Outcome>,
  context: Context,
  options: BenchOptions,
): Promise<number> {
  const broken = report.figures.filter((one) => one.failed === true);
  for (const { what, note } of broken) console.log(`FAILED ${what}: ${note ?? ''}`);
  if (options.writeBaseline) writeBaseline(report.machine, report.figures);
  const baseline = readBaseline();
  if (options.counts.name !== 'small' || options.writeBaseline) return broken.length > 0 ? 1 : 0;
  if (baseline === null) {
    console.log('no bench/baseline.json: nothing to compare with (--write-baseline makes one)');
    return 1;
  }
  const regressions = await gate(baseline, outcomes, context);
  for (const id of regressions) {
    console.log(
      `REGRESSION ${id}: worse than ${worseMax} times the baseline in ${worseRunsMax} runs`,
    );
  }
  return broken.length + regressions.length > 0 ? 1 : 0;
}

/** Builds, starts everything, runs the scenarios, reports and judges. Returns the exit code. */
export async function runBench(options: BenchOptions): Promise<number> {
  const startedMs = performance.now();
  const machine = describeMachine();
  await build();
  pinThisProcess();
  console.log(machine);
  if (cores === null) console.log('NOT pinned to cores: no taskset, or one core');
  const world = await openWorld(options.counts);
  const started = await startSubjects(world);
  let ended = false;
  try {
    const context = { world, subjects: started.subjects, acceptNoise: options.acceptNoise };
    const outcomes = new Map<Scenario, Outcome>();
    for (const scenario of scenarios) {
      if (!isWanted(scenario, options)) continue;
      outcomes.set(scenario, await runScenario(scenario, context));
    }
    const report: Report = {
      machine,
      counts: options.counts.name,
      rough: options.acceptNoise,
      absent: started.absent,
      figures: [...outcomes.values()].flatMap(({ figures }) => figures),
      tables: [...outcomes].map(([{ name, title }, { table }]) => ({ name, title, table })),
      seconds: Math.round((performance.now() - startedMs) / 1000),
    };
    await writeReport(report, options.only === null);
    const code = await judge(report, outcomes, context, options);
    ended = true;
    console.log(`\n${((performance.now() - startedMs) / 1000).toFixed(0)} s in all`);
    return code;
  } catch (cause) {
    if (cause instanceof UnsteadyError) ended = true;
    throw cause;
  } finally {
    for (const subject of started.subjects) await subject.stop();
    await world.close(!ended);
    if (!ended) console.error(`the logs of the processes are in ${world.directory}`);
  }
}
