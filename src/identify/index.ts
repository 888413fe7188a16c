/**
 * @module identify — a bearer token in, an Identity or a refusal out. Refuses every other credential.
 */
export { identityKey, type Identity } from './identity.ts';
