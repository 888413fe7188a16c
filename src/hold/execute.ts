import { createHash } from 'node:crypto';
import type { Refusal } from '../base/errors.ts';
import { maskedAnswerBytesMax } from '../base/limits.ts';
import type { Result } from '../base/result.ts';
import type { UpstreamAnswer } from '../forward/index.ts';
import { isJsonArray, isJsonObject, textAt } from '../kube/json-guards.ts';
import { parseJson } from '../kube/json.ts';
import type { DriftGuard } from './approval.ts';
import { imageAsApproved, type GuardedRequest } from './guard.ts';
import { guardedBody, plainBody, uidBoundBody, type GuardedBody } from './guarded-body.ts';
import { liveObject, type GuardReader, type LiveObject, type Read } from './live-object.ts';

/** The cluster's answer, read whole: an approved call is short, and its outcome is recorded before it is passed on. */
export type ReadAnswer = {
  readonly status: number;
  readonly headers: UpstreamAnswer['headers'];
  readonly body: Buffer;
};

export type ExecutionEnd =
  | { readonly kind: 'answer'; readonly answer: ReadAnswer }
  /** What would happen is no longer what was approved; nothing was executed. */
  | { readonly kind: 'stale'; readonly why: string }
  /** Something broke. `sent`: the call may have been executed. */
  | { readonly kind: 'broken'; readonly refusal: Refusal; readonly sent: boolean };

export type Execution = {
  readonly guard: DriftGuard;
  readonly request: GuardedRequest;
  readonly reader: GuardReader;
  /** Sends the call; `flow` records the try, with its guard, before a byte leaves. */
  readonly send: (sending: {
    readonly body: Buffer | null;
    readonly contentType: string;
    readonly guard: string;
    readonly digestSent: string;
    readonly attempt: number;
  }) => Promise<Result<UpstreamAnswer, Refusal>>;
};

/** A conflict that our own guard caused is repeated this often in all (design §4.5). */
const triesMax = 3;

const CONFLICT = 409;
const INVALID = 422;

const stale = (why: string): ExecutionEnd => ({ kind: 'stale', why });

/** Something broke before a byte was sent. */
const unsent = (refused: Refusal): ExecutionEnd => ({
  kind: 'broken',
  refusal: refused,
  sent: false,
});

/**
 * Executes an approved call under its drift guard. Whatever changed since the approval makes it stale; a conflict that
 * only our own guard caused is looked at again, up to three times; every other answer is the call's own.
 */
export function executeGuarded(execution: Execution): Promise<ExecutionEnd> {
  const { guard, request } = execution;
  switch (guard.kind) {
    case 'none':
    // A session is no call with an answer: `flow` opens it, after podDrift.
    case 'pod':
      return executeOnce(execution, plainBody(request), 1);
    case 'delete':
    case 'object':
      return executeBound(execution, guard.uid);
    case 'absent':
      return executeCreatingApply(execution);
    case 'after-image':
      return executeChange(execution, guard);
  }
}

async function executeOnce(
  { send }: Execution,
  { bytes, contentType, guard }: GuardedBody,
  attempt: number,
): Promise<ExecutionEnd> {
  const digestSent = `sha256:${createHash('sha256')
    .update(bytes ?? '')
    .digest('hex')}`;
  const sent = await send({ body: bytes, contentType, guard, digestSent, attempt });
  if (!sent.ok) return { kind: 'broken', refusal: sent.error, sent: mayHaveRun(sent.error) };
  const { status, headers } = sent.value;
  const body = await sent.value.read(maskedAnswerBytesMax);
  if (!body.ok) return { kind: 'broken', refusal: body.error, sent: true };
  return { kind: 'answer', answer: { status, headers, body: body.value } };
}

/** Only these say for certain that nothing was executed. */
const mayHaveRun = (refused: Refusal): boolean =>
  refused.code !== 'HOLDGATE_FORWARD_UNREACHABLE' && refused.code !== 'HOLDGATE_FORWARD_CREDENTIAL';

/** A call that is bound to one object: what has taken its name since is not what was approved. */
async function executeBound(execution: Execution, uid: string): Promise<ExecutionEnd> {
  const { reader, request } = execution;
  const now = await liveObject(reader);
  if (!now.ok) return unsent(now.error);
  if (now.value?.uid !== uid) return stale(otherObject(now.value));
  const body = uidBoundBody(request, uid);
  if (body === null) return stale('the command itself asks for another uid');
  const end = await executeOnce(execution, body, 1);
  if (end.kind !== 'answer' || end.answer.status !== CONFLICT) return end;
  const after = await liveObject(reader);
  return after.ok && after.value?.uid !== uid ? stale(otherObject(after.value)) : end;
}

const otherObject = (live: LiveObject | null): string =>
  live === null ? 'the object is gone' : 'another object has taken its name';

/**
 * A server-side apply that was approved as a create. No precondition says "must not exist" in one call (a uid or
 * resourceVersion asks for an object that does), so the name is looked up just before.
 */
async function executeCreatingApply(execution: Execution): Promise<ExecutionEnd> {
  const now = await liveObject(execution.reader);
  if (!now.ok) return unsent(now.error);
  if (now.value !== null) return stale('an object of this name was made meanwhile');
  return executeOnce(execution, plainBody(execution.request, 'absent (looked up)'), 1);
}

async function executeChange(
  execution: Execution,
  guard: Extract<DriftGuard, { kind: 'after-image' }>,
): Promise<ExecutionEnd> {
  const { reader, request } = execution;
  for (let attempt = 1; ; attempt += 1) {
    const live = await liveObject(reader);
    if (!live.ok) return unsent(live.error);
    if (live.value?.uid !== guard.uid) return stale(otherObject(live.value));
    const image = await imageAsApproved(request, guard.afterImage, live.value, reader);
    if (!image.ok) return unsent(image.error);
    if (image.value.kind === 'refused') return refusedDryRun(image.value.answer);
    if (image.value.digest !== guard.afterImage)
      return stale('the outcome would no longer be the one that was approved');
    const { resourceVersion } = live.value;
    const body = guardedBody(request, resourceVersion);
    const end = await executeOnce(execution, body, attempt);
    if (end.kind !== 'answer' || !body.ours) return end;
    if (!(await causedByUs(end.answer, resourceVersion, reader))) return end;
    if (attempt === triesMax) return stale(`the object was written ${triesMax} times meanwhile`);
  }
}

/** The cluster's word on the call itself: sent for real, it would get the same answer. */
const CALLS_OWN = new Set([400, 403, 404, 405, 409, 413, 415, 422]);

/**
 * The cluster took the call when it was held and refuses it now: a field manager's conflict, the client's own
 * resourceVersion, an admission webhook. Nothing is sent; the answer is the call's own.
 */
function refusedDryRun({ status, body }: Read): ExecutionEnd {
  if (!CALLS_OWN.has(status)) {
    return unsent({
      code: 'HOLDGATE_HOLD_TARGET_MISSING',
      message: 'what the approved call would do now could not be found out; nothing was executed',
      detail: `the cluster answered a dry run with ${status}`,
    });
  }
  const headers = [['content-type', 'application/json']] as const;
  return { kind: 'answer', answer: { status, headers, body } };
}

/** A conflict about resourceVersion while the object really moved on; a field manager's conflict is the call's own. */
async function causedByUs(
  answer: ReadAnswer,
  version: string,
  reader: GuardReader,
): Promise<boolean> {
  if (answer.status !== CONFLICT && answer.status !== INVALID) return false;
  if (isFieldManagerConflict(answer.body)) return false;
  const live = await liveObject(reader);
  return !live.ok || live.value?.resourceVersion !== version;
}

function isFieldManagerConflict(body: Buffer): boolean {
  const status = parseJson(body);
  if (!status.ok || !isJsonObject(status.value)) return false;
  const { details } = status.value;
  const causes = isJsonObject(details) ? details['causes'] : undefined;
  if (!isJsonArray(causes)) return false;
  return causes.some(
    (cause) => isJsonObject(cause) && textAt(cause, 'reason') === 'FieldManagerConflict',
  );
}
