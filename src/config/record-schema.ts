import { z } from 'zod';
import { secretSource } from './secret-source.ts';
import { sinkSchema } from './sink-schema.ts';

/** How records are proven unchanged, and where they go. */
export const recordSchema = z.strictObject({
  deployment: z
    .string()
    .regex(
      /^[a-z0-9]([-.a-z0-9]{0,62}[a-z0-9])?$/,
      'must be lower-case letters, digits, dots and dashes, at most 64',
    )
    .optional()
    .describe(
      'The name of this deployment in signatures, the same for all its replicas; it is part of the deployment key. Default: a random one, made with the key.',
    ),
  deploymentKey: secretSource
    .optional()
    .describe(
      'The key that vouches for what this deployment records, the same for all its replicas. Default: deployment.key in the data directory, made at the first start.',
    ),
  anchors: z
    .strictObject({
      log: z.boolean().default(true).describe('A log line. Default true.'),
      file: z
        .string()
        .optional()
        .describe(
          "A file that is appended to, best on a volume that the database's administrator cannot write.",
        ),
      webhook: z
        .strictObject({
          url: z
            .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
            .describe(
              'Where the checkpoint is sent: POST, text/plain. Kept is what a 2xx answers.',
            ),
          token: secretSource.describe('Sent as a bearer token.'),
        })
        .optional()
        .describe('A service that keeps what it is sent.'),
    })
    .prefault({})
    .describe(
      'Where checkpoints of the ledger go, outside of the database: on change, at most once a minute.',
    ),
  sinks: z
    .array(sinkSchema)
    .max(32)
    .default([])
    .describe('Services that the record is pushed to, beside the serving of requests.'),
});
