import { fileURLToPath } from 'node:url';

/** The folder that holds package.json, policies/ and migrations/: two above this file, in src/ and in dist/ alike. */
export const packageDirectory: string = fileURLToPath(new URL('../..', import.meta.url));

/** The policies shipped with Holdgate. */
export const shippedPoliciesDirectory: string = fileURLToPath(
  new URL('../../policies', import.meta.url),
);
