import { decodeJwt, decodeProtectedHeader } from 'jose';
import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import { isObject } from './claim-path.ts';
import { quoted } from './text.ts';

/** What a token says of itself before anything is verified: enough to choose the issuer and the key, trusted for nothing else. */
export type UnverifiedToken = {
  readonly alg: string;
  readonly kid: string | undefined;
  /** The `typ` header as written; empty where there is none. */
  readonly typ: string;
  readonly issuer: string;
};

/**
 * The types of token that may be used as an access token here (RFC 8725 §3.11, explicit typing). jose takes any `typ`
 * when none is asked for: a `logout+jwt` or `dpop+jwt` of a trusted issuer would be let in.
 */
const TYPES = new Set(['', 'jwt', 'application/jwt', 'at+jwt', 'application/at+jwt']);

/** A `kid` is a lookup key of the issuer; longer ones are attempts to fill caches. */
const kidCharactersMax = 256;

const malformed = (message: string) => err(refusal('HOLDGATE_IDENTIFY_TOKEN_MALFORMED', message));

/**
 * Reads header and issuer of a token without verifying it. `jku`, `x5u`, `jwk` and `x5c` are never read: keys come
 * from the configured issuer only (RFC 8725 §3.10).
 */
export function readUnverified(token: string): Result<UnverifiedToken, Refusal> {
  const parts = token.split('.').length;
  if (parts === 5)
    return malformed('the token is encrypted (JWE); only signed tokens (JWS) are taken');
  if (parts !== 3) {
    return malformed(
      'the bearer token is no JWT; opaque access tokens cannot be checked here, use an ID token or a JWT access token',
    );
  }
  const header = attempt(() => decodeProtectedHeader(token));
  if (!isObject(header)) return malformed("the token's header is not base64url-encoded JSON");
  // Looked at before the payload: the payload of a nested token is a token, not JSON (RFC 8725 §2.3, RFC 7519 §5.2).
  if (Object.hasOwn(header, 'cty')) {
    return malformed('the token has a cty header: nested tokens are not taken');
  }
  const payload = attempt(() => decodeJwt(token));
  if (!isObject(payload)) {
    return malformed("the token's payload is not a base64url-encoded JSON object");
  }
  return shapeOf(header, payload);
}

function shapeOf(
  header: Readonly<Record<string, unknown>>,
  payload: Readonly<Record<string, unknown>>,
): Result<UnverifiedToken, Refusal> {
  const { alg, kid, typ = '' } = header;
  if (typeof alg !== 'string') return malformed("the token's header has no alg");
  if (Object.hasOwn(header, 'crit') || Object.hasOwn(header, 'b64')) {
    return malformed(
      "the token's header asks for extensions (crit, b64); none is understood here, so the token must be refused",
    );
  }
  if (typeof typ !== 'string' || !TYPES.has(typ.toLowerCase())) {
    return malformed(
      `the token's typ is ${quoted(typ)}: it was made for another purpose; expected JWT, at+jwt or none`,
    );
  }
  if (kid !== undefined && (typeof kid !== 'string' || kid.length > kidCharactersMax)) {
    return malformed(`the token's kid is not a string of at most ${kidCharactersMax} characters`);
  }
  if (typeof payload['iss'] !== 'string' || payload['iss'] === '') {
    return malformed('the token has no iss claim, so nobody can be asked whether it is genuine');
  }
  return ok({ alg, kid, typ, issuer: payload['iss'] });
}

function attempt(decode: () => unknown): unknown {
  try {
    return decode();
  } catch {
    return undefined;
  }
}
