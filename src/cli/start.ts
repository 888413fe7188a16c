import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { randomIds } from '../base/ids.ts';
import { createLog, errorText, type Log } from '../base/log.ts';
import { ok } from '../base/result.ts';
import { Secret } from '../base/secret.ts';
import { shippedPoliciesDirectory, type ClusterConfig, type Config } from '../config/index.ts';
import { createUpstream } from '../forward/index.ts';
import { startGateway, StartError, type Gateway, type GatewayOptions } from '../gateway.ts';
import {
  applyDemoObjects,
  cloneBuildScript,
  contextDemoObjects,
  contextNamespace,
  findControlPlanePrograms,
  localProfile,
  seedDemoObjects,
  startFromSource,
  systemProgramSearchPorts,
} from '../local/index.ts';
import { CommandError, exitCodes, parse, type Command, type Io } from './command.ts';
import { readGatewayFile } from './gateway-file.ts';
import { kubeconfigText } from './kubeconfig.ts';
import { untilStopped } from './serve.ts';
import { startLog } from './start-log.ts';

/** A cluster to put behind the gateway, and how to let go of it. */
type Behind = {
  readonly cluster: ClusterConfig;
  readonly namespace: string;
  readonly stop: () => Promise<void>;
};

async function localCluster(directory: string, io: Io, log: Log): Promise<Behind> {
  const found = await findControlPlanePrograms({
    env: io.env,
    platform: process.platform,
    arch: process.arch,
    homeDirectory: homedir(),
    buildScript: cloneBuildScript(),
    progress: (line) => io.out(`  ${line}\n`),
    ports: systemProgramSearchPorts,
  });
  if (!found.ok) throw new CommandError(found.error);
  io.out(`Starting a local control plane from ${found.value.found} …\n`);
  const plane = await startFromSource(found.value, {
    directory: join(directory, 'cluster'),
    path: io.env['PATH'] ?? '',
    log,
  });
  try {
    const ca = readFileSync(plane.caFile, 'utf8');
    await seedDemoObjects({ server: plane.server, ca, token: plane.gatewayToken.reveal() });
  } catch (cause) {
    await plane.stop();
    throw new CommandError(errorText(cause));
  }
  return {
    namespace: 'payments',
    stop: plane.stop,
    cluster: {
      name: 'local',
      server: plane.server,
      certificateAuthority: plane.caFile,
      labels: { environment: 'local' },
      credential: { token: { file: plane.gatewayTokenFile } },
    },
  };
}

/** A cluster of the user's own, by name: its server and user are printed before anything is sent to it. */
async function contextCluster(context: string, file: string, io: Io, log: Log): Promise<Behind> {
  const cluster: ClusterConfig = {
    name: 'context',
    kubeconfig: { file, context, allowExec: true },
    labels: {},
  };
  const opened = createUpstream(cluster, {
    clock: systemClock,
    log,
    secret: () => ok(new Secret('')),
    path: io.env['PATH'] ?? '',
  });
  if (!opened.ok) throw new CommandError(opened.error);
  const { upstream, server, credential } = opened.value;
  io.out(`Context ${context}: ${server}, as ${credential}\n`);
  io.out(`The demo writes to the namespace ${contextNamespace} there, and to nothing else.\n`);
  const call = async (method: string, path: string, body?: unknown, type = 'application/json') => {
    const sent = await upstream.send({
      method,
      target: path,
      headers: [['content-type', type]],
      body: body === undefined ? null : Buffer.from(JSON.stringify(body)),
      auditId: randomIds.next(),
      longRunning: false,
      signal: AbortSignal.timeout(30_000),
    });
    if (!sent.ok) throw new Error(`${sent.error.message} (${sent.error.detail ?? ''})`);
    const read = await sent.value.read(1024 * 1024);
    return { status: sent.value.status, body: read.ok ? read.value.toString() : '' };
  };
  try {
    await applyDemoObjects({ call }, contextDemoObjects, server);
  } catch (cause) {
    throw new CommandError(errorText(cause));
  } finally {
    await upstream.close();
  }
  return { cluster, namespace: contextNamespace, stop: () => Promise.resolve() };
}

const program = (): [string, string] => [process.execPath, resolve(process.argv[1] ?? '')];

/** The lines to paste. */
function banner(gateway: Gateway, dataDirectory: string, namespace: string): string {
  const place = dataDirectory === resolve('.holdgate') ? '' : ` --data-directory ${dataDirectory}`;
  return `
Holdgate is running: data port ${gateway.dataUrl}, people's port ${gateway.peopleUrl} (loopback only).
The two identities are for this machine: whoever can read ${dataDirectory} can be either of them.

In a second terminal, as the agent:

  alias holdgate='${program().join(' ')}'
  export KUBECONFIG=${join(dataDirectory, 'agent.kubeconfig')}
  kubectl get pods -A
  kubectl get secret db-credentials -n ${namespace} -o yaml
  kubectl create clusterrolebinding oops --clusterrole=cluster-admin --user=me
  kubectl delete pod checkout-7b9 -n ${namespace}

The last one waits. In a third terminal, as the person:

  alias holdgate='${program().join(' ')}'
  holdgate approvals list${place}
  holdgate approvals approve <ID>${place}
  holdgate decisions list${place}

`;
}

function writeKubeconfigs(dataDirectory: string): void {
  const gateway = readGatewayFile(dataDirectory);
  for (const identity of ['agent', 'person'] as const) {
    const text = kubeconfigText({
      gateway,
      dataDirectory,
      identity,
      cluster: null,
      tokenFile: null,
      program: program(),
    });
    writeFileSync(join(dataDirectory, `${identity}.kubeconfig`), text, { mode: 0o600 });
  }
}

const portOf = (text: string, option: string): number => {
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw new CommandError(`${option} is a port number`, exitCodes.usage);
};

export const startCommand: Command = {
  name: 'start',
  summary: 'a first run on this machine: everything included, nothing to configure',
  help: `usage: holdgate start [--context NAME [--kubeconfig FILE]]

Starts the gateway with an embedded database, a local CA, two example identities, the starter policies and a disposable
control plane, all on loopback, and prints lines to paste. Runs until Ctrl-C; state stays in the data directory.

  --context NAME        a cluster of your own instead: a context of your kubeconfig. Its server and user are printed
                        first; the demo writes to a namespace of its own. An exec plugin by absolute path is run.
  --kubeconfig FILE     default: $KUBECONFIG (one file), else ~/.kube/config
  --data-directory DIR  default .holdgate
  --data-port N         default 8443
  --people-port N       default 8444
  --policies DIR        default: the shipped ones
  --acknowledge-restored-database
                        go on with a database that is not the one this gateway recorded into last; that is recorded
`,
  run: async (args, io) => {
    const { values } = parse(args, {
      context: { type: 'string' },
      kubeconfig: { type: 'string' },
      'data-directory': { type: 'string', default: '.holdgate' },
      'data-port': { type: 'string', default: '8443' },
      'people-port': { type: 'string', default: '8444' },
      policies: { type: 'string', default: shippedPoliciesDirectory },
      'acknowledge-restored-database': { type: 'boolean', default: false },
    });
    const ports = {
      data: portOf(values['data-port'], '--data-port'),
      people: portOf(values['people-port'], '--people-port'),
    };
    const dataDirectory = resolve(values['data-directory']);
    mkdirSync(dataDirectory, { recursive: true, mode: 0o700 });
    const log = createLog('info', startLog(join(dataDirectory, 'gateway.log'), io.out));
    const kubeconfig =
      values.kubeconfig ?? io.env['KUBECONFIG'] ?? join(homedir(), '.kube', 'config');
    const behind =
      values.context === undefined
        ? await localCluster(dataDirectory, io, log)
        : await contextCluster(values.context, kubeconfig, io, log);
    const config = localProfile({
      clusters: [behind.cluster],
      approverGroups: [],
      dataDirectory,
      dataPort: ports.data,
      peoplePort: ports.people,
      policiesDirectory: resolve(values.policies),
    });
    try {
      await runUntilStopped(behind, config, io, {
        log,
        acknowledgeRestored: values['acknowledge-restored-database'],
      });
    } finally {
      await behind.stop();
    }
    return exitCodes.ok;
  },
};

async function runUntilStopped(
  behind: Behind,
  config: Config,
  io: Io,
  more: Pick<GatewayOptions, 'log' | 'acknowledgeRestored'>,
): Promise<void> {
  const { fatal, stopped } = untilStopped(io);
  let gateway: Gateway;
  try {
    gateway = await startGateway(config, { env: io.env, ...more, onFatal: fatal });
  } catch (cause) {
    throw new CommandError(
      cause instanceof StartError
        ? cause.message
        : `the gateway could not start: ${errorText(cause)}`,
    );
  }
  writeKubeconfigs(config.dataDirectory);
  io.out(banner(gateway, config.dataDirectory, behind.namespace));
  const why = await stopped;
  io.out('Stopping …\n');
  await gateway.close();
  if (why !== null) throw new CommandError(why);
}
