import { refusal, type ErrorCode, type Refusal } from '../base/errors.ts';
import type { IssuerConfig } from '../config/index.ts';
import { claimAt, type Claims } from './claim-path.ts';
import { isName, nameCharactersMax, quoted, rfc3339 } from './text.ts';

/** What the checks need beside the claims. Times are of the wall clock. */
export type CheckContext = {
  readonly issuer: IssuerConfig;
  readonly nowMs: number;
  readonly clockSkewMs: number;
  /** Audiences that belong to another door of the gateway: a token that opens it must not be used at this one. */
  readonly refusedAudiences: readonly string[];
  readonly typ: string;
};

type Check = (claims: Claims, context: CheckContext) => Refusal | null;

const invalid = (message: string) => refusal('HOLDGATE_IDENTIFY_CLAIMS_INVALID', message);

/**
 * The refusal that a verified token's claims deserve, or null. Runs after the signature was verified, so that the
 * messages tell nobody anything about the configuration who has no token of the issuer. Sources: RFC 7519 §4.1,
 * RFC 8725 §3, RFC 9068 §4, OpenID Connect Core §3.1.3.7; times are checked last, so that a wrong token is called
 * wrong even when it is also old.
 */
export function checkClaims(claims: Claims, context: CheckContext): Refusal | null {
  for (const check of CHECKS) {
    const refused = check(claims, context);
    if (refused !== null) return refused;
  }
  return null;
}

/** RFC 8725 §3.8, §3.9: a token for somebody else proves nothing to us (substitution, §2.7). */
const audience: Check = (claims, { issuer, refusedAudiences }) => {
  const wrong = (message: string) => refusal('HOLDGATE_IDENTIFY_AUDIENCE_WRONG', message);
  const audiences = audiencesOf(claims);
  const expected = issuer.audiences.map(quoted).join(' or ');
  if (audiences === null) {
    return wrong(`the token has no aud claim of strings; expected ${expected}`);
  }
  if (!issuer.audiences.some((one) => audiences.includes(one))) {
    const got = audiences.slice(0, 5).map(quoted).join(', ');
    return wrong(`the token is for audience ${got || 'nobody'}; expected ${expected}`);
  }
  const foreign = refusedAudiences.find((one) => audiences.includes(one));
  return foreign === undefined
    ? null
    : wrong(
        `the token is also for audience ${quoted(foreign)}, another door of the gateway; use a token that is for ${expected} alone`,
      );
};

function audiencesOf(claims: Claims): readonly string[] | null {
  const value = Object.hasOwn(claims, 'aud') ? claims['aud'] : undefined;
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value)) return null;
  const audiences: readonly unknown[] = value;
  return audiences.every((one): one is string => typeof one === 'string') ? audiences : null;
}

/** The client that a token was made for: OpenID's `azp`, RFC 9068's `client_id`, Entra ID v1's `appid`. */
export function authorizedParty(claims: Claims): string {
  const value = ['azp', 'client_id', 'appid']
    .map((name) => claimAt(claims, name))
    .find((one) => one !== undefined);
  return typeof value === 'string' ? value : '';
}

/**
 * Where the issuer's configuration lists clients, the token's must be one of them. Where it lists none, an ID token
 * with several audiences must at least name one of these as its client: else it was made for a client that we know
 * nothing of.
 */
const party: Check = (claims, { issuer, typ }) => {
  const azp = authorizedParty(claims);
  if (issuer.authorizedParties !== undefined) {
    return issuer.authorizedParties.includes(azp)
      ? null
      : refusal(
          'HOLDGATE_IDENTIFY_AUDIENCE_WRONG',
          `the token was made for client ${quoted(azp)}, which is not among authorizedParties of issuer ${quoted(issuer.url)}`,
        );
  }
  const audiences = audiencesOf(claims) ?? [];
  if (audiences.length < 2 || azp === '' || audiences.includes(azp)) return null;
  if (typ.toLowerCase().endsWith('at+jwt')) return null;
  return refusal(
    'HOLDGATE_IDENTIFY_AUDIENCE_WRONG',
    `the token has several audiences and was made for client ${quoted(azp)}, which is none of them; list the client under authorizedParties of issuer ${quoted(issuer.url)}`,
  );
};

/** RFC 8705 §3.1, RFC 9449 §6: a token bound to a key must not work without a proof of that key. */
const bound: Check = (claims) =>
  Object.hasOwn(claims, 'cnf')
    ? invalid(
        'the token is bound to a key (cnf), and kubectl cannot prove that it has the key; ask the issuer for a plain bearer token',
      )
    : null;

const subject: Check = (claims) =>
  isName(claimAt(claims, 'sub'))
    ? null
    : invalid(
        `the token's sub must be a string of 1 to ${nameCharactersMax} characters without control characters`,
      );

/** As kube-apiserver's own claimValidationRules: the claim must be a string and equal. */
const required: Check = (claims, { issuer }) => {
  const broken = issuer.claimValidationRules.find(
    (rule) => claimAt(claims, rule.claim) !== rule.requiredValue,
  );
  return broken === undefined
    ? null
    : invalid(
        `claim ${broken.claim} is ${quoted(claimAt(claims, broken.claim) ?? 'absent')}; issuer ${quoted(issuer.url)} requires ${quoted(broken.requiredValue)}`,
      );
};

/** Every time claim is a finite JSON number (RFC 7519 §2, NumericDate); `exp` and `iat` must be there. */
const timesAreNumbers: Check = (claims) => {
  for (const name of ['exp', 'iat', 'nbf']) {
    const value = claimAt(claims, name);
    if (value === undefined && name === 'nbf') continue;
    if (value === undefined) return invalid(`the token has no ${name} claim`);
    if (rfc3339(value) === '') {
      return invalid(
        `the token's ${name} is ${quoted(value)}; expected seconds since 1970 as a number`,
      );
    }
  }
  return null;
};

const secondsOf = (claims: Claims, name: string): number => Number(claimAt(claims, name));

const future: Check = (claims, { nowMs, clockSkewMs }) => {
  for (const name of ['iat', 'nbf']) {
    if (secondsOf(claims, name) * 1000 > nowMs + clockSkewMs) {
      return refusal(
        'HOLDGATE_IDENTIFY_TOKEN_NOT_YET_VALID',
        `the token's ${name} is ${rfc3339(claimAt(claims, name))}, the gateway's time is ${rfc3339(Math.floor(nowMs / 1000))}`,
      );
    }
  }
  return null;
};

const lifetime: Check = (claims, { issuer }) => {
  const seconds = secondsOf(claims, 'exp') - secondsOf(claims, 'iat');
  return seconds <= issuer.maxTokenLifetimeSeconds
    ? null
    : refusal(
        'HOLDGATE_IDENTIFY_TOKEN_LIFETIME',
        `the token lives ${Math.round(seconds)} seconds; issuer ${quoted(issuer.url)} is limited to ${issuer.maxTokenLifetimeSeconds}`,
      );
};

const expired: Check = (claims, { nowMs }) => expiredAt(secondsOf(claims, 'exp') * 1000, nowMs);

/**
 * Refuses what has expired, or null. Without tolerance: every right that hangs on a token ends at its `exp`, open
 * streams too, so a call must not begin after it. (The tolerance serves tokens from the near future.)
 */
export function expiredAt(expiresAtMs: number, nowMs: number): Refusal | null {
  const code: ErrorCode = 'HOLDGATE_IDENTIFY_TOKEN_EXPIRED';
  return nowMs < expiresAtMs
    ? null
    : refusal(
        code,
        `the token expired at ${rfc3339(expiresAtMs / 1000)}, the gateway's time is ${rfc3339(Math.floor(nowMs / 1000))}`,
      );
}

const CHECKS: readonly Check[] = [
  audience,
  party,
  bound,
  subject,
  required,
  timesAreNumbers,
  future,
  lifetime,
  expired,
];
