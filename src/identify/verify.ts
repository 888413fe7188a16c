import { compactVerify, type CryptoKey } from 'jose';
import { refusal, type Refusal } from '../base/errors.ts';
import { errorText } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Secret } from '../base/secret.ts';
import type { IssuerConfig } from '../config/index.ts';
import { checkClaims, type CheckContext } from './claim-checks.ts';
import { isObject, type Claims } from './claim-path.ts';
import type { KeyStore } from './key-store.ts';
import { quoted } from './text.ts';
import { readUnverified } from './token-shape.ts';

/** A configured issuer with its keys. */
export type TrustedIssuer = {
  readonly config: IssuerConfig;
  readonly keys: Pick<KeyStore, 'find' | 'version'>;
};

/** A token whose signature and claims hold. */
export type VerifiedToken = {
  readonly issuer: TrustedIssuer;
  readonly typ: string;
  readonly claims: Claims;
  /** The key set that verified it. */
  readonly keysVersion: number;
};

export type VerifyContext = Pick<CheckContext, 'nowMs' | 'clockSkewMs' | 'refusedAudiences'>;

/**
 * Verifies a token: the issuer is chosen by its unverified `iss`, compared character by character, and then nothing
 * but that issuer's keys, algorithms and audiences count (RFC 8725 §3.1, §3.8). No other issuer's key is tried, so
 * no issuer can speak for another. The order is: shape, issuer, algorithm, key, signature, claims.
 */
export async function verifyToken(
  token: Secret,
  issuers: ReadonlyMap<string, TrustedIssuer>,
  context: VerifyContext,
): Promise<Result<VerifiedToken, Refusal>> {
  const unverified = readUnverified(token.reveal());
  if (!unverified.ok) return unverified;
  const { alg, kid, typ, issuer: name } = unverified.value;
  const issuer = issuers.get(name);
  if (issuer === undefined) return err(unknownIssuer(name, issuers));
  const { config, keys } = issuer;
  if (!config.algorithms.some((one) => one === alg)) return err(wrongAlgorithm(alg, config));
  const key = await keys.find({ alg, kid });
  if (!key.ok) return key;
  const keysVersion = keys.version();
  const claims = await verifySignature(token, key.value, config);
  if (!claims.ok) return claims;
  const refused = checkClaims(claims.value, { ...context, issuer: config, typ });
  return refused === null ? ok({ issuer, typ, claims: claims.value, keysVersion }) : err(refused);
}

/**
 * jose's part is the signature and the algorithm, no more: its own claim checks take a token without `exp`, with an
 * `iat` in the future, and report an old token before a wrong one. `iss` is compared again, in the bytes that were
 * signed: the issuer was chosen by a reading that nobody had vouched for.
 */
async function verifySignature(
  token: Secret,
  key: CryptoKey,
  { algorithms, url }: IssuerConfig,
): Promise<Result<Claims, Refusal>> {
  let payload: Uint8Array;
  try {
    ({ payload } = await compactVerify(token.reveal(), key, { algorithms }));
  } catch (cause) {
    return err(
      refusal(
        'HOLDGATE_IDENTIFY_SIGNATURE_INVALID',
        `the token's signature does not verify with the keys of issuer ${quoted(url)}`,
        { detail: errorText(cause) },
      ),
    );
  }
  const claims = parseClaims(payload);
  return claims?.['iss'] === url
    ? ok(claims)
    : err(
        refusal('HOLDGATE_IDENTIFY_TOKEN_MALFORMED', 'the signed payload is not that of the token'),
      );
}

function parseClaims(payload: Uint8Array): Claims | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function unknownIssuer(name: string, issuers: ReadonlyMap<string, TrustedIssuer>): Refusal {
  const known = [...issuers.keys()].map(quoted).join(', ');
  return refusal(
    'HOLDGATE_IDENTIFY_ISSUER_UNKNOWN',
    `the token's issuer ${quoted(name)} is not trusted here; ${known === '' ? 'no issuer is configured' : `expected exactly one of ${known}`}`,
  );
}

function wrongAlgorithm(alg: string, { algorithms, url }: IssuerConfig): Refusal {
  return refusal(
    'HOLDGATE_IDENTIFY_TOKEN_MALFORMED',
    `the token is signed with ${quoted(alg)}; issuer ${quoted(url)} may use ${algorithms.join(', ')}`,
  );
}
