import { readDecision, wentThrough, type ExportedDecision, type ExportedRow } from './exported.ts';

/**
 * A decision as OCSF's API Activity, class 6003 (github.com/ocsf/ocsf-schema, events/application/api_activity.json), in the
 * version that `metadata.version` names. What OCSF has no field for is under `unmapped.holdgate`.
 */
export function ocsfLine(row: ExportedRow): string {
  return `${JSON.stringify(apiActivity(readDecision(row)))}\n`;
}

/** Widely read; later versions only add to what is used here. */
const schemaVersion = '1.6.0';

const classUid = 6003;

/** Activities of the class, by policy's verb; others, `connect` above all, are 99. */
const ACTIVITIES: Readonly<Record<string, { readonly id: number; readonly name: string }>> = {
  create: { id: 1, name: 'Create' },
  get: { id: 2, name: 'Read' },
  list: { id: 2, name: 'Read' },
  watch: { id: 2, name: 'Read' },
  update: { id: 3, name: 'Update' },
  patch: { id: 3, name: 'Update' },
  delete: { id: 4, name: 'Delete' },
  deletecollection: { id: 4, name: 'Delete' },
};
const unknownActivity = { id: 0, name: 'Unknown' };

function activityOf(verb: string): { readonly id: number; readonly name: string } {
  if (verb === '') return unknownActivity;
  return Object.hasOwn(ACTIVITIES, verb)
    ? (ACTIVITIES[verb] ?? unknownActivity)
    : { id: 99, name: verb };
}

const STATUSES = ['Unknown', 'Success', 'Failure'] as const;

function statusId({ outcome }: ExportedDecision): 0 | 1 | 2 {
  if (outcome === null) return 0;
  return outcome.complete && outcome.status > 0 && outcome.status < 400 ? 1 : 2;
}

/** Informational for what passed, Low for what was refused: a refusal is the gateway at work, not an incident. */
const severityOf = (exported: ExportedDecision): { severity_id: number; severity: string } =>
  wentThrough(exported)
    ? { severity_id: 1, severity: 'Informational' }
    : { severity_id: 2, severity: 'Low' };

function apiActivity(exported: ExportedDecision): object {
  const { decision, outcome } = exported;
  const verb = decision.input?.request.verb ?? '';
  const activity = activityOf(verb);
  const status = statusId(exported);
  const timeMs = Date.parse(decision.ts);
  return {
    metadata: {
      version: schemaVersion,
      product: { name: 'Holdgate', vendor_name: 'Holdgate' },
      uid: decision.requestId,
      log_name: 'decisions',
      original_time: decision.ts,
      sequence: decision.seq,
      ...(decision.approvalId === null ? {} : { correlation_uid: decision.approvalId }),
    },
    category_uid: 6,
    category_name: 'Application Activity',
    class_uid: classUid,
    class_name: 'API Activity',
    activity_id: activity.id,
    activity_name: activity.name,
    type_uid: classUid * 100 + activity.id,
    type_name: `API Activity: ${activity.name}`,
    ...severityOf(exported),
    time: timeMs,
    start_time: timeMs,
    ...(outcome === null
      ? {}
      : { end_time: Date.parse(outcome.ts), duration: Math.round(outcome.durationMs) }),
    status_id: status,
    status: STATUSES[status],
    ...(outcome === null ? {} : { status_code: String(outcome.status) }),
    status_detail: outcome?.code ?? decision.code ?? '',
    message: messageOf(decision),
    actor: actorOf(decision),
    api: apiOf(exported),
    http_request: {
      uid: decision.requestId,
      http_method: decision.method,
      user_agent: decision.userAgent,
      url: urlOf(decision.target),
    },
    ...(outcome === null ? {} : { http_response: { code: outcome.status } }),
    ...resourcesOf(decision),
    src_endpoint: { ip: decision.sourceIp },
    dst_endpoint: { name: decision.cluster === '' ? 'unknown' : decision.cluster },
    unmapped: { holdgate: restOf(exported) },
  };
}

function messageOf({ message, because }: ExportedDecision['decision']): string {
  return message === '' ? because.map(({ reason }) => reason).join('; ') : message;
}

function actorOf(decision: ExportedDecision['decision']): object {
  const { user, input, policy, verdict, because } = decision;
  return {
    user:
      user === null
        ? { type_id: 0, type: 'Unknown', name: 'unidentified' }
        : {
            ...userTypeOf(input?.user.kind),
            name: user.username,
            uid: user.subject,
            groups: (input?.user.groups ?? []).map((name) => ({ name })),
          },
    ...(user === null ? {} : { session: { issuer: user.issuer, ...sessionOf(input) } }),
    authorizations: because.map(({ rule, id, reason }) => ({
      decision: verdict,
      policy: {
        name: `${rule}/${id}`,
        desc: reason,
        ...(policy === null ? {} : { uid: policy.sources, version: policy.revision ?? '' }),
      },
    })),
  };
}

/** `agent` and `workload` are none of OCSF's types, which is what 99 says. */
function userTypeOf(kind: string | undefined): { type_id: number; type: string } {
  if (kind === undefined) return { type_id: 0, type: 'Unknown' };
  return kind === 'human' ? { type_id: 1, type: 'User' } : { type_id: 99, type: kind };
}

function sessionOf(input: ExportedDecision['decision']['input']): object {
  const token = input?.user.token;
  if (token === undefined) return {};
  const expiresMs = Date.parse(token.expires);
  return {
    ...(token.id === '' ? {} : { uid: token.id }),
    ...(Number.isNaN(expiresMs) ? {} : { expiration_time: expiresMs }),
  };
}

function apiOf({ decision, outcome }: ExportedDecision): object {
  const request = decision.input?.request;
  return {
    operation: request === undefined ? decision.method : operationOf(request),
    service: { name: 'kubernetes' },
    ...(request === undefined || request.version === '' ? {} : { version: request.version }),
    ...(request === undefined || request.group === '' ? {} : { group: { name: request.group } }),
    request: { uid: decision.requestId },
    ...(outcome === null
      ? {}
      : {
          response: { code: outcome.status, error: outcome.code ?? '', message: outcome.message },
        }),
  };
}

type Request = NonNullable<ExportedDecision['decision']['input']>['request'];

const operationOf = ({ verb, resource, path }: Request): string =>
  `${verb} ${resource === '' ? path : resource}`;

function resourcesOf({ input }: ExportedDecision['decision']): object {
  const request = input?.request;
  if (request === undefined || request.scope === 'nonresource') return {};
  return {
    resources: [
      {
        // A list has no name of its own: `*` stands for all of them.
        name: request.name === '' ? '*' : request.name,
        type: request.resource,
        version: request.version,
        ...(request.group === '' ? {} : { group: { name: request.group } }),
        ...(request.namespace === '' ? {} : { namespace: request.namespace }),
      },
    ],
  };
}

function urlOf(target: string): object {
  const [path = '', query = ''] = splitOnce(target, '?');
  return { url_string: target, path, ...(query === '' ? {} : { query_string: query }) };
}

function splitOnce(text: string, at: string): readonly string[] {
  const index = text.indexOf(at);
  return index === -1 ? [text] : [text.slice(0, index), text.slice(index + 1)];
}

function restOf({ decision, outcome }: ExportedDecision): object {
  return {
    verdict: decision.verdict,
    code: decision.code,
    stream: decision.stream,
    seq: decision.seq,
    masked: decision.mask.length > 0,
    user_kind: decision.input?.user.kind ?? null,
    acting_for: decision.input?.user.actor ?? [],
    upstream_status: outcome?.upstreamStatus ?? null,
    ended_by: outcome?.endedBy ?? null,
  };
}
