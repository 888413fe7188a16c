import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { packageDirectory } from '../../src/config/index.ts';
import { findOpa, policyReference, policySchemaJson } from '../../src/decide/index.ts';
import { cliReference } from '../../src/cli/help.ts';
import { commands } from '../../src/cli/run.ts';
import { configurationMarkdown, configurationSchemaJson } from './docs-configuration.ts';
import { errorsMarkdown } from './docs-errors.ts';

/**
 * A committed file that is written by a program: its path in the project, and what must stand in it. With `part`, only
 * what is between the two markers is written, and the rest of the file is kept.
 */
type Generated = {
  readonly file: string;
  readonly render: () => string | Promise<string>;
  readonly part?: true;
};

const BEGIN = '<!-- generated: begin -->';
const END = '<!-- generated: end -->';

/** Every generated file. Add a line here, and `npm run docs` writes it and `npm run check` watches it. */
const generated: readonly Generated[] = [
  { file: 'deploy/holdgate.schema.json', render: configurationSchemaJson },
  { file: 'deploy/policy/schema.json', render: policySchemaJson },
  { file: 'deploy/policy/capabilities.json', render: opaCapabilities },
  { file: 'docs/configuration.md', render: configurationMarkdown },
  { file: 'docs/cli.md', render: () => cliReference(commands) },
  { file: 'docs/errors.md', render: errorsMarkdown },
  { file: 'docs/policies.md', render: policyReference, part: true },
];

/** The capabilities of our own, from those of the opa that npm installed. */
async function opaCapabilities(): Promise<string> {
  const opa = await findOpa({});
  if (!opa.ok) throw new Error(opa.error);
  return opa.value.capabilities;
}

/** Writes what is stale; with `--check` writes nothing and exits 1 where something is. */
async function main(check: boolean): Promise<number> {
  let stale = 0;
  for (const { file, render, part } of generated) {
    const path = join(packageDirectory, file);
    const current = existsSync(path) ? readFileSync(path, 'utf8') : null;
    const rendered = await render();
    const text = await formatted(path, part ? between(file, current ?? '', rendered) : rendered);
    if (current === text) continue;
    stale += 1;
    if (check) {
      console.error(`${file} is ${current === null ? 'missing' : 'stale'}: run \`npm run docs\``);
    } else {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
      console.log(`wrote ${file}`);
    }
  }
  if (stale === 0) console.log(`${generated.length} generated files are up to date`);
  return check && stale > 0 ? 1 : 0;
}

/** The file with what is between its markers replaced. */
function between(file: string, current: string, text: string): string {
  const [begin, end] = [current.indexOf(BEGIN), current.indexOf(END)];
  if (begin < 0 || end < begin) {
    throw new Error(
      `${file} must hold ${BEGIN} and, after it, ${END}: write them where the generated part belongs`,
    );
  }
  return `${current.slice(0, begin)}${BEGIN}\n\n${text.trim()}\n\n${current.slice(end)}`;
}

/** Markdown as prettier would leave it, so that `prettier --check` and this program agree. */
async function formatted(path: string, text: string): Promise<string> {
  if (!path.endsWith('.md')) return text;
  return format(text, { ...(await resolveConfig(path)), filepath: path });
}

process.exitCode = await main(process.argv.includes('--check'));
