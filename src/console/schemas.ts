import { z } from '@hono/zod-openapi';
import type { ApprovalState } from '../hold/index.ts';
import type { ExportFormatName } from '../record/index.ts';

const approvalStates = [
  'PENDING',
  'APPROVED',
  'DENIED',
  'EXPIRED',
  'CANCELLED',
  'STALE',
  'EXECUTING',
  'LAPSED',
  'REVOKED',
  'EXECUTED',
  'FAILED',
  'UNKNOWN',
] as const satisfies readonly ApprovalState[];

const time = (what: string) =>
  z.iso
    .datetime({ offset: true })
    .optional()
    .openapi({ description: `${what}, RFC 3339.` });

const text = (what: string) => z.string().max(512).optional().openapi({ description: what });

/** Which decisions; every parameter narrows. */
export const decisionQuery = z.object({
  since: time('From this moment on'),
  until: time('Before this moment'),
  user: text('The user name.'),
  cluster: text('The cluster.'),
  namespace: text('The namespace.'),
  verb: text('The verb that policy saw.'),
  resource: text('As RBAC writes it: pods/exec.'),
  verdict: z.enum(['allow', 'hold', 'deny']).optional(),
  rule: text('A rule, or one element of it: payments_pods/delete.'),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: text('Where the page begins: the cursor of the page before.'),
});

const exportFormatNames = [
  'ndjson',
  'csv',
  'opa',
  'audit',
  'ocsf',
  'records',
] as const satisfies readonly ExportFormatName[];

/** A cursor holds a number for each gateway process of the last weeks; headers up to 64 KiB are taken. Characters. */
const exportCursorCharsMax = 56 * 1024;

export const exportQuery = z.object({
  format: z.enum(exportFormatNames).default('ndjson').openapi({
    description:
      'ndjson: the leaves of each decision and its outcome. csv. opa: decision log. audit: audit.k8s.io/v1 Event. ocsf: API Activity 6003. records: every leaf of every kind.',
  }),
  since: time('From this moment on'),
  until: time('Before this moment'),
  cursor: z.string().max(exportCursorCharsMax).optional().openapi({
    description: 'Where to begin: the holdgate-cursor of the page before.',
  }),
  page: z.enum(['true', 'false']).default('false').openapi({
    description:
      'true: one page, with the headers holdgate-cursor and holdgate-more. false: everything, streamed.',
  }),
  settle: z.coerce.number().int().min(0).max(3600).default(60).openapi({
    description: 'Seconds for which a decision without an outcome is held back. Not for records.',
  }),
});
const ids = (what: string) =>
  z
    .union([z.string(), z.array(z.string())])
    .optional()
    .transform((given) => (given === undefined ? [] : [given].flat()))
    .pipe(z.array(z.string().min(1).max(512)).max(300))
    .openapi({ type: 'array', items: { type: 'string' }, description: what });

/** What an evidence bundle is to hold. */
export const evidenceQuery = z
  .object({
    since: time('Streams opened on the UTC day of this moment or later'),
    until: time('Streams opened on the UTC day of this moment or earlier'),
    approval: text('An approval, with the requests that it was about.'),
    request: ids('Requests, by their Audit-IDs.'),
  })
  .refine(
    ({ since, until, approval, request }) =>
      [since ?? until, approval, request[0]].filter((one) => one !== undefined).length <= 1,
    { message: 'give a time, requests, or an approval: one of them' },
  );

const user = z.object({ issuer: z.string(), subject: z.string(), username: z.string() });

const outcome = z.object({
  endedAt: z.string(),
  status: z.number().openapi({ description: 'What the caller saw; 0 where there was no status.' }),
  upstreamStatus: z.number(),
  code: z.string().nullable(),
  message: z.string(),
  durationMs: z.number(),
  bytesSent: z.number(),
  complete: z.boolean(),
  endedBy: z.string(),
});

/** One row that people see: a decision beside its outcome. */
export const decisionItem = z
  .object({
    requestId: z.string().openapi({ description: 'The Audit-ID of the request.' }),
    at: z.string().openapi({ description: 'RFC 3339.' }),
    cluster: z.string(),
    user: user
      .nullable()
      .openapi({ description: 'Null where the caller could not be identified.' }),
    sourceIp: z.string(),
    method: z.string(),
    target: z.string(),
    verb: z.string(),
    group: z.string(),
    resource: z.string(),
    namespace: z.string(),
    name: z.string(),
    verdict: z.enum(['allow', 'hold', 'deny']),
    because: z.array(z.looseObject({ rule: z.string(), id: z.string(), reason: z.string() })),
    masked: z.boolean(),
    code: z.string().nullable(),
    message: z.string(),
    approvalId: z.string().nullable(),
    outcome: outcome.nullable().openapi({ description: 'Null while the request runs.' }),
  })
  .openapi('Decision');

export const decisionPage = z
  .object({ items: z.array(decisionItem), cursor: z.string().nullable() })
  .openapi('DecisionPage');

const decidingPolicy = z
  .looseObject({
    wasm: z.string(),
    sources: z.string(),
    compiler: z.string(),
    revision: z.string().optional().openapi({
      description:
        "The revision of the bundle's manifest; empty for a policies folder. Older records have none.",
    }),
  })
  .openapi({ description: 'Null where the request was refused before policy.' });

export const decisionDetail = z
  .looseObject({
    decision: z.looseObject({ policy: decidingPolicy.nullable() }),
    outcome: z.looseObject({}).nullable(),
  })
  .openapi('DecisionDetail');

export const explained = z
  .object({
    verdict: z.string(),
    elements: z.array(
      z.object({
        rule: z.string(),
        id: z.string(),
        reason: z.string(),
        places: z.array(z.object({ file: z.string(), line: z.number() })),
      }),
    ),
  })
  .openapi('Explanation');

export const approvalQuery = z.object({
  state: z.enum(approvalStates).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
  before: text('The id of the last approval of the page before.'),
});

export const approvalItem = z
  .looseObject({ id: z.string(), state: z.enum(approvalStates), version: z.number() })
  .openapi('Approval');

export const approvalPage = z.object({ items: z.array(approvalItem) }).openapi('ApprovalPage');

export const voteBody = z
  .strictObject({
    reason: z.string().max(2000).default(''),
    version: z.number().int().positive().nullable().default(null).openapi({
      description: 'The version that the voter saw: a vote on a changed approval is refused.',
    }),
  })
  .openapi('Vote');

export const idParameter = z.object({ id: z.string().min(1).max(128) });

export const statusBody = z
  .object({
    kind: z.literal('Status'),
    apiVersion: z.literal('v1'),
    status: z.literal('Failure'),
    message: z.string(),
    reason: z.string(),
    code: z.number(),
  })
  .openapi('Status');

export const readinessBody = z
  .object({
    ready: z.boolean(),
    parts: z.array(z.object({ part: z.string(), ready: z.boolean(), problem: z.string() })),
  })
  .openapi('Readiness');
