import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import type { Table } from '../scenarios/all.ts';
import { meets, targetText, valueText, type Figure } from './figures.ts';
import type { Machine } from './machine.ts';
import { benchDirectory, buildDirectory } from './peers.ts';
import type { Absent } from './subjects.ts';

export type Report = {
  readonly machine: Machine;
  readonly counts: string;
  /** Measured on a machine known to be busy. */
  readonly rough: boolean;
  readonly absent: readonly Absent[];
  readonly figures: readonly Figure[];
  readonly tables: readonly {
    readonly name: string;
    readonly title: string;
    readonly table: Table;
  }[];
  readonly seconds: number;
};

const page = join(benchDirectory, '../docs/performance.md');
const results = join(benchDirectory, 'results');

/** A whole full run on a quiet machine becomes the committed result; any other stays in the build directory. */
export async function writeReport(report: Report, whole: boolean): Promise<void> {
  const json = `${JSON.stringify(report, null, 2)}\n`;
  if (!whole || report.rough || report.counts !== 'full') {
    const file = join(buildDirectory, `${report.counts}.json`);
    writeFileSync(file, json);
    console.log(`\nwrote ${file}`);
    return;
  }
  mkdirSync(results, { recursive: true });
  const file = join(results, 'latest.json');
  writeFileSync(file, await formatted(file, json));
  writeFileSync(page, await formatted(page, markdown(report)));
  console.log(`\nwrote ${file} and ${page}`);
}

const formatted = async (filepath: string, text: string): Promise<string> =>
  format(text, { ...(await resolveConfig(filepath)), filepath });

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

const row = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;

function verdict(figure: Figure): string {
  if (figure.failed === true) return '**failed**';
  const met = meets(figure);
  if (met === null) return '';
  return met ? 'met' : '**missed**';
}

function figureRow(figure: Figure): string {
  const { value, unit, spread, note } = figure;
  const range = spread === undefined ? '' : `${valueText(spread[0])} – ${valueText(spread[1])}`;
  const shown = value === null ? 'n/a' : `${valueText(value)} ${unit}`;
  const what = note === undefined ? figure.what : `${figure.what} (${note})`;
  return row([what, shown, range, targetText(figure), verdict(figure)]);
}

function tableText(table: Table): string {
  const names = [...new Set(Object.values(table).flatMap((one) => Object.keys(one)))];
  const shown = (value: number | string | null | undefined): string =>
    typeof value === 'number' ? valueText(value) : (value ?? '');
  return [
    row(['', ...names]),
    row(['---', ...names.map(() => '---:')]),
    ...Object.entries(table).map(([name, values]) =>
      row([name, ...names.map((column) => shown(values[column]))]),
    ),
  ].join('\n');
}

/** The page: every figure with its target, then what was measured, then how. */
function markdown(report: Report): string {
  const { machine, absent, figures, tables } = report;
  const versions = Object.entries(machine.versions).map(
    ([name, version]) => `${name} (${version})`,
  );
  return `# Performance

Written by \`npm run bench\`; [bench/README.md](../bench/README.md) says how it measures and what the names mean. The
raw figures are in [bench/results/latest.json](../bench/results/latest.json).

Measured on ${machine.date}: ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}; load average
${machine.loadBefore} before the run. ${versions.join(', ')}. Subjects ran on one core, load and upstream on another.
${absent.map(({ name, why }) => `Not measured: ${name}, ${why}.`).join(' ')}

Times depend on the machine; the ratios are what to compare. "Added" is the time above the direct request of the same
round.

## Figures and targets

${[row(['what', 'median', 'lowest – highest', 'target', '']), row(['---', '---:', '---:', '---:', '---']), ...figures.map(figureRow)].join('\n')}

## What was measured

${tables
  .filter(({ table }) => Object.keys(table).length > 0)
  .map(({ title, table }) => `### ${title}\n\n${tableText(table)}`)
  .join('\n\n')}
`;
}
