import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { DependencyError } from '../../base/errors.ts';
import type { Secret } from '../../base/secret.ts';
import { loadKeyFile } from '../key-file.ts';
import { generateSigningKey, parseSigner, parseVerifier } from './signed-note.ts';
import type { Signer, Verifier } from './signed-note.ts';
import { deploymentOf, ledgerOrigin } from './stream-certificate.ts';

/** The key that vouches for the streams of a deployment, and signs its ledger. All its replicas have the same one. */
export type DeploymentKey = {
  readonly deployment: string;
  readonly signer: Signer;
  readonly verifier: Verifier;
};

/**
 * The deployment's key: the configured secret, else `<dataDirectory>/deployment.key`, made at the first start under the
 * configured name (null: `holdgate-` and 12 random hexadecimal digits). The name is part of the key.
 * Rejects with a DependencyError that says what to do.
 */
export async function loadDeploymentKey(options: {
  readonly dataDirectory: string;
  readonly configured: Secret | null;
  readonly deployment: string | null;
}): Promise<DeploymentKey> {
  const { configured, deployment } = options;
  const secret = configured ?? (await fromFile(options.dataDirectory, deployment));
  const key = keyOf(secret);
  if (typeof key === 'string') throw unusable(`the configured deployment key: ${key}`);
  if (deployment !== null && key.deployment !== deployment) {
    throw unusable(
      `record.deployment is ${deployment}, but the deployment key is that of ${key.deployment}; ` +
        `set record.deployment to that, or leave it out: a key keeps its name`,
    );
  }
  return key;
}

function fromFile(dataDirectory: string, deployment: string | null): Promise<Secret> {
  return loadKeyFile({
    file: join(dataDirectory, 'deployment.key'),
    what: 'deployment key',
    make: () =>
      generateSigningKey(ledgerOrigin(deployment ?? `holdgate-${randomBytes(6).toString('hex')}`)),
    problem: (text) => {
      const key = keyOf(text);
      return typeof key === 'string' ? key : null;
    },
  });
}

/** The key that a text is, or why it is none. */
function keyOf(secret: Secret): DeploymentKey | string {
  const signer = parseSigner(secret);
  if (!signer.ok) return signer.error;
  const deployment = deploymentOf(signer.value.name);
  if (deployment === null) return 'its name is not <deployment>/ledger';
  const verifier = parseVerifier(signer.value.vkey);
  return verifier.ok
    ? { deployment, signer: signer.value, verifier: verifier.value }
    : verifier.error;
}

function unusable(why: string): DependencyError {
  return new DependencyError('HOLDGATE_RECORD_UNAVAILABLE', why);
}
