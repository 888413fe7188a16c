import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { silentLog } from '../../src/base/log.ts';
import { startControlPlane, type ControlPlane } from '../../src/local/control-plane.ts';
import { freePorts } from '../../src/local/free-ports.ts';
import { findPrograms } from './programs.ts';
import { run, start, type Background, type Finished } from './processes.ts';

const repository = resolve(import.meta.dirname, '../..');
export const program = join(repository, 'dist/main.js');

/** A real control plane and a gateway process before it, in a directory of their own. */
export type World = {
  readonly directory: string;
  readonly cluster: ControlPlane;
  readonly kubectl: string;
  readonly config: string;
  readonly policies: string;
  readonly dataUrl: string;
  readonly peopleUrl: string;
  readonly dataDirectory: string;
  /** Kubeconfigs of the local identities; the person is the one that policy allows everything. */
  readonly agentKubeconfig: string;
  readonly personKubeconfig: string;
  readonly startGateway: () => Promise<Background>;
  readonly holdgate: (args: readonly string[], input?: string) => Promise<Finished>;
  readonly close: () => Promise<void>;
};

export type WorldOptions = {
  readonly databaseUrl?: string;
  /** Changes the copy of the starter policies before anything reads it. */
  readonly prepare?: (policies: string) => void;
  /** Further clusters of the configuration, behind the real one. */
  readonly clusters?: readonly object[];
  /** `record` of the configuration. */
  readonly record?: object;
  /** Of every command of the program. */
  readonly env?: Readonly<Record<string, string>>;
  /** Of the gateway process only. */
  readonly gatewayEnv?: Readonly<Record<string, string>>;
};

const EVERYTHING = `# METADATA
# title: The acceptance run's person may do everything, also with a body that cannot be read
package rules.prove_everything

allow contains {"id": "everything", "reason": "the acceptance run's person", "opaque": true} if {
	"local-people" in input.user.groups
}
`;

/** Lets `local-people` do everything, with no masks and no holds on them: by data and one rule, as an operator would. */
export function allowEverythingToPeople(policies: string): void {
  const change = (topic: string, from: RegExp, to: string): void => {
    const file = join(policies, topic, 'data.yaml');
    const before = readFileSync(file, 'utf8');
    if (!from.test(before)) throw new Error(`${file} has no ${from}`);
    writeFileSync(file, before.replace(from, to));
  };
  change('administrators', /unrestricted_groups:.*/, 'unrestricted_groups: [local-people]');
  change('secrets', /unmasked_groups:.*/, 'unmasked_groups: [local-people]');
  change('diagnostics', /  - local-agents/, '  - local-agents\n  - local-people');
  const rule = join(policies, 'rules', 'prove_everything');
  mkdirSync(rule);
  writeFileSync(join(rule, 'prove_everything.rego'), EVERYTHING);
}

/** Brings up the control plane and writes a configuration for it; the gateway is started by the caller. */
export async function createWorld(name: string, options: WorldOptions = {}): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), `holdgate-prove-${name}-`));
  const cluster = await startControlPlane({
    programs: await findPrograms(),
    directory: join(directory, 'cluster'),
    path: process.env['PATH'] ?? '',
    log: silentLog,
  });
  const policies = join(directory, 'policies');
  cpSync(join(repository, 'policies'), policies, { recursive: true });
  options.prepare?.(policies);
  const [dataPort = 0, peoplePort = 0] = await freePorts([0, 0]);
  const dataDirectory = join(directory, 'data');
  mkdirSync(dataDirectory);
  const config = join(directory, 'holdgate.yaml');
  writeFileSync(
    config,
    stringify(
      configuration({
        cluster,
        policies,
        dataPort,
        peoplePort,
        dataDirectory,
        databaseUrl: options.databaseUrl,
        clusters: options.clusters ?? [],
        record: options.record,
      }),
    ),
  );
  const env = { HOLDGATE_PROVE_DATABASE: options.databaseUrl ?? '', ...options.env };
  const holdgate = (args: readonly string[], input = ''): Promise<Finished> =>
    run(process.execPath, [program, ...args], { env, input });
  const kubeconfigOf = (who: string): string => join(directory, `${who}.kubeconfig`);
  return {
    directory,
    cluster,
    kubectl: cluster.kubectl ?? 'kubectl',
    config,
    policies,
    dataDirectory,
    dataUrl: `https://127.0.0.1:${dataPort}`,
    peopleUrl: `https://127.0.0.1:${peoplePort}`,
    agentKubeconfig: kubeconfigOf('agent'),
    personKubeconfig: kubeconfigOf('person'),
    holdgate,
    startGateway: async () => {
      const gateway = start(process.execPath, [program, 'serve', '--config', config], {
        env: { ...env, ...options.gatewayEnv },
        logFile: join(directory, 'gateway.log'),
      });
      await gateway.until(/"message":"ready"/, 60_000);
      for (const who of ['agent', 'person']) {
        const written = await holdgate([
          'kubeconfig',
          `--${who}`,
          '--config',
          config,
          '--out',
          kubeconfigOf(who),
        ]);
        if (written.code !== 0) throw new Error(`holdgate kubeconfig: ${written.stderr}`);
      }
      return gateway;
    },
    close: () => cluster.stop(),
  };
}

type ConfigurationInput = {
  readonly cluster: ControlPlane;
  readonly policies: string;
  readonly dataPort: number;
  readonly peoplePort: number;
  readonly dataDirectory: string;
  readonly databaseUrl: string | undefined;
  readonly clusters: readonly object[];
  readonly record: object | undefined;
};

function configuration(input: ConfigurationInput): object {
  const person = {
    issuer: `https://127.0.0.1:${input.peoplePort}/local-issuer/people`,
    subject: 'local-person',
  };
  return {
    dataDirectory: input.dataDirectory,
    data: { port: input.dataPort },
    people: { port: input.peoplePort, roles: { admin: ['local-people'] } },
    ...(input.databaseUrl === undefined
      ? {}
      : { database: { url: { env: 'HOLDGATE_PROVE_DATABASE' } } }),
    ...(input.record === undefined ? {} : { record: input.record }),
    identity: { local: true },
    policies: { directory: input.policies },
    approverGroups: { 'payments-oncall': { members: [person] } },
    clusters: [
      {
        name: 'local',
        server: input.cluster.server,
        certificateAuthority: input.cluster.caFile,
        credential: { token: { file: input.cluster.gatewayTokenFile } },
      },
      ...input.clusters,
    ],
  };
}
