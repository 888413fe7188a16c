import {
  readDecision,
  resourceParts,
  rulesOf,
  wentThrough,
  type ExportedDecision,
  type ExportedRow,
} from './exported.ts';

/**
 * A decision as an audit event of Kubernetes (k8s.io/apiserver pkg/apis/audit/v1 `Event`, level Metadata), for whatever reads
 * the API server's own log. `auditID` is the one that the gateway sent upstream: both events of a call share it. The stage
 * is ResponseComplete, or RequestReceived for a call of which no end is on record. What the gateway adds is annotated.
 */
export function auditEventLine(row: ExportedRow): string {
  return `${JSON.stringify(auditEvent(readDecision(row)))}\n`;
}

function auditEvent(exported: ExportedDecision): object {
  const { decision, outcome } = exported;
  const request = decision.input?.request;
  const verb = request?.wire.verb ?? decision.method.toLowerCase();
  const objectRef = objectRefOf(request);
  return {
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: decision.requestId,
    stage: outcome === null ? 'RequestReceived' : 'ResponseComplete',
    requestURI: decision.target,
    verb,
    user: userOf(decision),
    sourceIPs: [decision.sourceIp],
    userAgent: decision.userAgent,
    ...(objectRef === null ? {} : { objectRef }),
    ...(outcome === null ? {} : { responseStatus: statusOf(outcome) }),
    requestReceivedTimestamp: microTime(decision.ts),
    stageTimestamp: microTime((outcome ?? decision).ts),
    annotations: annotationsOf(exported),
  };
}

/** metav1.MicroTime: RFC 3339 with six digits. */
const microTime = (ts: string): string => ts.replace(/Z$/, '000Z');

function userOf({ user, input }: ExportedDecision['decision']): object {
  if (user === null) return {};
  return {
    username: user.username,
    ...(input === null ? {} : { uid: input.user.uid, groups: input.user.groups }),
    extra: { 'holdgate.dev/issuer': [user.issuer], 'holdgate.dev/subject': [user.subject] },
  };
}

type Request = NonNullable<ExportedDecision['decision']['input']>['request'];

function objectRefOf(request: Request | undefined): object | null {
  if (request === undefined || request.scope === 'nonresource') return null;
  const { resource, subresource } = resourceParts(request.resource);
  const fields = {
    resource,
    namespace: request.namespace,
    name: request.name,
    apiGroup: request.group,
    apiVersion: request.version,
    subresource,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ''));
}

function statusOf({ status, message, complete }: NonNullable<ExportedDecision['outcome']>): object {
  const failed = status === 0 || status >= 400 || !complete;
  return {
    metadata: {},
    ...(failed ? { status: 'Failure', message } : {}),
    code: status,
  };
}

function annotationsOf(exported: ExportedDecision): Readonly<Record<string, string>> {
  const { decision, outcome } = exported;
  const reasons = decision.because.map(({ reason }) => reason).join('; ');
  const all = {
    // The keys that the API server's own authorizers use (pkg/endpoints/filters/authorization.go): known to every reader.
    'authorization.k8s.io/decision': wentThrough(exported) ? 'allow' : 'forbid',
    'authorization.k8s.io/reason': reasons === '' ? decision.message : reasons,
    'holdgate.dev/decision': decision.verdict,
    'holdgate.dev/rules': rulesOf(decision).join(','),
    'holdgate.dev/masked-by': decision.mask.map(({ rule, id }) => `${rule}/${id}`).join(','),
    'holdgate.dev/cluster': decision.cluster,
    'holdgate.dev/approval': decision.approvalId ?? '',
    'holdgate.dev/code': outcome?.code ?? decision.code ?? '',
    'holdgate.dev/policy-sources': decision.policy?.sources ?? '',
    'holdgate.dev/policy-revision': decision.policy?.revision ?? '',
    'holdgate.dev/upstream-status': outcome === null ? '' : String(outcome.upstreamStatus),
    'holdgate.dev/ended-by': outcome?.endedBy ?? '',
    'holdgate.dev/record': `${decision.stream}/${decision.seq}`,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
}
