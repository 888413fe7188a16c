import { DependencyError, refusal } from './base/errors.ts';
import { errorText } from './base/log.ts';
import { Call } from './flow/call.ts';
import { denialOf } from './flow/denial.ts';
import { examine } from './flow/examine.ts';
import { forward } from './flow/forward.ts';
import { OpenSessions } from './flow/open-sessions.ts';
import { ownCalls } from './flow/own-calls.ts';
import type { FlowPorts } from './flow/ports.ts';
import { readRequest } from './flow/read-request.ts';
import { release } from './flow/release.ts';
import { stream } from './flow/stream.ts';
import { streamRequest } from './flow/stream-request.ts';
import { StreamTries, tryKey } from './flow/stream-tries.ts';
import type { Handler } from './listen/index.ts';
import { maskPlan } from './mask/index.ts';

/**
 * The story of a request: identify, read, examine, then deny, hold or forward. The record wraps it: opened before
 * anything leaves, closed on every exit. Every failure ends in a refusal that is recorded; none forwards.
 */
export function createFlow(ports: FlowPorts): Handler {
  const sessions = { tries: new StreamTries(), open: new OpenSessions() };
  return async (exchange) => {
    const call = new Call(exchange, ports);
    try {
      await serve(call, sessions, ports);
    } catch (cause) {
      await brokenOff(call, ports, cause);
    } finally {
      call.letGo();
    }
  };
}

type Sessions = { readonly tries: StreamTries; readonly open: OpenSessions };

async function serve(call: Call, sessions: Sessions, ports: FlowPorts): Promise<void> {
  const { exchange } = call;
  if (exchange.problem !== null) return call.refuse(exchange.problem);
  if (exchange.draining.aborted) return call.refuse(DRAINING);
  if (!ports.recorder.available()) return call.refuse(RECORDER_DOWN);

  const identified = await ports.identify(exchange.rawHeaders);
  if (!identified.ok) return call.refuse(identified.error);
  const identity = identified.value;
  call.know({ identity });
  call.stage('identified');

  const read = await readRequest(call, ports);
  if (!read.ok) return call.refuse(read.error);
  const request = read.value;
  call.stage('read');

  const streamed = streamRequest(call, request.attributes);
  const wanted = streamed.ok ? streamed.value : null;
  const key = wanted === null ? null : tryKey(call, identity, request);
  const told = wanted?.offer.transport === 'spdy' ? sessions.tries.takeRefused(key) : null;
  if (told !== null) return call.refuseAlike(told);
  if (wanted !== null) {
    const entered = sessions.open.enter(identity);
    if (!entered.ok) return call.refuse(entered.error);
    call.untilOver(entered.value);
    if (wanted.offer.transport === 'websocket')
      call.onRefused((refused) => sessions.tries.keep(key, { kind: 'refused', told: refused }));
  }

  const own = ownCalls(request, identity, call.requestId, ports);
  const examined = await examine(call, request, identity, own, ports);
  if (!examined.ok) return call.refuse(examined.error);
  const { decision } = examined.value;
  call.stage('decided');

  if (decision.verdict === 'deny') {
    return call.refuse(denialOf(decision, request.attributes, request.object.name));
  }
  if (!streamed.ok) return call.refuse(streamed.error);
  const plan = maskPlan(decision.mask, request.attributes);
  if (!plan.ok) return call.refuse(plan.error);

  const passing = {
    call,
    request,
    identity,
    examined: examined.value,
    own,
    plan: plan.value,
    streamed: streamed.value,
  };
  if (decision.verdict === 'hold') return release(passing, { tries: sessions.tries, key }, ports);
  return streamed.value === null ? forward(passing, ports) : stream(passing, streamed.value, ports);
}

const DRAINING = refusal('HOLDGATE_LISTEN_DRAINING', 'the gateway is shutting down');

const RECORDER_DOWN = refusal(
  'HOLDGATE_RECORD_UNAVAILABLE',
  'decisions cannot be recorded at the moment, so nothing is forwarded',
);

/** A dependency broke, or we have a bug: the caller is refused, the operator gets the cause, nothing more is sent. */
async function brokenOff(call: Call, ports: FlowPorts, cause: unknown): Promise<void> {
  const known = cause instanceof DependencyError;
  ports.log.error(known ? 'a dependency broke' : 'unforeseen failure', {
    request: call.requestId,
    cause: cause instanceof Error ? cause : errorText(cause),
  });
  const refused = known
    ? refusal(cause.code, cause.message, { detail: errorText(cause.cause ?? cause) })
    : refusal('HOLDGATE_LISTEN_FAILED', 'the gateway failed while it served this request', {
        detail: errorText(cause),
      });
  const endedBy = known ? 'recorder' : 'bug';
  await call.refuse(refused, { endedBy, complete: false }).catch((again: unknown) => {
    ports.log.error('a failed call could not be answered', {
      request: call.requestId,
      cause: errorText(again),
    });
    call.exchange.abort();
  });
}
