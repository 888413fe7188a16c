import { z } from 'zod';
import { seconds } from './seconds.ts';
import { secretSource } from './secret-source.ts';

const bundle = z
  .union([
    z.strictObject({
      file: z.string().describe('A bundle, `.tar.gz`; loaded again when it changes.'),
    }),
    z.strictObject({
      url: z
        .url({ protocol: /^https$/, error: 'must be an https URL' })
        .describe('https URL of a bundle. Redirects are not followed.'),
      pollSeconds: seconds(30, 'How often it is asked for anew; at least 1.').refine(
        (value) => value >= 1,
        'at least 1',
      ),
      token: secretSource.optional().describe('A bearer token for the server.'),
      certificateAuthority: z
        .string()
        .optional()
        .describe("PEM file of the server's CA. Default: the system's CAs."),
    }),
  ])
  .describe('A bundle that `opa build -t wasm` made, instead of a folder.');

const key = z
  .union([
    z.strictObject({
      publicKey: z.string().describe('PEM file of the public key.'),
      algorithm: z
        .enum(['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'])
        .describe('The only algorithm that this key signs with.'),
    }),
    z.strictObject({
      secret: secretSource.describe('A shared secret: whoever checks with it can sign as well.'),
      algorithm: z
        .enum(['HS256', 'HS384', 'HS512'])
        .describe('The only algorithm that this secret signs with.'),
    }),
  ])
  .describe('A key that bundles are signed with.');

/** The `policies` section. */
export const policiesSchema = z.strictObject({
  directory: z
    .string()
    .optional()
    .describe('The policies folder. Default: the one shipped with Holdgate. Not beside `bundle`.'),
  bundle: bundle.optional(),
  verification: z
    .strictObject({
      keys: z.record(z.string(), key).describe('The trusted keys, by key id.'),
      keyid: z
        .string()
        .optional()
        .describe('The key that must have signed. Default: the one that the signature names.'),
      scope: z
        .string()
        .default('')
        .describe('The scope that the signature must have. Default: none.'),
      excludeFiles: z
        .array(z.string())
        .default([])
        .describe('Files that the signature does not cover; they are not used either.'),
    })
    .optional()
    .describe('How a bundle must be signed. Needed with `bundle`, unless `unsigned: true`.'),
  unsigned: z
    .boolean()
    .default(false)
    .describe(
      'Take a bundle without looking for a signature: whoever can write it decides. Default false.',
    ),
  opa: z
    .string()
    .optional()
    .describe('The opa program. Default: the one that npm installed, else `opa` on the PATH.'),
});
