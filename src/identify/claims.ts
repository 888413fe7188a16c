import { refusal, type ErrorCode, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { IssuerConfig } from '../config/index.ts';
import { authorizedParty } from './claim-checks.ts';
import { claimAt, isObject, type Claims } from './claim-path.ts';
import type { Identity } from './identity.ts';
import { isName, nameCharactersMax, quoted, rfc3339 } from './text.ts';

/**
 * Names that mean something to the cluster itself: `system:masters` is every right there is (apiserver
 * pkg/authentication/user), `eks:` are the accounts of EKS's own controllers. An issuer whose users may choose a name
 * or a group must not be able to choose these.
 */
const RESERVED = ['system:', 'eks:'];

/** Actors of actors: RFC 8693 §4.1 sets no bound; deeper chains are no delegation but an attempt. */
const actorsMax = 10;

/** `amr` values kept for policy. */
const amrMax = 20;

type Mapped<T> = Result<T, Refusal>;

const invalid = (message: string, code: ErrorCode = 'HOLDGATE_IDENTIFY_CLAIMS_INVALID') =>
  err(refusal(code, message));

/** A longer `sid` is none: cut, two of them could be taken for one. UTF-16 units. */
const sidCharsMax = 256;

/**
 * Maps verified claims to an Identity as the issuer's configuration says, or refuses: wrong forms, reserved names,
 * an unverified e-mail address as a name, groups that are known to be cut short.
 */
export function toIdentity(claims: Claims, issuer: IssuerConfig, typ: string): Mapped<Identity> {
  const username = usernameOf(claims, issuer);
  if (!username.ok) return username;
  const groups = groupsOf(claims, issuer);
  if (!groups.ok) return groups;
  const uid = uidOf(claims, issuer);
  if (!uid.ok) return uid;
  const actor = actorsOf(claims, issuer);
  if (!actor.ok) return actor;
  const exp = Number(claimAt(claims, 'exp'));
  const sid = textOf(claimAt(claims, 'sid'));
  return ok({
    issuer: issuer.url,
    subject: textOf(claimAt(claims, 'sub')),
    username: username.value,
    uid: uid.value,
    groups: groups.value.groups,
    groupsComplete: groups.value.complete,
    kind: issuer.kind,
    actor: actor.value,
    claims: policyClaims(claims, issuer),
    token: {
      type: typ,
      id: textOf(claimAt(claims, 'jti')),
      expires: rfc3339(exp),
      azp: authorizedParty(claims),
      acr: textOf(claimAt(claims, 'acr')),
      amr: amrOf(claims),
      authTime: rfc3339(claimAt(claims, 'auth_time')),
    },
    ...(sid === '' || sid.length > sidCharsMax ? {} : { sid }),
    expiresAtMs: exp * 1000,
  });
}

/** What only informs is read leniently: another form than text is empty, never a refusal. */
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function amrOf(claims: Claims): readonly string[] {
  const value = claimAt(claims, 'amr');
  if (!Array.isArray(value)) return [];
  const methods: readonly unknown[] = value;
  return methods.filter((one): one is string => typeof one === 'string').slice(0, amrMax);
}

function usernameOf(claims: Claims, issuer: IssuerConfig): Mapped<string> {
  const { claim, prefix } = issuer.claimMappings.username;
  const value = claimAt(claims, claim);
  if (value === undefined) {
    return invalid(
      `the token has no claim ${claim}, from which issuer ${quoted(issuer.url)} takes the user name`,
    );
  }
  // OpenID Connect Core §5.7: an address that nobody verified may be anybody's.
  if (claim === 'email' && claimAt(claims, 'email_verified') !== true) {
    return invalid(
      'the user name is taken from email, and email_verified is not true; the issuer must verify the address, or another claim must be mapped',
    );
  }
  return nameOf(value, prefix, `claim ${claim} (the user name)`);
}

function uidOf(claims: Claims, issuer: IssuerConfig): Mapped<string> {
  const claim = issuer.claimMappings.uid?.claim;
  if (claim === undefined) return ok('');
  const value = claimAt(claims, claim);
  return isName(value)
    ? ok(value)
    : invalid(`claim ${claim} (the uid) is ${quoted(value ?? 'absent')}; ${NAME_FORM}`);
}

const NAME_FORM = `expected a string of 1 to ${nameCharactersMax} characters without control characters or spaces at its ends`;

function nameOf(value: unknown, prefix: string, what: string): Mapped<string> {
  const name = typeof value === 'string' ? `${prefix}${value}` : value;
  if (!isName(value) || !isName(name)) return invalid(`${what} is ${quoted(value)}; ${NAME_FORM}`);
  const reserved = RESERVED.find((start) => name.startsWith(start));
  return reserved === undefined
    ? ok(name)
    : invalid(
        `${what} becomes ${quoted(name)}; names that begin with ${quoted(reserved)} are the cluster's own, a prefix in claimMappings avoids them`,
        'HOLDGATE_IDENTIFY_NAME_RESERVED',
      );
}

type Groups = { readonly groups: readonly string[]; readonly complete: boolean };

function groupsOf(claims: Claims, issuer: IssuerConfig): Mapped<Groups> {
  const mapping = issuer.claimMappings.groups;
  if (mapping === undefined) return ok({ groups: [], complete: true });
  const value = claimAt(claims, mapping.claim) ?? [];
  if (typeof value !== 'string' && !Array.isArray(value)) {
    return invalid(
      `claim ${mapping.claim} (the groups) is ${quoted(value)}; expected a list of strings, or one string`,
    );
  }
  const raw: readonly unknown[] = Array.isArray(value) ? value : [value];
  const groups = new Set<string>();
  for (const one of raw) {
    const group = nameOf(one, mapping.prefix, `a group of claim ${mapping.claim}`);
    if (!group.ok) return group;
    groups.add(group.value);
  }
  const cut = cutShort(claims, issuer, mapping.claim, raw.length);
  return cut === null || issuer.allowIncompleteGroups
    ? ok({ groups: [...groups], complete: cut === null })
    : invalid(
        `the token does not list all groups: ${cut}; have the issuer put only the groups into it that matter here, or set allowIncompleteGroups for issuer ${quoted(issuer.url)}`,
        'HOLDGATE_IDENTIFY_GROUPS_INCOMPLETE',
      );
}

/**
 * How an issuer says that it left groups out, or null. A list that is silently short turns a deny by group into an
 * allow. Entra ID above 200 groups: `_claim_names` (OpenID Connect Core §5.6.2) or, in the implicit flow,
 * `hasgroups`. Okta cuts at 100 and says nothing: hence `groupsCountMax`.
 */
function cutShort(
  claims: Claims,
  issuer: IssuerConfig,
  claim: string,
  count: number,
): string | null {
  const elsewhere = claimAt(claims, '_claim_names');
  if (isObject(elsewhere)) {
    const name = Object.keys(elsewhere).find((one) => one === claim || claim.startsWith(`${one}.`));
    if (name !== undefined) return `claim ${name} is kept elsewhere (_claim_names)`;
  } else if (elsewhere !== undefined) {
    return '_claim_names has a form that cannot be read';
  }
  const more = claimAt(claims, 'hasgroups');
  if (more !== undefined && more !== false) return 'there are too many for it (hasgroups)';
  const { groupsCountMax } = issuer;
  return groupsCountMax !== undefined && count >= groupsCountMax
    ? `it has ${count}, and from ${groupsCountMax} on the issuer may have cut the list (groupsCountMax)`
    : null;
}

/**
 * RFC 8693 §4.1: who acts for the subject, outermost (current) first. A form that cannot be read is refused, never
 * skipped: without its actor a delegated token would pass for the person's own.
 */
function actorsOf(claims: Claims, issuer: IssuerConfig): Mapped<Identity['actor']> {
  const actors: { issuer: string; subject: string }[] = [];
  let holder = claims;
  while (Object.hasOwn(holder, 'act')) {
    const act = holder['act'];
    if (!isObject(act)) return invalid(`the token's act is ${quoted(act)}; expected an object`);
    const subject = claimAt(act, 'sub');
    const actorIssuer = Object.hasOwn(act, 'iss') ? act['iss'] : issuer.url;
    if (!isName(subject) || !isName(actorIssuer)) {
      return invalid("an actor of the token's act lacks a sub, or its iss is no string");
    }
    actors.push({ issuer: actorIssuer, subject });
    if (actors.length > actorsMax) {
      return invalid(`the token's act names more than ${actorsMax} actors`);
    }
    holder = act;
  }
  return ok(actors);
}

/** The claims that policy may see, under their configured paths; absent ones are left out. */
function policyClaims(claims: Claims, issuer: IssuerConfig): Identity['claims'] {
  const seen: [string, unknown][] = [];
  for (const path of issuer.policyClaims) {
    const value = claimAt(claims, path);
    if (value !== undefined) seen.push([path, value]);
  }
  return Object.fromEntries(seen);
}
