import { execFile } from 'node:child_process';
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../../base/clock.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { Secret } from '../../base/secret.ts';
import { noClientCertificate, type Credential } from './credential.ts';

/** What a kubeconfig says of its plugin (client-go pkg/apis/clientauthentication). */
export type ExecPlugin = {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly apiVersion: string;
};

const answerSchema = z.object({
  kind: z.literal('ExecCredential'),
  status: z.object({ token: z.string().min(1), expirationTimestamp: z.string().optional() }),
});

const timeoutMs = 30_000;
const outputBytesMax = 1024 * 1024;
/** Renewed this much before it ends. Milliseconds. */
const earlyMs = 60_000;

function runPlugin(
  plugin: ExecPlugin,
  path: string,
): Promise<Result<z.infer<typeof answerSchema>, string>> {
  const info = JSON.stringify({
    kind: 'ExecCredential',
    apiVersion: plugin.apiVersion,
    spec: { interactive: false },
  });
  const env = Object.fromEntries(plugin.env.map(({ name, value }) => [name, value]));
  const options = {
    env: { PATH: path, ...env, KUBERNETES_EXEC_INFO: info },
    timeout: timeoutMs,
    maxBuffer: outputBytesMax,
  };
  return new Promise((resolve) => {
    execFile(plugin.command, [...plugin.args], options, (cause, stdout) => {
      // What it printed may hold the credential: only its failure is told.
      if (cause !== null)
        return resolve(err(`the plugin ${plugin.command} failed (${String(cause.code)})`));
      try {
        return resolve(ok(answerSchema.parse(JSON.parse(stdout))));
      } catch {
        return resolve(err(`the plugin ${plugin.command} printed no ExecCredential with a token`));
      }
    });
  });
}

/**
 * A token from a kubeconfig's exec plugin, kept until a minute before it ends. The command must be an absolute path: a
 * name would run whatever stands first on the PATH.
 */
export function execPluginCredential(
  plugin: ExecPlugin,
  clock: Clock,
  path: string,
): Result<Credential, string> {
  if (!isAbsolute(plugin.command)) {
    return err(
      `the exec plugin "${plugin.command}" is no absolute path; write its full path into the kubeconfig`,
    );
  }
  let held: { readonly token: Secret; readonly untilMs: number } | null = null;
  let running: Promise<Result<Secret, string>> | null = null;
  const renew = async (): Promise<Result<Secret, string>> => {
    const answer = await runPlugin(plugin, path);
    if (!answer.ok) return answer;
    const { token, expirationTimestamp } = answer.value.status;
    const endsMs =
      expirationTimestamp === undefined
        ? Number.POSITIVE_INFINITY
        : Date.parse(expirationTimestamp);
    held = { token: new Secret(token), untilMs: endsMs - earlyMs };
    return ok(held.token);
  };
  return ok({
    description: `exec plugin ${plugin.command}`,
    tls: noClientCertificate,
    refused: () => {
      held = null;
    },
    token: () => {
      if (held !== null && clock.nowMs() < held.untilMs) return ok(held.token);
      running ??= renew().finally(() => {
        running = null;
      });
      return running;
    },
  });
}
