import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/base/clock.ts';
import { randomIds } from '../../src/base/ids.ts';
import { packageDirectory } from '../../src/config/index.ts';
import { ensureLocalCertificates } from '../../src/listen/index.ts';
import { localDataAudience, openLocalIssuer } from '../../src/local/index.ts';
import { freePorts } from '../../src/local/free-ports.ts';
import { startChild, type Child } from './child.ts';
import { sizes, streamsPerConnection, type Counts } from './counts.ts';
import { peersProgram } from './peers.ts';

/** What the subjects stand between: an upstream, certificates, and tokens of a local issuer. */
export type World = {
  readonly directory: string;
  readonly counts: Counts;
  readonly tls: { readonly certificate: string; readonly key: string; readonly ca: string };
  readonly upstreamUrl: string;
  /** The upstream's own port: how many watches are open, and events for them. */
  readonly controlUrl: string;
  readonly upstreamPid: number;
  /** A token file that the gateway shows the upstream. */
  readonly gatewayTokenFile: string;
  readonly policies: string;
  readonly dataDirectory: string;
  readonly peopleUrl: string;
  /** Tokens for the data port: the agent reads, the person may also write. */
  readonly tokens: { readonly agent: string; readonly person: string };
  readonly freePort: () => Promise<number>;
  readonly close: (keepLogs?: boolean) => Promise<void>;
};

const tokenLifetimeSeconds = 3600;

async function mint(dataDirectory: string, peopleUrl: string): Promise<World['tokens']> {
  const issuer = await openLocalIssuer({
    dataDirectory,
    peopleUrl,
    clock: systemClock,
    ids: randomIds,
  });
  if (!issuer.ok) throw new Error(issuer.error);
  const token = async (identity: 'agent' | 'person'): Promise<string> => {
    const audience = localDataAudience;
    const lifetimeSeconds = tokenLifetimeSeconds;
    return (await issuer.value.mintToken({ identity, audience, lifetimeSeconds })).reveal();
  };
  return { agent: await token('agent'), person: await token('person') };
}

/** The starter policies give nobody a shell: here the person gets one, by data, as an operator would. */
function openExec(policies: string): void {
  const file = join(policies, 'secrets/data.yaml');
  const before = readFileSync(file, 'utf8');
  const after = before.replace(/^unmasked_groups:.*$/m, 'unmasked_groups: [local-people]');
  if (after === before) throw new Error(`${file} has no unmasked_groups`);
  writeFileSync(file, after);
}

/** Makes certificates and tokens, and starts the upstream. */
export async function openWorld(counts: Counts): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), 'holdgate-bench-'));
  const hostnames = ['localhost', '127.0.0.1'];
  const made = await ensureLocalCertificates(
    join(directory, 'tls'),
    hostnames,
    Date.now(),
    'bench',
  );
  const tls = { certificate: made.certificateFile, key: made.keyFile, ca: made.caFile };
  const [port = 0, control = 0, people = 0] = await freePorts([0, 0, 0]);
  const dataDirectory = join(directory, 'data');
  mkdirSync(dataDirectory);
  const peopleUrl = `https://127.0.0.1:${people}`;
  const gatewayTokenFile = join(directory, 'gateway-token');
  writeFileSync(gatewayTokenFile, 'bench', { mode: 0o600 });
  const policies = join(directory, 'policies');
  cpSync(join(packageDirectory, 'policies'), policies, { recursive: true });
  openExec(policies);
  const upstream: Child = await startChild({
    name: 'upstream',
    command: [peersProgram, 'upstream'],
    core: 'load',
    logFile: join(directory, 'upstream.log'),
    ready: /ready/,
    spec: {
      address: `127.0.0.1:${port}`,
      controlAddress: `127.0.0.1:${control}`,
      certificate: tls.certificate,
      key: tls.key,
      smallBytes: sizes.small,
      listBytes: sizes.list,
      eventBytes: sizes.event,
      streamsMax: streamsPerConnection,
    },
  });
  return {
    directory,
    counts,
    tls,
    upstreamUrl: `https://127.0.0.1:${port}`,
    controlUrl: `http://127.0.0.1:${control}`,
    upstreamPid: upstream.pid,
    gatewayTokenFile,
    policies,
    dataDirectory,
    peopleUrl,
    tokens: await mint(dataDirectory, peopleUrl),
    freePort: async () => (await freePorts([0]))[0] ?? 0,
    close: async (keep) => {
      await upstream.stop();
      if (keep !== true) rmSync(directory, { recursive: true, force: true });
    },
  };
}
