import { readDecision, type ExportedDecision, type ExportedRow } from './exported.ts';

/**
 * A decision as OPA writes one to its decision log (openpolicyagent.org/docs/management-decision-logs; the reader's type is
 * `EventV1` of v1/plugins/logs/plugin.go). What a leaf never holds is named under `erased`, as OPA's own masking does it.
 * What OPA has no field for is under `custom.holdgate`. A request that was refused before policy has no result.
 */
export function opaLogLine(row: ExportedRow): string {
  return `${JSON.stringify(opaEvent(readDecision(row)))}\n`;
}

/** The path of the decision: the gate folds what the rules say. */
const decisionPath = 'gate/decision';

function opaEvent({ decision, outcome }: ExportedDecision): object {
  const { requestId, input, policy, because, mask, record, verdict } = decision;
  const decided = policy === null ? null : { verdict, because, mask, record };
  return {
    labels: { app: 'holdgate', cluster: decision.cluster, id: decision.stream },
    decision_id: requestId,
    // A policies folder has no revision: the hash of its sources says as much.
    ...(policy === null
      ? {}
      : { bundles: { holdgate: { revision: nonEmpty(policy.revision) ?? policy.sources } } }),
    path: decisionPath,
    ...(input === null ? {} : { input, erased: erasedOf(input) }),
    ...(decided === null ? {} : { result: decided }),
    requested_by: decision.sourceIp,
    timestamp: decision.ts,
    custom: {
      holdgate: {
        verdict,
        code: decision.code,
        message: decision.message,
        method: decision.method,
        target: decision.target,
        user: decision.user,
        user_agent: decision.userAgent,
        approval_id: decision.approvalId,
        wasm: policy?.wasm ?? null,
        sources: policy?.sources ?? null,
        outcome:
          outcome === null
            ? null
            : {
                status: outcome.status,
                upstream_status: outcome.upstreamStatus,
                ended_by: outcome.endedBy,
                complete: outcome.complete,
                duration_ms: outcome.durationMs,
                ended_at: outcome.ts,
              },
      },
    },
  };
}

const nonEmpty = (text: string | undefined): string | undefined => (text === '' ? undefined : text);

/** JSON pointers (RFC 6901) of what policy saw and the record does not hold: see `recordedInput`. */
function erasedOf(input: NonNullable<ExportedDecision['decision']['input']>): readonly string[] {
  const always = ['/input/live', '/input/request/object', '/input/request/patch'];
  if (input.request.exec === null) return always;
  return [
    ...always,
    ...['command', 'stdout', 'stderr'].map((name) => `/input/request/exec/${name}`),
  ];
}
