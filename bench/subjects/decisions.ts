import { text } from 'node:stream/consumers';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { createPolicies, problemText, type PolicyInput } from '../../src/decide/index.ts';
import { maskPathProblem } from '../../src/mask/index.ts';

/**
 * Decisions of a policies folder, through the gateway's own loader and engine: how many a second of one core, and how
 * long one takes. Every input differs in its name, as real ones do.
 */
type Spec = {
  readonly policies: string;
  readonly input: PolicyInput;
  readonly count: number;
  readonly blocks: number;
};

const spec = JSON.parse(await text(process.stdin)) as Spec;
const startedMs = performance.now();
const opened = await createPolicies({
  directory: spec.policies,
  opa: { searchPath: process.env['PATH'] },
  approverGroups: null,
  isMaskPath: maskPathProblem,
  log: silentLog,
  clock: systemClock,
  watch: false,
  keepSources: async () => {},
  onChange: () => {},
});
if (!opened.ok) throw new Error(opened.error.map(problemText).join('\n'));
const policy = opened.value.current();
if (policy === null) throw new Error(opened.value.problems().map(problemText).join('\n'));
const loadedMs = performance.now() - startedMs;

const inputOf = (number: number): PolicyInput => ({
  ...spec.input,
  request: { ...spec.input.request, name: `${spec.input.request.name}-${number}` },
});

const microseconds = (from: bigint, to: bigint): number => Number(to - from) / 1000;
const verdicts = new Set<string>();
const once = async (number: number): Promise<void> => {
  const { verdict, failure } = await policy.decide(inputOf(number));
  if (failure !== undefined) throw new Error(failure);
  verdicts.add(verdict);
};
for (let number = 0; number < Math.min(spec.count, 3000); number += 1) await once(number);

const residentBefore = process.memoryUsage.rss();
const blocks: { p50Us: number; p99Us: number; cpuUs: number }[] = [];
for (let block = 0; block < spec.blocks; block += 1) {
  const times: number[] = [];
  const cpu = process.cpuUsage();
  for (let number = 0; number < spec.count; number += 1) {
    const from = process.hrtime.bigint();
    await once(number);
    times.push(microseconds(from, process.hrtime.bigint()));
  }
  const used = process.cpuUsage(cpu);
  times.sort((one, other) => one - other);
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? Number.NaN;
  blocks.push({
    p50Us: at(0.5),
    p99Us: at(0.99),
    cpuUs: (used.user + used.system) / spec.count,
  });
}
const figures = {
  loadedMs,
  blocks,
  verdicts: [...verdicts],
  residentGrowth: process.memoryUsage.rss() / residentBefore,
};
process.stdout.write(`figures ${JSON.stringify(figures)}\n`);
process.exit(0);
