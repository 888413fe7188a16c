import { createHash } from 'node:crypto';
import type { Refusal } from '../base/errors.ts';
import { maskedAnswerBytesMax } from '../base/limits.ts';
import type { Result } from '../base/result.ts';
import type { UpstreamAnswer } from '../forward/index.ts';
import { withPreconditions } from '../kube/delete-options.ts';
import { isJsonArray, isJsonObject, metadataOf, textAt } from '../kube/json-guards.ts';
import { parseJson } from '../kube/json.ts';
import type { DriftGuard } from './approval.ts';
import { currentAfterImage, liveUid, type GuardedRequest, type GuardReader } from './guard.ts';
import { guardedBody } from './guarded-body.ts';

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

/**
 * Executes an approved call under its drift guard. Whatever changed since the approval makes it stale; a conflict that
 * only our own guard caused is looked at again, up to three times; every other answer is the call's own.
 */
export function executeGuarded(execution: Execution): Promise<ExecutionEnd> {
  switch (execution.guard.kind) {
    case 'none':
      return executeOnce(execution, plainBody(execution.request), 1);
    case 'delete':
      return executeDelete(execution, execution.guard.uid);
    case 'after-image':
      return executeChange(execution, execution.guard);
  }
}

type Sending = {
  readonly bytes: Buffer | null;
  readonly contentType: string;
  readonly guard: string;
};

function plainBody({ body }: GuardedRequest): Sending {
  const bytes = body.kind === 'none' ? null : body.bytes;
  return { bytes, contentType: body.kind === 'none' ? '' : body.contentType, guard: 'none' };
}

async function executeOnce(
  { send }: Execution,
  { bytes, contentType, guard }: Sending,
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

async function executeDelete(execution: Execution, uid: string): Promise<ExecutionEnd> {
  const now = await liveUid(execution.reader);
  if (!now.ok) return { kind: 'broken', refusal: now.error, sent: false };
  if (now.value !== uid) return { kind: 'stale', why: otherObject(now.value) };
  const guarded = withPreconditions(execution.request.deleteOptions ?? {}, { uid });
  if (guarded === null) return { kind: 'stale', why: 'the command itself asks for another uid' };
  const { body: bytes, contentType } = guarded;
  const end = await executeOnce(execution, { bytes, contentType, guard: `uid=${uid}` }, 1);
  if (end.kind !== 'answer' || end.answer.status !== CONFLICT) return end;
  const after = await liveUid(execution.reader);
  return after.ok && after.value !== uid ? { kind: 'stale', why: otherObject(after.value) } : end;
}

const otherObject = (uid: string): string =>
  uid === '' ? 'the object is gone' : 'another object has taken its name';

async function executeChange(
  execution: Execution,
  guard: Extract<DriftGuard, { kind: 'after-image' }>,
): Promise<ExecutionEnd> {
  const { reader, request } = execution;
  for (let attempt = 1; ; attempt += 1) {
    const live = await reader.live();
    if (!live.ok) return { kind: 'broken', refusal: live.error, sent: false };
    const metadata = metadataOf(live.value.object);
    const uid = live.value.status === 200 ? textAt(metadata, 'uid') : '';
    if (uid !== guard.uid) return { kind: 'stale', why: otherObject(uid) };
    const afterImage = await currentAfterImage(request, reader);
    if (!afterImage.ok) return { kind: 'broken', refusal: afterImage.error, sent: false };
    if (afterImage.value !== guard.afterImage) {
      return { kind: 'stale', why: 'the outcome would no longer be the one that was approved' };
    }
    const version = textAt(metadata, 'resourceVersion');
    const body = guardedBody(request, version);
    const end = await executeOnce(execution, body, attempt);
    if (end.kind !== 'answer' || !body.ours) return end;
    if (!(await causedByUs(end.answer, version, reader))) return end;
    if (attempt === triesMax) {
      return { kind: 'stale', why: `the object was written ${triesMax} times meanwhile` };
    }
  }
}

/** A conflict about resourceVersion while the object really moved on; a field manager's conflict is the call's own. */
async function causedByUs(
  answer: ReadAnswer,
  version: string,
  reader: GuardReader,
): Promise<boolean> {
  if (answer.status !== CONFLICT && answer.status !== INVALID) return false;
  if (isFieldManagerConflict(answer.body)) return false;
  const live = await reader.live();
  if (!live.ok || live.value.status !== 200) return true;
  return textAt(metadataOf(live.value.object), 'resourceVersion') !== version;
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
