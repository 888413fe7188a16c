import { z } from 'zod';

/** A secret in the configuration: where it is, never what it is. */
export const secretSource = z
  .union([
    z.strictObject({
      file: z.string().describe('A file that holds the secret; re-read when it changes.'),
    }),
    z.strictObject({ env: z.string().describe('The environment variable that holds the secret.') }),
  ])
  .describe('Where a secret comes from: never inline.');

export type SecretSource = z.infer<typeof secretSource>;
