import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import { metadataOf, textAt } from '../kube/json-guards.ts';
import type { JsonObject, RequestAttributes, RequestBody } from '../kube/request.ts';
import { afterImageDigest } from './after-image.ts';
import type { DriftGuard } from './approval.ts';

/** What the guard needs to know of a request. */
export type GuardedRequest = {
  readonly attributes: RequestAttributes;
  readonly body: RequestBody;
  /** The effective options of a DELETE; null for every other verb. */
  readonly deleteOptions: JsonObject | null;
};

export type Read = {
  readonly status: number;
  readonly object: JsonObject | null;
  readonly body: Buffer;
};

/** The gateway's own reads of the cluster, each recorded before it is made: supplied by `flow`. */
export type GuardReader = {
  readonly live: () => Promise<Result<Read, Refusal>>;
  readonly dryRun: (body: Buffer | null, contentType: string) => Promise<Result<Read, Refusal>>;
};

export const isStatusWrite = (attributes: RequestAttributes): boolean =>
  attributes.resource.endsWith('/status');

/** Verbs whose outcome is compared before and after the approval. */
export const changes = (attributes: RequestAttributes): boolean =>
  attributes.verb === 'update' || attributes.verb === 'patch';

const uidOf = (object: JsonObject): string => textAt(metadataOf(object), 'uid');

const bodyOf = (body: RequestBody): { bytes: Buffer | null; contentType: string } =>
  body.kind === 'none'
    ? { bytes: null, contentType: '' }
    : { bytes: body.bytes, contentType: body.contentType };

/** What would be stored if the request ran now: its digest, or the cluster's refusal. */
export async function currentAfterImage(
  request: GuardedRequest,
  reader: GuardReader,
): Promise<Result<string, Refusal>> {
  const { bytes, contentType } = bodyOf(request.body);
  const tried = await reader.dryRun(bytes, contentType);
  if (!tried.ok) return tried;
  const { status, object } = tried.value;
  if (status >= 200 && status < 300 && object !== null) {
    return ok(afterImageDigest(object, isStatusWrite(request.attributes)));
  }
  const said = textAt(object, 'message');
  return err(
    refusal(
      'HOLDGATE_HOLD_TARGET_MISSING',
      'the request is held, and what it would do could not be found out by a dry run',
      { detail: `the cluster answered ${status}: ${said.slice(0, 500)}` },
    ),
  );
}

/** The uid of the object as it is now; empty where there is none. */
export async function liveUid(reader: GuardReader): Promise<Result<string, Refusal>> {
  const read = await reader.live();
  if (!read.ok) return read;
  const { status, object } = read.value;
  if (status === 404) return ok('');
  if (status === 200 && object !== null && uidOf(object) !== '') return ok(uidOf(object));
  return err(
    refusal(
      'HOLDGATE_HOLD_TARGET_MISSING',
      'the request is held, and its object could not be read',
      {
        detail: `the cluster answered ${status}`,
      },
    ),
  );
}

/**
 * Fixes, when a hold opens, what the approval is about: a delete's object by uid; an update, patch or apply by uid and
 * by what it would store. A create, and what has no object of its own, has no guard (design §4.5).
 */
export async function openGuard(
  request: GuardedRequest,
  reader: GuardReader,
): Promise<Result<DriftGuard, Refusal>> {
  const { attributes } = request;
  if (attributes.verb !== 'delete' && !changes(attributes)) return ok({ kind: 'none' });
  const uid = await liveUid(reader);
  if (!uid.ok) return uid;
  // A server-side apply makes what is not there: nothing that exists could drift.
  if (uid.value === '' && attributes.verb === 'patch' && isApply(request))
    return ok({ kind: 'none' });
  if (uid.value === '') {
    return err(
      refusal(
        'HOLDGATE_HOLD_TARGET_MISSING',
        'the request is held, and its object does not exist, so nothing could be bound to an approval',
      ),
    );
  }
  if (attributes.verb === 'delete') return ok({ kind: 'delete', uid: uid.value });
  const afterImage = await currentAfterImage(request, reader);
  if (!afterImage.ok) return afterImage;
  return ok({ kind: 'after-image', uid: uid.value, afterImage: afterImage.value });
}

export const isApply = ({ body }: GuardedRequest): boolean =>
  body.kind !== 'none' && body.contentType.startsWith('application/apply-patch');
