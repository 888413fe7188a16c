import type { Refusal } from '../base/errors.ts';
import { errorText } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { RequestAttributes } from '../kube/request.ts';
import type { Decision } from '../decide/index.ts';
import {
  heldRefusal,
  openGuard,
  requestDigest,
  requirementsOf,
  staleRefusal,
  type Approval,
  type Claim,
  type HoldRequest,
} from '../hold/index.ts';
import { expiredAt } from '../identify/index.ts';
import { maskPlan } from '../mask/index.ts';
import { examine } from './examine.ts';
import { executeApproved } from './execute.ts';
import { ownCalls } from './own-calls.ts';
import { guardedRequest, type Passing } from './passing.ts';
import type { FlowPorts } from './ports.ts';
import { releaseStream } from './release-stream.ts';
import type { StreamTries } from './stream-tries.ts';

/** The client gives up at its own timeout; this much earlier it still reads our answer. Milliseconds. */
const clientTimeoutMarginMs = 2000;

/**
 * A held call: an approval is opened or joined, the call waits on its connection, and once people agreed it is claimed,
 * decided again and executed exactly once. Whatever else happens, it does not pass.
 */
export async function release(
  passing: Passing,
  fallback: { readonly tries: StreamTries; readonly key: string | null },
  ports: FlowPorts,
): Promise<void> {
  const { call, request, examined, own, streamed } = passing;
  const { exchange } = call;
  if (streamed?.offer.transport === 'spdy') {
    const kept = fallback.tries.takeClaim(fallback.key);
    if (kept !== null) return releaseFallback(passing, kept, fallback, ports);
  }
  const guard = await openGuard(guardedRequest(passing), own);
  if (!guard.ok) return call.refuse(guard.error);
  const held = holdRequest(passing, examined.decision, guard.value);
  const opened = await ports.approvals.open(held);
  if (!opened.ok) return call.refuse(opened.error);
  const { id } = opened.value;
  call.know({ approvalId: id, digest: held.digest });
  await call.decided('hold');
  call.stage('held');

  let approval = opened.value;
  if (approval.state === 'PENDING') {
    if (streamed === null && !canWait(request.attributes))
      return call.refuse(heldRefusal(approval, 'cannot-wait'));
    const waitMs = Math.min(
      ports.holdWaitMs,
      clientTimeoutMs(request.attributes) - clientTimeoutMarginMs,
    );
    const { gone, draining } = exchange;
    const end = await ports.approvals.wait(id, { waitMs: Math.max(0, waitMs), gone, draining });
    call.stage('waited');
    if (end.kind === 'client-gone') {
      // The approval stays open: the identical command joins it.
      return call.closed({ status: 0, endedBy: 'client', complete: false });
    }
    approval = end.approval;
  }
  if (approval.state !== 'APPROVED') return call.refuse(heldRefusal(approval, 'ended'));
  // People may take longer than a token lives: nothing begins after it. The approval stays, for who comes with a new one.
  const expired = expiredAt(passing.identity.expiresAtMs, ports.clock.nowMs());
  if (expired !== null) return call.refuse(expired);

  const claim = await ports.approvals.claim(id, call.requestId);
  if (!claim.ok) return call.refuse(claim.error);
  const again = await unsentFails(claim.value, decideAgain(passing, approval, ports), ports);
  if (!again.ok) {
    await ports.approvals.finish(claim.value, 'STALE', again.error.message);
    return call.refuse(again.error);
  }
  if (streamed === null) return executeApproved(again.value, claim.value, held.digest, ports);
  const stream = { ...fallback, streamed, claim: claim.value, digest: held.digest };
  return releaseStream(again.value, stream, ports);
}

/** A dependency that breaks before anything was sent: the claim must not stay open as if it ran. */
function unsentFails<T>(claim: Claim, step: Promise<T>, ports: FlowPorts): Promise<T> {
  return step.catch(async (cause: unknown) => {
    const why = `not executed: ${errorText(cause)}`;
    await ports.approvals.finish(claim, 'FAILED', why).catch(() => null);
    throw cause;
  });
}

/**
 * The SPDY try of a command whose WebSocket try was approved and not taken by the cluster: the same claim, unless a reload
 * changed what it is about or what policy says of it.
 */
async function releaseFallback(
  passing: Passing,
  claim: Claim,
  fallback: { readonly tries: StreamTries; readonly key: string | null },
  ports: FlowPorts,
): Promise<void> {
  const { call, examined, streamed } = passing;
  const { id, digest, guard } = claim.approval;
  call.know({ approvalId: id, digest });
  const recorded = call.decided('hold');
  await unsentFails(claim, recorded, ports);
  const isSame = holdRequest(passing, examined.decision, guard).digest === digest;
  const again = isSame
    ? await unsentFails(claim, decideAgain(passing, claim.approval, ports), ports)
    : err(staleRefusal(id, 'the cluster is another one now'));
  if (again.ok && streamed !== null)
    return releaseStream(again.value, { ...fallback, streamed, claim, digest }, ports);
  const why = again.ok ? staleRefusal(id, 'it is no session now') : again.error;
  await ports.approvals.finish(claim, 'STALE', why.message);
  return call.refuse(why);
}

function holdRequest(
  passing: Passing,
  decision: Decision,
  guard: HoldRequest['guard'],
): HoldRequest {
  const { call, request, identity, examined } = passing;
  const { attributes, body, object, target } = request;
  const { issuer, subject, username, actor } = identity;
  const bytes = body.kind === 'none' ? Buffer.alloc(0) : body.bytes;
  const { client, command, reason } = examined.input.claimed;
  return {
    requestId: call.requestId,
    digest: requestDigest({
      cluster: request.cluster.name,
      server: request.cluster.server,
      identity,
      // A session is the same whether it comes by GET (WebSocket) or by POST (SPDY).
      method: passing.streamed === null ? attributes.wire.method : 'CONNECT',
      target,
      contentType: body.kind === 'none' ? '' : body.contentType,
      body: bytes,
      uids: guard.kind === 'none' ? [] : [guard.uid],
    }),
    requester: { issuer, subject, username, actor },
    summary: {
      cluster: request.cluster.name,
      verb: attributes.verb,
      group: attributes.group,
      resource: attributes.resource,
      namespace: attributes.namespace,
      name: object.name,
      method: attributes.wire.method,
      target: target.rebuilt,
      sourceIp: call.exchange.remoteAddress,
      claimed: { client, command, reason },
      bodyBytes: bytes.length,
    },
    holds: decision.holds,
    guard,
    policy: decision.policy,
  };
}

/**
 * The cluster as it is configured now, after the wait. What people approved is about the server of that day: gone, or
 * another one under the same name, and nothing is sent; with new labels, CA or credential the call goes on with those.
 */
function onClusterNow(
  passing: Passing,
  approval: Approval,
  ports: FlowPorts,
): Result<Passing, Refusal> {
  const { call, request, identity } = passing;
  const { name, server } = request.cluster;
  const now = ports.cluster(name);
  if (!now.ok) return err(staleRefusal(approval.id, `cluster "${name}" is no longer configured`));
  if (now.value.server !== server)
    return err(staleRefusal(approval.id, `cluster "${name}" now has another server`));
  call.uses(now.value);
  const current = { ...request, cluster: now.value };
  return ok({
    ...passing,
    request: current,
    own: ownCalls(current, identity, call.requestId, ports),
  });
}

/**
 * Policy is asked again, on fresh facts: first without the approval (a deny, or a hold that asks for other people, makes
 * it stale), then with it as a one-use grant that covers exactly what was approved.
 */
async function decideAgain(
  held: Passing,
  approval: Approval,
  ports: FlowPorts,
): Promise<Result<Passing, Refusal>> {
  const current = onClusterNow(held, approval, ports);
  if (!current.ok) return current;
  const passing = current.value;
  const { call, request, identity, own } = passing;
  const examined = await examine(call, request, identity, own, ports);
  if (!examined.ok) return examined;
  const { decision, input, policy } = examined.value;
  if (policy === null || decision.verdict === 'deny')
    return err(staleRefusal(approval.id, 'policy now denies the request'));
  if (
    decision.verdict === 'hold' &&
    !sameRequirements(requirementsOf(decision.holds), approval.requirements)
  ) {
    return err(staleRefusal(approval.id, 'policy now asks for other approvals'));
  }
  const covers = approval.requirements.map(({ rule, id }) => ({ rule, id }));
  const approvers = approval.votes
    .filter((vote) => vote.vote === 'approve')
    .map((vote) => vote.by.username);
  const granted = { ...input, grants: [{ id: approval.id, covers, approvers }] };
  const released = await policy.decide(granted);
  call.know({ input: granted, decision: released });
  if (released.verdict !== 'allow')
    return err(
      staleRefusal(approval.id, 'with this approval, policy still does not allow the request'),
    );
  // What policy masks now, not what it masked before the wait.
  const plan = maskPlan(released.mask, request.attributes);
  if (!plan.ok) return plan;
  return ok({
    ...passing,
    examined: { ...examined.value, decision: released, input: granted },
    plan: plan.value,
  });
}

function sameRequirements(now: Approval['requirements'], then: Approval['requirements']): boolean {
  const key = (one: Approval['requirements'][number]): string =>
    JSON.stringify([one.rule, one.id, one.groups.toSorted(), one.quorum]);
  return JSON.stringify(now.map(key).toSorted()) === JSON.stringify(then.map(key).toSorted());
}

/** Access reviews and token reviews are asked by controllers in their own request's path. */
const REVIEWS = /^(?:self|local)?subject(?:access|rules)?reviews$|^tokenreviews$/;

/** Whether a call may wait for people: a watch is open-ended, a lease is a heartbeat, a review is somebody's own wait. */
function canWait(attributes: RequestAttributes): boolean {
  if (attributes.longRunning || attributes.verb === 'watch') return false;
  if (attributes.group === 'coordination.k8s.io' && attributes.resource === 'leases') return false;
  return !REVIEWS.test(attributes.resource);
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** The client's own timeout, which client-go writes into the query as a Go duration; Infinity without one. */
export function clientTimeoutMs(attributes: RequestAttributes): number {
  const text = attributes.options['timeout']?.[0] ?? '';
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length === 0) return Number.POSITIVE_INFINITY;
  const totalMs = parts.reduce(
    (sum, [, count = '0', unit = 's']) => sum + Number(count) * (UNIT_MS[unit] ?? 0),
    0,
  );
  return totalMs > 0 ? totalMs : Number.POSITIVE_INFINITY;
}
