import { z } from 'zod';
import { issuerSchema } from './issuer-schema.ts';
import { policiesSchema } from './policies-schema.ts';
import { recordSchema } from './record-schema.ts';
import { seconds } from './seconds.ts';
import { secretSource, type SecretSource } from './secret-source.ts';

/**
 * The configuration: one YAML file, this schema. Objects are strict (an unknown key is an error), every field says its
 * unit and default. `deploy/holdgate.schema.json` and `docs/configuration.md` are generated from here.
 * Paths are relative to the configuration file.
 */
const port = (fallback: number) =>
  z
    .int()
    .min(0)
    .max(65_535)
    .default(fallback)
    .describe(`TCP port; 0 picks a free one. Default ${fallback}.`);

const name = (what: string) =>
  z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be lower-case letters, digits and dashes')
    .describe(what);

const tls = z.strictObject({
  certificateFile: z.string().describe('PEM chain, leaf first; reloaded when it changes.'),
  keyFile: z.string().describe('PEM private key; reloaded when it changes.'),
});

const listener = (fallbackPort: number) => ({
  address: z.string().default('127.0.0.1').describe('Address to listen on. Default 127.0.0.1.'),
  port: port(fallbackPort),
  tls: tls
    .optional()
    .describe('Certificate and key. Without it a local CA in the data directory issues one.'),
  hostnames: z
    .array(z.string())
    .default(['localhost', '127.0.0.1'])
    .describe('Names and addresses in the locally issued certificate.'),
  publicUrl: z
    .url()
    .optional()
    .describe('The URL that clients use, where it is not https://<address>:<port>.'),
});

const credential = z
  .union([
    z.strictObject({ token: secretSource.describe('A bearer token.') }),
    z.strictObject({ clientCertificate: tls.describe('A client certificate and its key.') }),
    z.strictObject({
      serviceAccount: z
        .strictObject({
          directory: z
            .string()
            .default('/var/run/secrets/kubernetes.io/serviceaccount')
            .describe('Where token and ca.crt are mounted. Default as Kubernetes mounts them.'),
        })
        .describe("The pod's own service account."),
    }),
  ])
  .describe('How the gateway authenticates to the cluster. It never reaches a client.');

const cluster = z.union([
  z.strictObject({
    name: name("The cluster's name, in paths and records."),
    server: z
      .url({ protocol: /^https$/, error: 'must be an https URL' })
      .describe('https URL of the API server.'),
    certificateAuthority: z
      .string()
      .optional()
      .describe(
        "PEM file of the API server's CA. Default: the system's CAs; with serviceAccount, the mounted one.",
      ),
    tlsServerName: z
      .string()
      .optional()
      .describe("Name to expect in the certificate, if not the server's."),
    labels: z.record(z.string(), z.string()).default({}).describe('Labels that policy sees.'),
    credential,
  }),
  z.strictObject({
    name: name("The cluster's name, in paths and records."),
    kubeconfig: z
      .strictObject({
        file: z.string().describe('A kubeconfig file.'),
        context: z.string().describe('A context in it.'),
        allowExec: z
          .boolean()
          .default(false)
          .describe('Let an exec plugin with an absolute path run. Default false.'),
      })
      .describe('Server, CA and credential of a context of a kubeconfig.'),
    labels: z.record(z.string(), z.string()).default({}).describe('Labels that policy sees.'),
  }),
]);

const member = z.strictObject({
  issuer: z.string().describe("The person's issuer, as in identity.people."),
  subject: z.string().describe("The `sub` of the person's tokens."),
});

export const roleNames = ['viewer', 'auditor', 'approver', 'admin'] as const;

export const configSchema = z.strictObject({
  dataDirectory: z
    .string()
    .default('.holdgate')
    .describe('Where the embedded database, local keys and caches live. Default .holdgate.'),
  logLevel: z.enum(['error', 'warn', 'info', 'debug']).default('info').describe('Default info.'),
  data: z
    .strictObject({ ...listener(8443) })
    .prefault({})
    .describe('The data port: agents and pipelines.'),
  people: z
    .strictObject({
      ...listener(8444),
      roles: z
        .partialRecord(z.enum(roleNames), z.array(z.string()))
        .optional()
        .describe(
          'Groups that have each role: viewer, auditor, approver, admin. A role includes those before it, auditor and approver are side by side.',
        ),
      audience: z
        .string()
        .default('holdgate-people')
        .describe("The audience of people's tokens. Default holdgate-people."),
    })
    .prefault({})
    .describe("The people's port: REST API, health, metrics."),
  database: z
    .strictObject({ url: secretSource.describe('A PostgreSQL URL.') })
    .optional()
    .describe('PostgreSQL 15 or later. Without it: the embedded database in the data directory.'),
  identity: z
    .strictObject({
      issuers: z
        .array(issuerSchema)
        .default([])
        .describe("Trusted issuers of the data port's tokens."),
      people: z.array(issuerSchema).default([]).describe("Trusted issuers of people's tokens."),
      clockSkewSeconds: seconds(30, 'Tolerated clock difference; at most 60.').refine(
        (value) => value <= 60,
        'at most 60',
      ),
      jwksMaxStaleSeconds: seconds(
        3600,
        'How long keys are used after their issuer became unreachable.',
      ),
      local: z
        .boolean()
        .default(false)
        .describe(
          'Run the local issuer with its two example identities. Loopback only. Default false.',
        ),
    })
    .prefault({})
    .describe('Who may come in.'),
  clusters: z
    .array(cluster)
    .default([])
    .describe('The clusters behind the gateway; a saved change takes effect without a restart.'),
  defaultCluster: z
    .string()
    .optional()
    .describe(
      'The cluster of paths without /clusters/<name>; a saved change takes effect without a restart. Default: the first.',
    ),
  policies: policiesSchema.prefault({}).describe('The rules.'),
  approverGroups: z
    .record(
      z.string(),
      z.strictObject({ members: z.array(member).min(1).describe('Who is in it.') }),
    )
    .default({})
    .describe('The groups that holds name in `approvers`.'),
  holds: z
    .strictObject({
      waitSeconds: seconds(300, 'How long a call waits on its connection.'),
      decideWithinSeconds: seconds(1800, 'How long people may decide.'),
      spendWithinSeconds: seconds(900, 'How long an approval can be spent when nobody waits.'),
      leaseSeconds: seconds(
        60,
        'After how long without a sign of life an execution counts as UNKNOWN.',
      ),
    })
    .prefault({})
    .describe('The clocks of approvals.'),
  record: recordSchema
    .prefault({})
    .describe('The evidence that records were not changed, and where they are pushed to.'),
  drainSeconds: seconds(
    15,
    'How long a shutdown may take, and how long calls may go on in a cluster that was removed or changed.',
  ),
});

/** The configuration as parsed: every default filled in. */
export type Config = z.infer<typeof configSchema>;
export type IssuerConfig = z.infer<typeof issuerSchema>;
export type ClusterConfig = z.infer<typeof cluster>;
export type CredentialConfig = z.infer<typeof credential>;
export type { SecretSource };
export type RoleName = (typeof roleNames)[number];
