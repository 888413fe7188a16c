import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { stringify } from 'yaml';
import { CommandError, exitCodes, parse, type Command } from './command.ts';
import {
  dataDirectoryOf,
  placeOptions,
  readGatewayFile,
  type GatewayFile,
} from './gateway-file.ts';

export type KubeconfigRequest = {
  readonly gateway: GatewayFile;
  readonly dataDirectory: string;
  readonly identity: 'agent' | 'person';
  readonly cluster: string | null;
  readonly tokenFile: string | null;
  /** The command line of this program: the exec plugin calls it by absolute path. */
  readonly program: readonly [string, ...string[]];
};

/**
 * A kubeconfig that points at the gateway: its CA inline, nothing of the real cluster in it. The user is a token file, or
 * the local issuer by an exec plugin.
 */
export function kubeconfigText(request: KubeconfigRequest): string {
  const { gateway, identity, cluster, tokenFile } = request;
  const server = cluster === null ? gateway.dataUrl : `${gateway.dataUrl}/clusters/${cluster}`;
  const ca =
    gateway.caFile === null
      ? {}
      : { 'certificate-authority-data': readFileSync(gateway.caFile).toString('base64') };
  const [command, ...before] = request.program;
  const plugin = {
    apiVersion: 'client.authentication.k8s.io/v1',
    command,
    args: [
      ...before,
      'token',
      '--identity',
      identity,
      '--exec-credential',
      '--data-directory',
      resolve(request.dataDirectory),
    ],
    interactiveMode: 'Never',
  };
  const user = tokenFile === null ? { exec: plugin } : { tokenFile: resolve(tokenFile) };
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'holdgate', cluster: { server, ...ca } }],
    users: [{ name: identity, user }],
    contexts: [{ name: 'holdgate', context: { cluster: 'holdgate', user: identity } }],
    'current-context': 'holdgate',
  });
}

export const kubeconfigCommand: Command = {
  name: 'kubeconfig',
  summary: 'write a kubeconfig that points at the gateway',
  help: `usage: holdgate kubeconfig [--agent | --person] [--cluster NAME] [--token-file FILE] [--out FILE]

Writes a kubeconfig with the gateway's address and CA, and nothing of the real cluster in it.

  --agent               the local agent (default)
  --person              the local person
  --token-file FILE     take the token from this file instead of the local issuer
  --cluster NAME        a configured cluster; default: the default one
  --out FILE            default: standard output
  -c, --config FILE     the gateway's configuration
  --data-directory DIR  default .holdgate

example: holdgate kubeconfig --agent --out agent.kubeconfig
`,
  run: async (args, io) => {
    const { values } = parse(args, {
      ...placeOptions,
      agent: { type: 'boolean', default: false },
      person: { type: 'boolean', default: false },
      cluster: { type: 'string' },
      'token-file': { type: 'string' },
      out: { type: 'string', short: 'o' },
    });
    if (values.agent && values.person)
      throw new CommandError('--agent or --person, not both', exitCodes.usage);
    const dataDirectory = await dataDirectoryOf(values, io);
    const text = kubeconfigText({
      gateway: readGatewayFile(dataDirectory),
      dataDirectory,
      identity: values.person ? 'person' : 'agent',
      cluster: values.cluster ?? null,
      tokenFile: values['token-file'] ?? null,
      program: [process.execPath, resolve(process.argv[1] ?? '')],
    });
    if (values.out === undefined) io.out(text);
    else writeFileSync(values.out, text, { mode: 0o600 });
    return exitCodes.ok;
  },
};
