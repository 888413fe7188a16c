import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Lines of code, tests, rules, scripts and documents. Generated files and lock files are nobody's reading. */
const measured = /\.(ts|tsx|mjs|sql|rego|sh|go|md|ya?ml)$/;
const skippedDirectories = new Set(['node_modules', 'dist', '.git', '.holdgate', 'coverage']);
const skippedFiles = /^(docs\/(cli|configuration|errors)\.md|migrations\/meta\/.*)$/;

/** A file that says so in its first lines, with a reason, may be longer. */
const excuse = /max-lines -- \S+/;
const EXCUSE_WITHIN_LINES = 5;

/** How many lines a file may have: doors 30, README 200, tests and their kind 500, all else 300. */
export function linesMax(file: string): number {
  if (/^src\/[^/]+\/index\.ts$/.test(file)) return 30;
  if (file === 'README.md') return 200;
  return /^(test|bench|prove)\//.test(file) || file.endsWith('_test.rego') ? 500 : 300;
}

/** What is wrong with the length of one file, or null. */
export function lengthProblem(file: string, text: string): string | null {
  if (!measured.test(file) || skippedFiles.test(file)) return null;
  const lines = text.replace(/\n$/, '').split('\n');
  const max = linesMax(file);
  if (lines.length <= max) return null;
  if (max > 30 && excuse.test(lines.slice(0, EXCUSE_WITHIN_LINES).join('\n'))) return null;
  return `${file} has ${lines.length} lines, more than ${max}: split it, or say "max-lines -- why" in its first lines`;
}

function* filesUnder(directory: string): Generator<string> {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory() && !skippedDirectories.has(entry.name)) yield* filesUnder(path);
    else if (entry.isFile()) yield path;
  }
}

/** The problems of all files under a directory. */
export function lengthProblems(root: string): string[] {
  return [...filesUnder(root)]
    .map((path) => relative(root, path).replaceAll('\\', '/'))
    .filter((file) => measured.test(file))
    .map((file) => lengthProblem(file, readFileSync(join(root, file), 'utf8')))
    .filter((problem) => problem !== null)
    .sort();
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const problems = lengthProblems(fileURLToPath(new URL('../..', import.meta.url)));
  for (const problem of problems) process.stdout.write(`${problem}\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
