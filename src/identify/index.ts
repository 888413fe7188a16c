/**
 * @module identify — a bearer token in, an Identity or a refusal out. Refuses every other credential.
 */
export { expiredAt } from './claim-checks.ts';
export { fetchJson, type FetchJson, type JsonAnswer, type JsonRequest } from './fetch-json.ts';
export {
  createIdentifier,
  type Identifier,
  type IdentifierOptions,
  type IssuerStatus,
} from './identifier.ts';
export { identityKey, type Identity } from './identity.ts';
export { requirePerson, requireRole, rolesOf, type RoleGroups } from './roles.ts';
