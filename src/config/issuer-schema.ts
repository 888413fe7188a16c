import { z } from 'zod';
import { trustedUrlProblem } from '../base/loopback.ts';
import { seconds } from './seconds.ts';

/** A URL from which something trusted comes: https, or http on the machine itself. */
const trustedUrl = (description: string) =>
  z
    .url()
    .refine((text) => trustedUrlProblem(text) === null, {
      error: (issue) => trustedUrlProblem(String(issue.input)) ?? '',
    })
    .describe(description);

const prefixed = z.strictObject({
  claim: z.string().describe('The claim; a dot descends (`realm_access.roles`).'),
  prefix: z
    .string()
    .refine((prefix) => !/^(system|eks):/.test(prefix), 'must not begin with system: or eks:')
    .describe('Put before each value; may be empty, must be written.'),
});

/**
 * A trusted issuer: the fields of kube-apiserver's AuthenticationConfiguration (`jwt[]`, apiserver.config.k8s.io/v1)
 * that Holdgate takes, flattened, and beside them what the gateway decides for itself (kind, algorithms, completeness).
 */
export const issuerSchema = z.strictObject({
  url: trustedUrl("Exactly the token's `iss`: https, or http on loopback."),
  discoveryURL: trustedUrl(
    'Where discovery is, if not <url>/.well-known/openid-configuration.',
  ).optional(),
  certificateAuthority: z
    .string()
    .optional()
    .describe("PEM file of the CA of the issuer's own server."),
  audiences: z.array(z.string()).min(1).describe("The token's `aud` must contain one of them."),
  kind: z
    .enum(['agent', 'human', 'workload'])
    .default('workload')
    .describe('What its tokens are. Default workload.'),
  claimMappings: z
    .strictObject({
      username: prefixed.describe('The user name.'),
      groups: prefixed.optional().describe('The groups: a list of strings, or one string.'),
      uid: z
        .strictObject({ claim: z.string().describe('The claim; a dot descends.') })
        .optional()
        .describe('The uid.'),
    })
    .describe('Which claims name the caller.'),
  claimValidationRules: z
    .array(
      z.strictObject({
        claim: z.string().describe('The claim; a dot descends.'),
        requiredValue: z.string().describe('Its value; only strings are equal to it.'),
      }),
    )
    .default([])
    .describe('Claims that must have exactly these values.'),
  policyClaims: z
    .array(z.string())
    .default([])
    .describe('Claims that policy sees in input.user.claims.'),
  algorithms: z
    .array(
      z.enum([
        'RS256',
        'RS384',
        'RS512',
        'PS256',
        'PS384',
        'PS512',
        'ES256',
        'ES384',
        'ES512',
        'EdDSA',
      ]),
    )
    .min(1)
    .default(['RS256', 'ES256'])
    .describe('Signature algorithms taken. Default RS256 and ES256.'),
  authorizedParties: z
    .array(z.string())
    .optional()
    .describe('If given, `azp` (or client_id, appid) must be one of them.'),
  maxTokenLifetimeSeconds: seconds(86_400, 'Tokens that live longer are refused.'),
  groupsCountMax: z
    .int()
    .positive()
    .optional()
    .describe('A token with this many groups or more counts as incomplete (Okta cuts at 100).'),
  allowIncompleteGroups: z
    .boolean()
    .default(false)
    .describe(
      'Let tokens with incomplete groups in, as groups_complete: false. Default false: they are refused.',
    ),
});
