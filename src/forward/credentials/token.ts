import { readFile } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import { errorText } from '../../base/log.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { Secret } from '../../base/secret.ts';
import { noClientCertificate, type Credential } from './credential.ts';

/** client-go re-reads token files each minute; projected tokens are renewed long before they end. Milliseconds. */
const rereadAfterMs = 60_000;

/** RFC 6750 §2.1 b64token, which is also what keeps a line break out of the header. */
const TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;

function checked(text: string, source: string): Result<Secret, string> {
  const token = text.trim();
  return TOKEN.test(token) ? ok(new Secret(token)) : err(`${source} holds no bearer token`);
}

/** A bearer token from a file, read again each minute and after the cluster refused it. */
export function tokenFileCredential(file: string, clock: Clock): Credential {
  let held: { readonly token: Secret; readonly readMs: number } | null = null;
  const read = async (nowMs: number): Promise<Result<Secret, string>> => {
    try {
      const token = checked(await readFile(file, 'utf8'), file);
      if (token.ok) held = { token: token.value, readMs: nowMs };
      return token;
    } catch (cause) {
      return err(`the token file ${file} could not be read: ${errorText(cause)}`);
    }
  };
  return {
    description: `bearer token from ${file}`,
    tls: noClientCertificate,
    refused: () => {
      held = null;
    },
    token: () => {
      const nowMs = clock.monotonicMs();
      return held !== null && nowMs - held.readMs < rereadAfterMs ? ok(held.token) : read(nowMs);
    },
  };
}

/** A bearer token that somebody else resolves (an environment variable, a kubeconfig). */
export function tokenCredential(
  description: string,
  resolve: () => Result<Secret, string>,
): Credential {
  return {
    description,
    tls: noClientCertificate,
    refused: () => {},
    token: () => {
      const token = resolve();
      return token.ok ? checked(token.value.reveal(), description) : token;
    },
  };
}
