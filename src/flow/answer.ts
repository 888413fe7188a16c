import { timerWaitMs } from '../base/clock.ts';
import { refusal, type Refusal } from '../base/errors.ts';
import { maskedAnswerBytesMax } from '../base/limits.ts';
import { whenAborted } from '../base/when-aborted.ts';
import type { MaskPlan } from '../mask/index.ts';
import { maskAnswer } from '../mask/index.ts';
import type { UpstreamAnswer } from '../forward/index.ts';
import type { OutcomeEntry } from '../record/index.ts';
import type { Exchange } from '../listen/index.ts';
import type { Call } from './call.ts';
import { withAuditId } from './send-whole.ts';

const LINE_FEED = 0x0a;

type Headers = readonly (readonly [string, string])[];

/** What ends a stream before its own end. */
type Cut = 'drain' | 'deadline';

/** The bytes of an answer leave at the end of the turn that wrote them; what is made of its outcome need not delay them. */
const turnEnd = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The length that an answer's head gives its body; NaN where it gives none. */
const declaredLength = (headers: Headers): number =>
  Number(headers.find(([name]) => name === 'content-length')?.[1] ?? Number.NaN);

/** Resolves when the client takes more, or is gone. */
function drained(exchange: Exchange): Promise<void> {
  return new Promise((resolve) => {
    exchange.onDrain(resolve);
    whenAborted(exchange.gone, resolve);
  });
}

/**
 * Streams an answer to the client as it comes, with backpressure. A long-running one is cut, at the end of a line,
 * when the gateway drains, and at the caller's deadline, after which the token that opened it is worth nothing.
 */
export async function streamAnswer(
  call: Call,
  answer: UpstreamAnswer,
  limits: { readonly longRunning: boolean; readonly deadlineInMs: number },
): Promise<void> {
  const { exchange } = call;
  let cut: Cut | null = null;
  let atLineEnd = true;
  let bytesSent = 0;
  let ended = false;
  const length = declaredLength(answer.headers);
  const cutAtLineEnd = (why: Cut): void => {
    cut ??= why;
    if (atLineEnd || why === 'deadline') answer.abort();
  };
  const onDraining = (): void => cutAtLineEnd('drain');
  const wait = timerWaitMs(limits.deadlineInMs);
  const timer = limits.longRunning ? setTimeout(() => cutAtLineEnd('deadline'), wait) : null;
  if (limits.longRunning) exchange.draining.addEventListener('abort', onDraining, { once: true });

  // A client that left takes no more: without this, a paused answer would wait for its drain for ever.
  whenAborted(exchange.gone, () => answer.abort());
  exchange.respond(answer.status, withAuditId(answer.headers, call.requestId));
  const piped = await answer.pipe({
    write: (chunk) => {
      if (ended) return true;
      bytesSent += chunk.length;
      atLineEnd = chunk.at(-1) === LINE_FEED;
      // The end leaves with the last byte: a write of its own would cost a packet, and a turn of the event loop.
      if (bytesSent === length) {
        ended = true;
        exchange.end(chunk);
        return true;
      }
      const more = exchange.write(chunk);
      if (cut !== null && atLineEnd) answer.abort();
      return more;
    },
    onDrain: exchange.onDrain,
  });
  if (timer !== null) clearTimeout(timer);
  exchange.draining.removeEventListener('abort', onDraining);

  const { status } = answer;
  const close = (endedBy: OutcomeEntry['endedBy'], complete: boolean, refused?: Refusal): void =>
    call.closedSoon({
      status,
      upstreamStatus: status,
      bytesSent,
      endedBy,
      complete,
      refusal: refused,
    });
  // A client that has all that was announced has a complete answer, whatever became of the upstream connection.
  if (piped.ok || (ended && !exchange.gone.aborted)) {
    if (!ended) exchange.end();
    await turnEnd();
    return close('answer', true);
  }
  if (exchange.gone.aborted) return close('client', false);
  // A drained watch ends as the server's own timeouts end it, and the client resumes; a half line would not parse.
  if (cut === 'drain' && atLineEnd) exchange.end();
  else exchange.abort();
  close(cut ?? 'upstream', false, cut === null ? piped.error : undefined);
}

/** Reads an answer whole, masks it, and sends it on. What cannot be masked becomes a refusal, or breaks the connection. */
export async function maskedAnswer(
  call: Call,
  answer: UpstreamAnswer,
  plan: MaskPlan,
): Promise<void> {
  const { exchange } = call;
  const upstreamStatus = answer.status;
  if (exchange.method === 'HEAD') return headOnly(call, answer);
  const unreadable = unmaskableHead(answer);
  if (unreadable !== null) {
    answer.abort();
    await call.refuse(unreadable, { upstreamStatus });
    return;
  }
  const body = await answer.read(maskedAnswerBytesMax);
  if (!body.ok) {
    await call.refuse(body.error, { upstreamStatus, endedBy: 'upstream' });
    return;
  }
  const chunks = await maskAnswer(body.value, plan);
  if (!chunks.ok) {
    await call.refuse(chunks.error, { upstreamStatus });
    return;
  }
  const headers = answer.headers.filter(([name]) => name !== 'content-length' && name !== 'etag');
  exchange.respond(answer.status, withAuditId(headers, call.requestId));
  let bytesSent = 0;
  for await (const chunk of chunks.value) {
    if (exchange.gone.aborted) break;
    bytesSent += chunk.length;
    if (!exchange.write(chunk)) await drained(exchange);
  }
  const complete = !exchange.gone.aborted;
  if (complete) exchange.end();
  call.closedSoon({
    status: answer.status,
    upstreamStatus,
    bytesSent,
    complete,
    endedBy: complete ? 'answer' : 'client',
  });
}

/** A HEAD has no body to mask; the length and tag of the unmasked one would tell values apart. */
function headOnly(call: Call, answer: UpstreamAnswer): void {
  answer.abort();
  const headers = answer.headers.filter(([name]) => name !== 'content-length' && name !== 'etag');
  call.exchange.respond(answer.status, withAuditId(headers, call.requestId));
  call.exchange.end();
  const { status } = answer;
  call.closedSoon({ status, upstreamStatus: status, endedBy: 'answer', complete: true });
}

/** Masking reads JSON that is not encoded; any other successful answer could carry the field past the mask. */
function unmaskableHead(answer: UpstreamAnswer): Refusal | null {
  const header = (name: string): string =>
    answer.headers.find(([key]) => key === name)?.[1].toLowerCase() ?? '';
  const type = (header('content-type').split(';', 1)[0] ?? '').trim();
  const encoding = header('content-encoding');
  if (type === 'application/json' && (encoding === '' || encoding === 'identity')) return null;
  return refusal(
    'HOLDGATE_MASK_ANSWER_UNREADABLE',
    'the cluster answered in a form whose masked fields cannot be found, so nothing of it is passed on',
    { detail: `content type "${type}", encoding "${encoding}"` },
  );
}
