import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { clientCounts, proveClients } from './clients.ts';
import { counts, provePath } from './path.ts';
import { proveRecord, recordCounts } from './record.ts';
import { run } from './support/processes.ts';
import { createReport, reportTable, type Report } from './support/report.ts';

/**
 * `npm run prove -- <area> [topics] [--counts full|small] [--write]`: an issue's acceptance on a real control plane, each figure
 * beside its bound; some areas can be run by topic. `--write` keeps the output in docs/proofs.md.
 */
type Area = (report: Report, size: 'full' | 'small', only: readonly string[]) => Promise<void>;

const areas: Readonly<Record<string, Area>> = {
  clients: (report, size, only) => proveClients(report, clientCounts[size], only),
  path: (report, size) => provePath(report, counts[size]),
  record: (report, size) => proveRecord(report, recordCounts[size]),
};

const { values, positionals } = parseArgs({
  options: {
    counts: { type: 'string', default: 'full' },
    write: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const [area = '', ...only] = positionals;
const prove = areas[area];
const size = values.counts === 'small' ? 'small' : 'full';
if (prove === undefined) {
  console.error(`prove what? one of: ${Object.keys(areas).join(', ')}`);
  process.exit(2);
}

const built = await run('npm', ['run', '--silent', 'build']);
if (built.code !== 0) throw new Error(`the build failed:\n${built.stdout}${built.stderr}`);
const report = createReport((line) => console.log(line));
try {
  await prove(report, size, only);
} catch (cause) {
  console.error(cause);
  report.check(
    `${area}: ran to its end`,
    cause instanceof Error ? cause.message : String(cause),
    'no failure',
    false,
  );
}
const passed = report.checks.filter((check) => check.passed).length;
const failed = report.checks.length - passed;
if (values.write) {
  const gib = Math.round(totalmem() / 2 ** 30);
  const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${gib} GiB, Linux ${release()}, Node ${process.version}`;
  const title =
    '# Proofs\n\nThe last output of `npm run prove`, by area. Made by the program; not edited.\n';
  const section = `## ${area} (${size} counts)\n\n${new Date().toISOString()}, ${machine}\n\n${reportTable(report.checks)}\n\n${passed} passed, ${failed} failed\n`;
  const file = 'docs/proofs.md';
  const before = existsSync(file)
    ? readFileSync(file, 'utf8')
        .split(/^(?=## )/m)
        .slice(1)
    : [];
  const others = before.filter((text) => !text.startsWith(`## ${area} (`));
  const sections = [...others.map((text) => `${text.trimEnd()}\n`), section].toSorted();
  writeFileSync(file, [title, ...sections].join('\n'));
  await run('node_modules/.bin/prettier', ['--write', file]);
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
