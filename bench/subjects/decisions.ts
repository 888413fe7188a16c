import { text } from 'node:stream/consumers';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { createPolicies, problemText, type PolicyInput } from '../../src/decide/index.ts';
import { maskPathProblem } from '../../src/mask/index.ts';

/**
 * Decisions of a policies folder, through the gateway's own loader and engine: how many a second of one core, and how
 * long one takes. Every input differs in its name, as real ones do.
 */
type Case = { readonly policies: string; readonly input: PolicyInput; readonly count: number };
type Spec = { readonly cases: readonly Case[]; readonly blocks: number };

const warmUp = 3000;
const spec = JSON.parse(await text(process.stdin)) as Spec;

async function load(directory: string) {
  const startedMs = performance.now();
  const opened = await createPolicies({
    directory,
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
  return { policy, loadedMs: performance.now() - startedMs };
}

const inputOf = ({ input }: Case, number: number): PolicyInput => ({
  ...input,
  request: { ...input.request, name: `${input.request.name}-${number}` },
});

type Block = { readonly p50Us: number; readonly p99Us: number; readonly cpuUs: number };

const runners: {
  decide: (number: number) => Promise<void>;
  one: Case;
  blocks: Block[];
  loadedMs: number;
  verdicts: Set<string>;
}[] = [];
for (const one of spec.cases) {
  const { policy, loadedMs } = await load(one.policies);
  const verdicts = new Set<string>();
  const decide = async (number: number): Promise<void> => {
    const { verdict, failure } = await policy.decide(inputOf(one, number));
    if (failure !== undefined) throw new Error(failure);
    verdicts.add(verdict);
  };
  runners.push({ decide, one, blocks: [], loadedMs, verdicts });
}
for (const { decide, one } of runners)
  for (let number = 0; number < Math.min(one.count, warmUp); number += 1) await decide(number);

/** Cases in turn, block by block, so that a busy moment meets them all. */
const residentBefore = process.memoryUsage.rss();
for (let block = 0; block < spec.blocks; block += 1) {
  for (const { decide, one, blocks } of runners) {
    const times: number[] = [];
    const cpu = process.cpuUsage();
    for (let number = 0; number < one.count; number += 1) {
      const from = process.hrtime.bigint();
      await decide(number);
      times.push(Number(process.hrtime.bigint() - from) / 1000);
    }
    const used = process.cpuUsage(cpu);
    times.sort((left, right) => left - right);
    const at = (share: number): number => times[Math.floor(times.length * share)] ?? Number.NaN;
    const cpuUs = (used.user + used.system) / one.count;
    blocks.push({ p50Us: at(0.5), p99Us: at(0.99), cpuUs });
  }
}
const residentGrowth = process.memoryUsage.rss() / residentBefore;
const figures = runners.map(({ blocks, loadedMs, verdicts }) => ({
  blocks,
  loadedMs,
  verdicts: [...verdicts],
  residentGrowth,
}));
process.stdout.write(`figures ${JSON.stringify(figures)}\n`);
process.exit(0);
