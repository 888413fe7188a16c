import { timerWaitMs } from '../base/clock.ts';
import { refusal, type Refusal } from '../base/errors.ts';
import type { Result } from '../base/result.ts';
import {
  acceptHeaders,
  openSession,
  summaryTap,
  upstreamHeaders,
  wireOf,
  type Relay,
  type RelayEnd,
  type UpgradeEnd,
} from '../forward/index.ts';
import { statusObject } from '../kube/status.ts';
import type { Call } from './call.ts';
import type { Passing } from './passing.ts';
import type { FlowPorts } from './ports.ts';
import { sendWhole } from './send-whole.ts';
import type { StreamRequest } from './stream-request.ts';

/** Asks the cluster for the upgrade. A client that leaves meanwhile wants it no more. */
export function openUpstream(
  { call, request }: Passing,
  { offer }: StreamRequest,
): Promise<Result<UpgradeEnd, Refusal>> {
  const { exchange } = call;
  return request.cluster.upstream.upgrade({
    method: exchange.method,
    target: request.target.rebuilt,
    headers: upstreamHeaders(exchange.rawHeaders),
    auditId: call.requestId,
    signal: exchange.gone,
    offer,
  });
}

/** Opens an allowed session: its decision is committed before the cluster hears of it. */
export async function stream(
  passing: Passing,
  streamed: StreamRequest,
  ports: FlowPorts,
): Promise<void> {
  const { call } = passing;
  await call.decided('allow');
  const opened = await openUpstream(passing, streamed);
  if (!opened.ok) {
    const endedBy = call.exchange.gone.aborted ? 'client' : 'upstream';
    return call.refuse(opened.error, { endedBy, complete: false });
  }
  call.stage('answered');
  if (opened.value.kind === 'answer') return plainAnswer(call, opened.value, false);
  return carry(passing, streamed, opened.value, ports);
}

/** The cluster did not upgrade: its answer is passed on whole, and the client's connection ends with it. */
export function plainAnswer(
  call: Call,
  answer: Extract<UpgradeEnd, { kind: 'answer' }>,
  approved: boolean,
): void {
  sendWhole(call, answer, approved);
  const { status, body } = answer;
  const facts = { status, upstreamStatus: status, bytesSent: body.length };
  call.closedSoon({ ...facts, endedBy: 'answer', complete: true });
}

/** Joins client and cluster until one of them ends the session, the caller's token expires, or the gateway stops. */
export async function carry(
  passing: Passing,
  streamed: StreamRequest,
  switched: Extract<UpgradeEnd, { kind: 'switched' }>,
  ports: FlowPorts,
): Promise<void> {
  const { call, identity } = passing;
  const { exchange } = call;
  const { switchProtocols } = exchange;
  if (exchange.gone.aborted || switchProtocols === null) {
    switched.socket.destroy();
    call.closedSoon({ status: 0, upstreamStatus: 101, endedBy: 'client', complete: false });
    return;
  }
  const { offer, resource, asked } = streamed;
  const { protocol } = switched;
  const accepted = acceptHeaders(offer, protocol);
  const client = switchProtocols([...accepted, ['audit-id', call.requestId]]);
  const counted = summaryTap();
  const session = openSession({
    offer,
    protocol,
    resource,
    asked,
    client,
    cluster: switched,
    taps: [counted.tap],
  });
  const cut = cutter(session, call, {
    deadlineInMs: identity.expiresAtMs - ports.clock.nowMs(),
    graceMs: ports.streamGraceMs,
  });
  const end = await session.done;
  cut.stop();
  const summary = counted.summary();
  const ended = cut.why() ?? ENDED_BY[end.by];
  call.closedSoon({
    status: 101,
    upstreamStatus: 101,
    bytesSent: Object.entries(summary.bytes)
      .filter(([key]) => key.startsWith('down/'))
      .reduce((sum, [, bytes]) => sum + bytes, 0),
    endedBy: ended,
    complete: end.end.kind === 'clean',
    session: {
      wire: wireOf(offer, protocol),
      protocol,
      ...summary,
      detail: end.end.kind === 'clean' ? '' : end.end.detail,
    },
  });
}

const ENDED_BY: Readonly<Record<RelayEnd['by'], 'client' | 'upstream' | 'recorder'>> = {
  client: 'client',
  cluster: 'upstream',
  gateway: 'recorder',
};

/** RFC 6455 §7.4.1: policy violation; going away. */
const POLICY_VIOLATION = 1008;
const GOING_AWAY = 1001;

/** Ends a session at the caller's deadline, and when the gateway stops: clients read why on the error stream. */
function cutter(
  session: Relay,
  { requestId, exchange: { draining } }: Call,
  { deadlineInMs, graceMs }: { readonly deadlineInMs: number; readonly graceMs: number },
): { readonly stop: () => void; readonly why: () => 'deadline' | 'drain' | null } {
  let why: 'deadline' | 'drain' | null = null;
  const cut = (cause: 'deadline' | 'drain', text: string, code: number): void => {
    why ??= cause;
    const status = statusObject(refusal('HOLDGATE_FORWARD_SESSION_ENDED', text), requestId);
    session.cut(text, code, Buffer.from(JSON.stringify(status)));
  };
  const deadline = setTimeout(
    () => cut('deadline', 'the token that opened this session has expired', POLICY_VIOLATION),
    timerWaitMs(deadlineInMs),
  );
  let grace: NodeJS.Timeout | undefined;
  const onDraining = (): void => {
    grace = setTimeout(() => cut('drain', 'the gateway is shutting down', GOING_AWAY), graceMs);
  };
  draining.addEventListener('abort', onDraining, { once: true });
  if (draining.aborted) onDraining();
  return {
    stop: () => {
      clearTimeout(deadline);
      clearTimeout(grace);
      draining.removeEventListener('abort', onDraining);
    },
    why: () => why,
  };
}
