import type { Refusal } from '../base/errors.ts';
import { ok, type Result } from '../base/result.ts';
import { StopSwitch, type StopSignal } from '../base/stop-signal.ts';
import { whenAborted } from '../base/when-aborted.ts';
import { headerValue } from '../kube/header-value.ts';
import { upstreamHeaders, type UpstreamAnswer } from '../forward/index.ts';
import { maskableAccept, type MaskPlan } from '../mask/index.ts';
import { maskedAnswer, streamAnswer } from './answer.ts';
import { boundToLive } from './bind-live.ts';
import type { Call } from './call.ts';
import type { Passing } from './passing.ts';
import type { FlowPorts } from './ports.ts';
import type { ReadRequest } from './read-request.ts';

/** A request ready to be sent, again if a guard asks for it. */
export type Outgoing = {
  readonly send: (
    body: Buffer | null,
    contentType: string,
  ) => Promise<Result<UpstreamAnswer, Refusal>>;
  readonly body: Buffer | null;
  readonly contentType: string;
};

/**
 * Makes what goes upstream from what was parsed: the rebuilt target, allowed headers, the parsed body. Under a mask the
 * accepted types are narrowed to what can be masked.
 */
export function outgoing(
  call: Call,
  request: ReadRequest,
  plan: MaskPlan | null,
  signal: StopSignal,
): Result<Outgoing, Refusal> {
  const { exchange } = call;
  const { body, target, attributes, cluster } = request;
  let headers = upstreamHeaders(exchange.rawHeaders).filter(([name]) => name !== 'content-type');
  if (plan !== null) {
    const accept = maskableAccept(headerValue(exchange.rawHeaders, 'accept'));
    if (!accept.ok) return accept;
    headers = [...headers.filter(([name]) => name !== 'accept'), ['accept', accept.value]];
  }
  return ok({
    body: body.kind === 'none' ? null : body.bytes,
    contentType: body.kind === 'none' ? '' : body.contentType,
    send: (bytes, contentType) =>
      cluster.upstream.send({
        method: exchange.method,
        target: target.rebuilt,
        headers: bytes === null ? headers : [...headers, ['content-type', contentType]],
        body: bytes,
        auditId: call.requestId,
        longRunning: attributes.longRunning,
        signal,
      }),
  });
}

const READS = new Set(['get', 'list', 'watch']);

/** Whether the decision must be durable before a byte leaves: writes, connects and reads of secrets (design §4.4). */
function mustPrecede(passing: Passing): boolean {
  const { attributes } = passing.request;
  const secret = attributes.resource === 'secrets' || attributes.resource.startsWith('secrets/');
  return !READS.has(attributes.verb) || secret || passing.plan !== null;
}

/**
 * Forwards an allowed call. The decision of a write is committed before it is sent; that of a plain read is committed
 * while the cluster answers, and gates the answer's first byte.
 */
export async function forward(passing: Passing, ports: FlowPorts): Promise<void> {
  const { call, request, identity, plan } = passing;
  const { exchange } = call;
  const isRead = READS.has(request.attributes.verb);
  const abort = new StopSwitch();
  // A client that left does not want its read; a write's outcome is wanted by the record. What the cluster proxies has no
  // time limit: without its client nothing would ever end it.
  const isWanted = !isRead && !request.attributes.longRunning;
  if (!isWanted) whenAborted(exchange.gone, () => abort.abort());
  const out = outgoing(call, request, plan, abort);
  if (!out.ok) return call.refuse(out.error);

  const { body, contentType } = boundToLive(passing, out.value);
  let committed: Promise<void> | null = null;
  if (mustPrecede(passing)) await (committed = call.decided('allow'));
  const sending = out.value.send(body, contentType);
  // Made while the request is on its way: what a read costs is the longer of the two.
  committed ??= call.decided('allow');
  try {
    await committed;
  } catch (cause) {
    abort.abort();
    void sending.then((unwanted) => (unwanted.ok ? unwanted.value.abort() : undefined));
    throw cause;
  }
  const sent = await sending;
  if (!sent.ok) {
    const endedBy = abort.aborted ? 'client' : 'upstream';
    return call.refuse(sent.error, { endedBy, complete: false });
  }
  call.stage('answered');

  if (plan !== null && sent.value.status < 300) return maskedAnswer(call, sent.value, plan);
  return streamAnswer(call, sent.value, {
    longRunning: request.attributes.longRunning,
    deadlineInMs: identity.expiresAtMs - ports.clock.nowMs(),
  });
}
