import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { run } from '../support/processes.ts';

/** What a client is installed from, and how: the client is made once and kept in the cache of the machine's user. */
export type Tool = {
  /** The directory in the cache, with the version in it. */
  readonly name: string;
  /** Told to the person who waits. */
  readonly source: string;
  /** More than the name says about what is installed, a lock file say: another text, another installation. */
  readonly content?: string;
  /** Fills a directory that is empty and not yet in its place. */
  readonly install: (directory: string, run: InstallStep) => Promise<void>;
};

export type InstallStep = (
  program: string,
  args: readonly string[],
  options?: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> },
) => Promise<void>;

const installTimeoutMs = 900_000;
const errorShownMax = 600;

function cacheDirectory(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? '';
  return join(cache === '' ? join(homedir(), '.cache') : cache, 'holdgate-tools');
}

const step: InstallStep = async (program, args, options = {}) => {
  const done = await run(program, args, { ...options, timeoutMs: installTimeoutMs }).catch(
    (cause: unknown) => ({ code: -1, stdout: '', stderr: String(cause) }),
  );
  if (done.code !== 0) {
    const said = `${done.stderr}${done.stdout}`.trim().slice(-errorShownMax);
    throw new Error(`${program} ${args.join(' ')} ended with ${done.code}: ${said}`);
  }
};

/**
 * The directory of a tool, installed when it is not there; says on standard error what it installs and from where. A Python
 * environment names its own path, so that an installation is made in its place and its mark is written last: one that was
 * interrupted is made anew.
 */
export async function ensureTool(tool: Tool): Promise<string> {
  const directory = join(cacheDirectory(), tool.name);
  const mark = join(directory, '.installed');
  const content = tool.content ?? tool.name;
  if (existsSync(mark) && readFileSync(mark, 'utf8') === content) return directory;
  process.stderr.write(`installing ${tool.name} from ${tool.source} into ${directory}\n`);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  await tool.install(directory, step);
  writeFileSync(`${mark}.new`, content);
  renameSync(`${mark}.new`, mark);
  return directory;
}
