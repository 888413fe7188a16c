import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import type { Clock } from '../../base/clock.ts';
import { errorText } from '../../base/log.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { Secret } from '../../base/secret.ts';
import { clientCertificateCredential, inlineCertificateCredential } from './client-certificate.ts';
import type { Credential } from './credential.ts';
import { execPluginCredential } from './exec-plugin.ts';
import { tokenCredential, tokenFileCredential } from './token.ts';

const clusterSchema = z.object({
  server: z.url(),
  'certificate-authority': z.string().optional(),
  'certificate-authority-data': z.string().optional(),
  'insecure-skip-tls-verify': z.boolean().optional(),
  'tls-server-name': z.string().optional(),
  'proxy-url': z.string().optional(),
});

const userSchema = z.object({
  token: z.string().optional(),
  tokenFile: z.string().optional(),
  'client-certificate': z.string().optional(),
  'client-certificate-data': z.string().optional(),
  'client-key': z.string().optional(),
  'client-key-data': z.string().optional(),
  username: z.string().optional(),
  'auth-provider': z.unknown().optional(),
  as: z.string().optional(),
  exec: z
    .object({
      command: z.string(),
      args: z.array(z.string()).nullish(),
      env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
      apiVersion: z.string().default('client.authentication.k8s.io/v1'),
    })
    .optional(),
});

const contextSchema = z.object({ cluster: z.string(), user: z.string() });

/** Entries are read loosely here and strictly once chosen: a broken entry that nobody uses does no harm. */
const kubeconfigSchema = z.object({
  clusters: z.array(z.object({ name: z.string(), cluster: z.unknown() })).default([]),
  users: z.array(z.object({ name: z.string(), user: z.unknown() })).default([]),
  contexts: z.array(z.object({ name: z.string(), context: z.unknown() })).default([]),
});

/** What a context of a kubeconfig stands for. */
export type KubeconfigTarget = {
  readonly server: string;
  /** PEM; null takes the system's CAs. */
  readonly ca: string | null;
  /** The file that the CA was read from; null where the kubeconfig holds it, or none is named. */
  readonly caFile: string | null;
  readonly tlsServerName: string | null;
  readonly user: string;
  readonly credential: Credential;
  /** SHA-256 of the user's entry: changes with the credential. Never shown. */
  readonly userHash: string;
};

export type KubeconfigOptions = {
  readonly file: string;
  readonly context: string;
  readonly allowExec: boolean;
  readonly clock: Clock;
  /** The PATH that an exec plugin sees. */
  readonly path: string;
};

type User = z.infer<typeof userSchema>;

const decoded = (data: string): string => Buffer.from(data, 'base64').toString('utf8');

function credentialOf(
  user: User,
  name: string,
  base: string,
  options: KubeconfigOptions,
): Result<Credential, string> {
  const at = (file: string): string => resolve(base, file);
  if (user.as !== undefined) return err(`user "${name}" impersonates; the gateway acts as itself`);
  if (user.username !== undefined)
    return err(`user "${name}" has a password, which API servers no longer take`);
  if (user['auth-provider'] !== undefined) {
    return err(
      `user "${name}" has an auth-provider, which client-go removed; use an exec plugin or a token`,
    );
  }
  const { exec, token, tokenFile } = user;
  if (exec !== undefined) {
    if (!options.allowExec) {
      return err(`user "${name}" runs the program ${exec.command}; allow it with allowExec: true`);
    }
    const plugin = { ...exec, args: exec.args ?? [], env: exec.env ?? [] };
    return execPluginCredential(plugin, options.clock, options.path);
  }
  if (tokenFile !== undefined) return ok(tokenFileCredential(at(tokenFile), options.clock));
  if (token !== undefined) {
    const secret = new Secret(token);
    return ok(tokenCredential('the token in the kubeconfig', () => ok(secret)));
  }
  const certData = user['client-certificate-data'];
  const keyData = user['client-key-data'];
  if (certData !== undefined && keyData !== undefined) {
    return ok(inlineCertificateCredential(decoded(certData), decoded(keyData)));
  }
  const certFile = user['client-certificate'];
  const keyFile = user['client-key'];
  if (certFile !== undefined && keyFile !== undefined) {
    return ok(clientCertificateCredential({ certificateFile: at(certFile), keyFile: at(keyFile) }));
  }
  return err(`user "${name}" has no token, client certificate or exec plugin`);
}

/**
 * Reads one context of a kubeconfig. Refuses what would weaken or reroute the connection (skipped verification, a
 * proxy, plain http) and credentials that the gateway must not use. The error names file, entry and what to do.
 */
export function readKubeconfig(options: KubeconfigOptions): Result<KubeconfigTarget, string> {
  const { file } = options;
  const wrong = (what: string): Result<never, string> => err(`kubeconfig ${file}: ${what}`);
  let parsed: z.infer<typeof kubeconfigSchema>;
  try {
    parsed = kubeconfigSchema.parse(parse(readFileSync(file, 'utf8')));
  } catch (cause) {
    return wrong(cause instanceof z.ZodError ? z.prettifyError(cause) : errorText(cause));
  }
  const find = <Entry extends { name: string }>(
    entries: readonly Entry[],
    name: string,
  ): Entry | undefined => entries.find((entry) => entry.name === name);
  const context = contextSchema.safeParse(find(parsed.contexts, options.context)?.context);
  if (!context.success) {
    const known = parsed.contexts.map((entry) => entry.name).join(', ');
    return wrong(`has no context "${options.context}"; it has ${known === '' ? 'none' : known}`);
  }
  const { cluster: clusterName, user: userName } = context.data;
  const cluster = clusterSchema.safeParse(find(parsed.clusters, clusterName)?.cluster);
  const user = userSchema.safeParse(find(parsed.users, userName)?.user);
  if (!cluster.success) return wrong(`cluster "${clusterName}" is missing or incomplete`);
  if (!user.success) return wrong(`user "${userName}" is missing or incomplete`);
  if (cluster.data['insecure-skip-tls-verify'] === true) {
    return wrong(
      `cluster "${clusterName}" skips TLS verification; give it certificate-authority-data`,
    );
  }
  if (cluster.data['proxy-url'] !== undefined)
    return wrong(`cluster "${clusterName}" has a proxy-url, which is not supported`);
  if (!cluster.data.server.startsWith('https:'))
    return wrong(`cluster "${clusterName}" is not https`);
  const base = dirname(resolve(file));
  const credential = credentialOf(user.data, userName, base, options);
  if (!credential.ok) return wrong(credential.error);
  const caData = cluster.data['certificate-authority-data'];
  const caFile = cluster.data['certificate-authority'];
  try {
    const inline = caData === undefined ? null : decoded(caData);
    const path = caFile === undefined || inline !== null ? null : resolve(base, caFile);
    return ok({
      server: cluster.data.server,
      ca: path === null ? inline : readFileSync(path, 'utf8'),
      caFile: path,
      tlsServerName: cluster.data['tls-server-name'] ?? null,
      user: userName,
      credential: credential.value,
      userHash: createHash('sha256').update(JSON.stringify(user.data)).digest('hex'),
    });
  } catch (cause) {
    return wrong(errorText(cause));
  }
}
