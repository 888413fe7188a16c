import { readFileSync } from 'node:fs';
import { errorText } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import { resolveSecret, type Config, type Environment } from '../config/index.ts';
import type { BundlePoliciesOptions } from '../decide/index.ts';

type Origin = Pick<BundlePoliciesOptions, 'from' | 'trust'>;
type Trust = ReturnType<BundlePoliciesOptions['trust']>;
type Policies = Config['policies'];
type Verification = NonNullable<Policies['verification']>;

/**
 * Where a configured bundle comes from and how it is trusted; null where policies are a folder. Keys, tokens and certificates
 * are read again for each bundle and each request.
 */
export function bundleOrigin({ policies }: Config, env: Environment): Origin | null {
  const { bundle, verification } = policies;
  if (bundle === undefined) return null;
  const trust = (): Trust => {
    // The configuration was refused unless it said `unsigned: true` then.
    if (verification === undefined) return ok({ verification: null, excludeFiles: [] });
    return trustOf(verification, env);
  };
  if ('file' in bundle) return { from: { file: bundle.file }, trust };
  const { url, certificateAuthority, token, pollSeconds } = bundle;
  const server = () => {
    const authority = readText(certificateAuthority);
    if (!authority.ok) return authority;
    const secret = token === undefined ? ok(null) : resolveSecret(token, '.', env);
    if (!secret.ok) return secret;
    return ok({ url, certificateAuthority: authority.value, token: secret.value });
  };
  const pollMs = pollSeconds * 1000;
  return { from: { server, pollMs, schedule, random: () => Math.random() }, trust };
}

function schedule(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
}

function trustOf({ keys, keyid, scope, excludeFiles }: Verification, env: Environment): Trust {
  const read: [string, BundleKey][] = [];
  for (const [id, key] of Object.entries(keys)) {
    const made = keyOf(key, env);
    if (!made.ok) return err(`the key ${JSON.stringify(id)}: ${made.error}`);
    read.push([id, made.value]);
  }
  return ok({ verification: { keys: new Map(read), keyId: keyid ?? '', scope }, excludeFiles });
}

type Verified = NonNullable<Extract<Trust, { readonly ok: true }>['value']['verification']>;
type BundleKey = Verified['keys'] extends ReadonlyMap<string, infer Key> ? Key : never;

function keyOf(key: Verification['keys'][string], env: Environment): Result<BundleKey, string> {
  if ('publicKey' in key) {
    const pem = readText(key.publicKey);
    if (!pem.ok) return pem;
    return ok({ publicKey: pem.value ?? '', algorithm: key.algorithm });
  }
  const secret = resolveSecret(key.secret, '.', env);
  if (!secret.ok) return secret;
  return ok({ secret: secret.value, algorithm: key.algorithm });
}

function readText(file: string | undefined): Result<string | null, string> {
  if (file === undefined) return ok(null);
  try {
    return ok(readFileSync(file, 'utf8'));
  } catch (cause) {
    return err(`${file} cannot be read: ${errorText(cause)}`);
  }
}
