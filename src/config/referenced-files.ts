import { accessSync, constants, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { valueAt } from './explain-issues.ts';
import type { ConfigPath, Finding } from './problem.ts';
import { configSchema, type Config } from './schema.ts';

/** Environment variables, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>;

type Kind = 'file' | 'directory' | 'program' | 'made';

/**
 * Where the configuration names files; `*` stands for each item of a list or mapping. `made` may come later: the gateway
 * makes it itself, or it is a bundle that a pipeline has yet to bring.
 */
const FILES: readonly (readonly [string, Kind])[] = [
  ['dataDirectory', 'made'],
  ['data.tls.certificateFile', 'file'],
  ['data.tls.keyFile', 'file'],
  ['people.tls.certificateFile', 'file'],
  ['people.tls.keyFile', 'file'],
  ['identity.issuers.*.certificateAuthority', 'file'],
  ['identity.people.*.certificateAuthority', 'file'],
  ['clusters.*.certificateAuthority', 'file'],
  ['clusters.*.kubeconfig.file', 'file'],
  ['clusters.*.credential.token.file', 'file'],
  ['clusters.*.credential.clientCertificate.certificateFile', 'file'],
  ['clusters.*.credential.clientCertificate.keyFile', 'file'],
  ['clusters.*.credential.serviceAccount.directory', 'directory'],
  ['database.url.file', 'file'],
  ['policies.directory', 'directory'],
  ['policies.bundle.file', 'made'],
  ['policies.bundle.token.file', 'file'],
  ['policies.bundle.certificateAuthority', 'file'],
  ['policies.verification.keys.*.publicKey', 'file'],
  ['policies.verification.keys.*.secret.file', 'file'],
  ['policies.opa', 'program'],
  ['record.deploymentKey.file', 'file'],
  ['record.anchors.file', 'made'],
  ['record.anchors.webhook.token.file', 'file'],
  ['record.sinks.*.certificateAuthority', 'file'],
  ['record.sinks.*.clientCertificate.certificateFile', 'file'],
  ['record.sinks.*.clientCertificate.keyFile', 'file'],
  ['record.sinks.*.secret.file', 'file'],
  ['record.sinks.*.token.file', 'file'],
];

const VARIABLES = [
  'clusters.*.credential.token.env',
  'database.url.env',
  'policies.bundle.token.env',
  'policies.verification.keys.*.secret.env',
  'record.deploymentKey.env',
  'record.anchors.webhook.token.env',
  'record.sinks.*.secret.env',
  'record.sinks.*.token.env',
];

/** The configuration with every path made absolute, relative ones counted from `baseDirectory`. */
export function withAbsolutePaths(config: Config, baseDirectory: string): Config {
  const copy: unknown = structuredClone(config);
  for (const [pattern, kind] of FILES) {
    for (const { path, text } of textsAt(config, pattern)) {
      // A bare program name is looked up on the PATH.
      if (kind === 'program' && !text.includes('/')) continue;
      const parent = valueAt(copy, path.slice(0, -1));
      const key = path.at(-1);
      if (typeof parent !== 'object' || parent === null || key === undefined) continue;
      Object.assign(parent, { [key]: resolve(baseDirectory, text) });
    }
  }
  return configSchema.parse(copy);
}

/** What is wrong with the files and environment variables that a configuration (with absolute paths) names. */
export function missingReferences(config: Config, environment: Environment): readonly Finding[] {
  const files = FILES.flatMap(([pattern, kind]) =>
    textsAt(config, pattern).flatMap(({ path, text }) => missingFile(path, text, kind)),
  );
  const variables = VARIABLES.flatMap((pattern) =>
    textsAt(config, pattern).flatMap(({ path, text }) => {
      const value = environment[text];
      if (value !== undefined && value.trim() !== '') return [];
      return [
        {
          path,
          problem: `environment variable ${text} is ${value === undefined ? 'not set' : 'empty'}`,
          expected: 'the name of a variable that holds the secret',
          fix: 'set it before the gateway starts, or name another',
        },
      ];
    }),
  );
  return [...files, ...variables];
}

function missingFile(path: ConfigPath, file: string, kind: Kind): readonly Finding[] {
  if (kind === 'made' || (kind === 'program' && !file.includes('/'))) return [];
  const problem = fileProblem(file, kind);
  if (problem === null) return [];
  return [
    {
      path,
      problem: `${file} ${problem}`,
      expected: `a ${kind} that can be read`,
      fix: 'correct the path (relative ones count from the configuration file), or make it readable',
    },
  ];
}

function fileProblem(file: string, kind: Kind): string | null {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return 'does not exist';
  if (stat.isDirectory() !== (kind === 'directory')) {
    return kind === 'directory' ? 'is no directory' : 'is a directory';
  }
  try {
    accessSync(file, kind === 'program' ? constants.X_OK : constants.R_OK);
    return null;
  } catch {
    return kind === 'program' ? 'may not be executed' : 'may not be read by this user';
  }
}

function textsAt(config: Config, pattern: string): { path: ConfigPath; text: string }[] {
  let paths: ConfigPath[] = [[]];
  for (const part of pattern.split('.')) {
    paths = paths.flatMap((path) => {
      if (part !== '*') return [[...path, part]];
      const items = valueAt(config, path);
      if (Array.isArray(items)) return items.map((_, index) => [...path, index]);
      if (typeof items !== 'object' || items === null) return [];
      return Object.keys(items).map((key) => [...path, key]);
    });
  }
  return paths.flatMap((path) => {
    const text = valueAt(config, path);
    return typeof text === 'string' ? [{ path, text }] : [];
  });
}
