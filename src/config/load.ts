import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errorText } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import { crossChecks } from './cross-checks.ts';
import { explainIssues } from './explain-issues.ts';
import { shippedPoliciesDirectory } from './paths.ts';
import { pathText, type ConfigProblem, type Finding } from './problem.ts';
import { missingReferences, withAbsolutePaths, type Environment } from './referenced-files.ts';
import { configSchema, type Config } from './schema.ts';
import { parseYaml } from './yaml-source.ts';

/** No configuration comes near; a larger file is some other file. */
const configBytesMax = 1024 * 1024;

/**
 * Reads the configuration file, or takes every default where `file` is null. In the answer all paths are absolute
 * (relative ones count from the file's folder, without a file from the working directory), `policies.directory` is
 * set unless there is a bundle, and every file and environment variable that it names is there. All problems are reported at once.
 */
export async function loadConfig(
  file: string | null,
  environment: Environment,
): Promise<Result<Config, ConfigProblem[]>> {
  if (file === null) {
    const place = ({ path, ...said }: Finding): ConfigProblem => ({
      file: 'built-in defaults',
      line: 0,
      column: 0,
      path: pathText(path),
      ...said,
    });
    return complete({}, process.cwd(), environment, place);
  }
  const path = resolve(file);
  const text = await readText(path);
  if (!text.ok) return text;
  const source = parseYaml(path, text.value);
  if (!source.ok) return source;
  // An empty file, or one of comments, is the defaults: written down on purpose.
  const { data, locate } = source.value;
  return complete(data ?? {}, dirname(path), environment, locate);
}

function complete(
  data: unknown,
  baseDirectory: string,
  environment: Environment,
  locate: (finding: Finding) => ConfigProblem,
): Result<Config, ConfigProblem[]> {
  const parsed = configSchema.safeParse(data);
  if (!parsed.success) return err(inOrder(explainIssues(parsed.error.issues, data).map(locate)));
  const config = withAbsolutePaths(parsed.data, baseDirectory);
  const findings = [...crossChecks(config), ...missingReferences(config, environment)];
  if (findings.length > 0) return err(inOrder(findings.map(locate)));
  if (config.policies.bundle !== undefined) return ok(config);
  const directory = config.policies.directory ?? shippedPoliciesDirectory;
  return ok({ ...config, policies: { ...config.policies, directory } });
}

/** In the order of the file, so that it can be mended from top to bottom. */
const inOrder = (problems: ConfigProblem[]): ConfigProblem[] =>
  problems.sort((one, other) => one.line - other.line || one.column - other.column);

async function readText(file: string): Promise<Result<string, ConfigProblem[]>> {
  const wrong = (problem: string, fix: string): Result<never, ConfigProblem[]> =>
    err([
      {
        file,
        line: 0,
        column: 0,
        path: '',
        problem,
        expected: 'a YAML file of configuration',
        fix,
      },
    ]);
  try {
    const { size } = await stat(file);
    if (size > configBytesMax) {
      return wrong(`is larger than ${configBytesMax} bytes`, 'name the configuration file');
    }
    const bytes = await readFile(file);
    return ok(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    return wrong(`could not be read: ${errorText(cause)}`, 'correct the path, or make it readable');
  }
}
