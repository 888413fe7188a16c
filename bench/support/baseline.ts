import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchDirectory } from './peers.ts';
import { worsening, type Figure } from './figures.ts';
import type { Machine } from './machine.ts';

/** The committed ratios that a small run is compared with. */
export type Baseline = {
  readonly machine: Machine;
  readonly figures: Readonly<Record<string, number>>;
};

const file = join(benchDirectory, 'baseline.json');

export function readBaseline(): Baseline | null {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Baseline) : null;
}

export function writeBaseline(machine: Machine, figures: readonly Figure[]): void {
  const kept = figures
    .filter(({ gate, value }) => gate === true && value !== null)
    .map(({ id, value }): [string, number] => [id, Number((value ?? 0).toPrecision(3))]);
  const baseline = { machine, figures: Object.fromEntries(kept) };
  writeFileSync(file, `${JSON.stringify(baseline, null, 2)}\n`);
}

/** A ratio this many times worse than the baseline's is a regression; less is what machines differ by. */
export const worseMax = 1.25;

/** The figures of a run that are too much worse than the baseline. Only ratios are compared, never times. */
export function worseThan(baseline: Baseline, figures: readonly Figure[]): Figure[] {
  return figures.filter((one) => {
    const before = baseline.figures[one.id];
    const factor = before === undefined || one.gate !== true ? null : worsening(one, before);
    return factor !== null && factor > worseMax;
  });
}
