import { errorText } from '../base/log.ts';
import { podDrift, staleRefusal, type Claim } from '../hold/index.ts';
import type { UpgradeEnd } from '../forward/index.ts';
import type { Passing } from './passing.ts';
import type { FlowPorts } from './ports.ts';
import { carry, openUpstream, plainAnswer } from './stream.ts';
import type { StreamRequest } from './stream-request.ts';
import type { StreamTries } from './stream-tries.ts';

export type StreamRelease = {
  readonly streamed: StreamRequest;
  readonly claim: Claim;
  readonly digest: string;
  readonly tries: StreamTries;
  readonly key: string | null;
};

/**
 * Opens a session that people approved: the pod is still the one that they saw, the release is recorded, the claim is
 * spent when the cluster upgrades the connection. A WebSocket that the cluster does not take leaves the claim to the
 * client's SPDY try, which belongs to the same command.
 */
export async function releaseStream(
  passing: Passing,
  release: StreamRelease,
  ports: FlowPorts,
): Promise<void> {
  const { call } = passing;
  const { claim } = release;
  const { id } = claim.approval;
  let sent = false;
  try {
    const drift = await driftOf(passing, claim);
    if (drift !== null) {
      await ports.approvals.finish(claim, 'STALE', drift);
      return await call.refuse(staleRefusal(id, drift));
    }
    await recordRelease(passing, release, ports);
    sent = true;
    const opened = await openUpstream(passing, release.streamed);
    if (!opened.ok) {
      const { message, detail = '' } = opened.error;
      const state = opened.error.code === 'HOLDGATE_FORWARD_BROKEN' ? 'UNKNOWN' : 'FAILED';
      await ports.approvals.finish(claim, state, `${message} ${detail}`.trim());
      const endedBy = 'upstream' as const;
      return await call.refuse({ ...opened.error, approvalId: id }, { endedBy, complete: false });
    }
    call.stage('executed');
    if (opened.value.kind === 'answer')
      return await notUpgraded(passing, release, opened.value, ports);
    return await spend(passing, release, opened.value, ports);
  } catch (cause) {
    // A dependency broke: the claim must not stay open as if the session ran.
    const state = sent ? 'UNKNOWN' : 'FAILED';
    await ports.approvals.finish(claim, state, errorText(cause)).catch(() => null);
    throw cause;
  }
}

async function driftOf({ own }: Passing, { approval }: Claim): Promise<string | null> {
  if (approval.guard.kind !== 'pod') return null;
  const drift = await podDrift(approval.guard, own);
  return drift.ok ? drift.value : drift.error.message;
}

async function recordRelease(
  { call, request, examined }: Passing,
  { claim, digest }: StreamRelease,
  ports: FlowPorts,
): Promise<void> {
  const { because, policy } = examined.decision;
  const { guard, id } = claim.approval;
  await ports.recorder.append({
    kind: 'release',
    requestId: call.requestId,
    cluster: request.cluster.name,
    approvalId: id,
    attempt: 1,
    because,
    policy,
    digest,
    digestSent: digest,
    guard: guard.kind === 'pod' ? `pod uid ${guard.uid}, images ${guard.images}` : guard.kind,
  });
}

async function notUpgraded(
  { call }: Passing,
  { claim, streamed, tries, key }: StreamRelease,
  answer: Extract<UpgradeEnd, { kind: 'answer' }>,
  ports: FlowPorts,
): Promise<void> {
  const outcome = `the cluster answered ${answer.status} and opened no session`;
  if (streamed.offer.transport === 'spdy') await ports.approvals.finish(claim, 'FAILED', outcome);
  else {
    tries.keep(key, { kind: 'claimed', claim }, () => {
      ports.approvals.finish(claim, 'FAILED', outcome).catch((cause: unknown) => {
        ports.log.error('an approval could not be ended', {
          approval: claim.approval.id,
          cause: errorText(cause),
        });
      });
    });
  }
  plainAnswer(call, answer, true);
}

async function spend(
  passing: Passing,
  { claim, streamed }: StreamRelease,
  switched: Extract<UpgradeEnd, { kind: 'switched' }>,
  ports: FlowPorts,
): Promise<void> {
  try {
    await ports.approvals.finish(claim, 'EXECUTED', 'the cluster opened the session');
  } catch (cause) {
    switched.socket.destroy();
    throw cause;
  }
  return carry(passing, streamed, switched, ports);
}
