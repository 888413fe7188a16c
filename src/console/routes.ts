import { createRoute, z } from '@hono/zod-openapi';
import {
  approvalItem,
  approvalPage,
  approvalQuery,
  decisionDetail,
  decisionPage,
  decisionQuery,
  evidenceQuery,
  explained,
  exportQuery,
  idParameter,
  readinessBody,
  statusBody,
  voteBody,
} from './schemas.ts';

const json = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  content: { 'application/json': { schema } },
  description,
});

const refused = {
  400: json(statusBody, 'A parameter or the body has the wrong form.'),
  401: json(statusBody, 'No valid token of a person.'),
  403: json(statusBody, 'The person has no role that may do this, or the vote does not count.'),
  404: json(statusBody, 'There is no such thing.'),
  409: json(statusBody, 'The approval is no longer open.'),
  503: json(statusBody, 'The database is down.'),
};

const security = [{ oidc: [] }];

export const listDecisions = createRoute({
  method: 'get',
  path: '/api/v1/decisions',
  summary: 'Lists decisions, newest first',
  description:
    'Roles viewer, auditor. With Accept: application/x-ndjson, all that match, one a line.',
  security,
  request: { query: decisionQuery },
  responses: { 200: json(decisionPage, 'A page of decisions.'), ...refused },
});

export const exportDecisions = createRoute({
  method: 'get',
  path: '/api/v1/decisions/export',
  summary: 'Exports the record in a format of other programs',
  description:
    'Role auditor. Gateway process by gateway process, each in its own order: sort by time where that matters.',
  security,
  request: { query: exportQuery },
  responses: {
    200: {
      content: {
        'application/x-ndjson': { schema: z.string() },
        'text/csv': { schema: z.string() },
      },
      description: 'The rows.',
    },
    ...refused,
  },
});

export const showDecision = createRoute({
  method: 'get',
  path: '/api/v1/decisions/{id}',
  summary: 'Shows all that is recorded of one request',
  description: 'Roles viewer, auditor.',
  security,
  request: { params: idParameter },
  responses: { 200: json(decisionDetail, 'The records of the request.'), ...refused },
});

export const explainDecision = createRoute({
  method: 'get',
  path: '/api/v1/decisions/{id}/explain',
  summary: 'Says which rules decided, and where they are written',
  description: 'Role auditor. File and line come from the policy sources that decided.',
  security,
  request: { params: idParameter },
  responses: { 200: json(explained, 'The elements of the decision.'), ...refused },
});

export const listApprovals = createRoute({
  method: 'get',
  path: '/api/v1/approvals',
  summary: 'Lists approvals, newest first',
  description: 'Roles approver, viewer, auditor.',
  security,
  request: { query: approvalQuery },
  responses: { 200: json(approvalPage, 'A page of approvals.'), ...refused },
});

export const showApproval = createRoute({
  method: 'get',
  path: '/api/v1/approvals/{id}',
  summary: 'Shows an approval',
  description: 'Roles approver, viewer, auditor.',
  security,
  request: { params: idParameter },
  responses: { 200: json(approvalItem, 'The approval.'), ...refused },
});

export const exportEvidence = createRoute({
  method: 'get',
  path: '/api/v1/evidence',
  summary: 'Makes an evidence bundle, for holdgate verify',
  description:
    'Role auditor. Whole streams of the days between since and until, or with request or approval single records with proofs.',
  security,
  request: { query: evidenceQuery },
  responses: {
    200: {
      content: { 'application/x-tar': { schema: z.string().openapi({ format: 'binary' }) } },
      description: 'The bundle.',
    },
    ...refused,
  },
});

const vote = (kind: 'approve' | 'deny') =>
  createRoute({
    method: 'post',
    path: `/api/v1/approvals/{id}/${kind}`,
    summary: kind === 'approve' ? 'Votes for a held request' : 'Denies a held request',
    description:
      'Role approver, and a member of a group that the approval asks for; never who asked.',
    security,
    request: {
      params: idParameter,
      body: { content: { 'application/json': { schema: voteBody } }, required: true },
    },
    responses: { 200: json(approvalItem, 'The approval after the vote.'), ...refused },
  });

export const approve = vote('approve');
export const deny = vote('deny');

export const readiness = createRoute({
  method: 'get',
  path: '/readyz',
  summary: 'Says whether the gateway can serve, part by part',
  responses: {
    200: json(readinessBody, 'Every part is ready.'),
    503: json(readinessBody, 'Some part is not.'),
  },
});
