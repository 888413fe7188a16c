import { DependencyError, refusal, type Refusal } from '../base/errors.ts';
import { errorText } from '../base/log.ts';
import { err, type Result } from '../base/result.ts';
import { StopSwitch } from '../base/stop-signal.ts';
import { executeGuarded, staleRefusal, type Claim, type ExecutionEnd } from '../hold/index.ts';
import type { UpstreamAnswer } from '../forward/index.ts';
import { maskAnswer } from '../mask/index.ts';
import { outgoing } from './forward.ts';
import { guardedRequest, type Passing } from './passing.ts';
import type { FlowPorts } from './ports.ts';
import { sendWhole } from './send-whole.ts';

type Answer = Extract<ExecutionEnd, { kind: 'answer' }>['answer'];

/**
 * Executes a claimed call, once. The release is recorded before each try, the outcome before the answer: where that
 * fails, the caller is told that it ran and where to look.
 */
export async function executeApproved(
  passing: Passing,
  claim: Claim,
  digest: string,
  ports: FlowPorts,
): Promise<void> {
  const { call, request, own, plan } = passing;
  // Nobody else may end this call: its outcome is wanted even when the client has left.
  const out = outgoing(call, request, plan, new StopSwitch());
  if (!out.ok) {
    await ports.approvals.finish(claim, 'FAILED', `not executed: ${out.error.message}`);
    return call.refuse(out.error);
  }
  const { approval } = claim;
  const send = async (sending: {
    readonly body: Buffer | null;
    readonly contentType: string;
    readonly guard: string;
    readonly digestSent: string;
    readonly attempt: number;
  }): Promise<Result<UpstreamAnswer, Refusal>> => {
    const { guard, digestSent, attempt } = sending;
    const { because, policy } = passing.examined.decision;
    const common = { requestId: call.requestId, cluster: request.cluster.name };
    try {
      await ports.recorder.append({
        kind: 'release',
        ...common,
        approvalId: approval.id,
        attempt,
        because,
        policy,
        digest,
        digestSent,
        guard,
      });
    } catch (cause) {
      if (!(cause instanceof DependencyError)) throw cause;
      return err(
        refusal(
          'HOLDGATE_FORWARD_UNREACHABLE',
          'the release could not be recorded, so nothing was sent',
          { detail: cause.message },
        ),
      );
    }
    return out.value.send(sending.body, sending.contentType);
  };
  const guarded = { guard: approval.guard, request: guardedRequest(passing), reader: own, send };
  const end = await executeGuarded(guarded).catch(async (cause: unknown) => {
    // A dependency broke on the way, and nobody can say how far the call had come: never retried.
    await ports.approvals.finish(claim, 'UNKNOWN', errorText(cause)).catch(() => null);
    throw cause;
  });
  call.stage('executed');
  return conclude(passing, claim, end, ports);
}

async function conclude(
  passing: Passing,
  claim: Claim,
  end: ExecutionEnd,
  ports: FlowPorts,
): Promise<void> {
  const { call } = passing;
  const { id } = claim.approval;
  switch (end.kind) {
    case 'stale':
      await ports.approvals.finish(claim, 'STALE', end.why);
      return call.refuse(staleRefusal(id, end.why));
    case 'broken': {
      const { message, detail = '' } = end.refusal;
      await ports.approvals.finish(
        claim,
        end.sent ? 'UNKNOWN' : 'FAILED',
        `${message} ${detail}`.trim(),
      );
      const endedBy = 'upstream' as const;
      return call.refuse({ ...end.refusal, approvalId: id }, { endedBy, complete: false });
    }
    case 'answer':
      return answerExecuted(passing, claim, end.answer, ports);
  }
}

/** The outcome is on record before the caller sees it; an outcome that cannot be recorded is told as such. */
async function answerExecuted(
  passing: Passing,
  claim: Claim,
  answer: Answer,
  ports: FlowPorts,
): Promise<void> {
  const { call } = passing;
  const { status } = answer;
  const state = status >= 200 && status < 300 ? 'EXECUTED' : 'FAILED';
  try {
    await ports.approvals.finish(claim, state, `the cluster answered ${status}`);
    const facts = { status, upstreamStatus: status, bytesSent: answer.body.length };
    await call.closed({ ...facts, endedBy: 'answer', complete: true });
  } catch (cause) {
    ports.log.error('the outcome of an approved call could not be recorded', {
      request: call.requestId,
      approval: claim.approval.id,
      status,
      cause: errorText(cause),
    });
    return call.refuse(
      refusal(
        'HOLDGATE_FORWARD_OUTCOME_UNKNOWN',
        `the call was executed (the cluster answered ${status}), and its outcome could not be recorded`,
        {
          approvalId: claim.approval.id,
        },
      ),
      { upstreamStatus: status, endedBy: 'recorder', complete: false },
    );
  }
  return passOn(passing, answer);
}

async function passOn({ call, plan }: Passing, answer: Answer): Promise<void> {
  if (call.exchange.gone.aborted) return;
  let { body } = answer;
  if (plan !== null && answer.status < 300) {
    const masked = await maskAnswer(body, plan);
    if (!masked.ok) return call.refuse(masked.error, { upstreamStatus: answer.status });
    const chunks: Buffer[] = [];
    for await (const chunk of masked.value) chunks.push(chunk);
    body = Buffer.concat(chunks);
  }
  sendWhole(call, { ...answer, body }, true);
}
