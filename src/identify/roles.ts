import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { RoleName } from '../config/index.ts';
import type { Identity } from './identity.ts';
import { quoted } from './text.ts';

/** The groups that have each role, as configured. */
export type RoleGroups = { readonly [role in RoleName]?: readonly string[] | undefined };

/** A role includes those listed with it; auditor and approver are side by side. */
const INCLUDES: Readonly<Record<RoleName, readonly RoleName[]>> = {
  viewer: ['viewer'],
  auditor: ['auditor', 'viewer'],
  approver: ['approver', 'viewer'],
  admin: ['admin', 'approver', 'auditor', 'viewer'],
};

const ROLES: readonly RoleName[] = ['viewer', 'auditor', 'approver', 'admin'];

/**
 * Refuses whoever is no person acting for themselves: on the people's port an agent's token, or a person's token in
 * an agent's hands (RFC 8693 `act`), must not vote, read the records or change anything.
 */
export function requirePerson(identity: Identity): Result<Identity, Refusal> {
  const { kind, actor, username } = identity;
  const [current] = actor;
  if (kind === 'human' && current === undefined) return ok(identity);
  const why =
    current === undefined
      ? `${quoted(username)} is of kind ${kind}`
      : `${quoted(current.subject)} acts for ${quoted(username)}`;
  return err(
    refusal('HOLDGATE_IDENTIFY_NOT_A_PERSON', `${why}; this port serves people themselves only`),
  );
}

/** The roles that the identity has by its groups. Without configured roles nobody has one. */
export function rolesOf(
  identity: Pick<Identity, 'groups'>,
  groups: RoleGroups = {},
): ReadonlySet<RoleName> {
  const roles = new Set<RoleName>();
  for (const role of ROLES) {
    if (!(groups[role] ?? []).some((group) => identity.groups.includes(group))) continue;
    for (const included of INCLUDES[role]) roles.add(included);
  }
  return roles;
}

/** Refuses a person who lacks the role, and names it. */
export function requireRole(
  identity: Identity,
  groups: RoleGroups | undefined,
  role: RoleName,
): Result<Identity, Refusal> {
  if (rolesOf(identity, groups).has(role)) return ok(identity);
  return err(
    refusal(
      'HOLDGATE_IDENTIFY_ROLE_MISSING',
      `${quoted(identity.username)} does not have the role ${role}; it comes from groups, by people.roles in the configuration`,
    ),
  );
}
