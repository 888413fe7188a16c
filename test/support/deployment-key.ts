import {
  generateSigningKey,
  parseSigner,
  parseVerifier,
} from '../../src/record/signing/signed-note.ts';
import type { DeploymentKey } from '../../src/record/index.ts';

/** A deployment's key that is in memory only. */
export function someDeploymentKey(deployment = 'test'): DeploymentKey {
  const signer = parseSigner(generateSigningKey(`${deployment}/ledger`));
  if (!signer.ok) throw new Error(signer.error);
  const verifier = parseVerifier(signer.value.vkey);
  if (!verifier.ok) throw new Error(verifier.error);
  return { deployment, signer: signer.value, verifier: verifier.value };
}
