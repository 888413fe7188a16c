import type { Refusal } from '../base/errors.ts';
import { ok, type Result } from '../base/result.ts';
import { dryRunSupport } from '../kube/dry-run-support.ts';
import { textAt } from '../kube/json-guards.ts';
import type { JsonObject, RequestAttributes, RequestBody } from '../kube/request.ts';
import { afterImageDigest } from './after-image.ts';
import type { DriftGuard } from './approval.ts';
import {
  liveObject,
  unbound,
  type GuardReader,
  type LiveObject,
  type Read,
} from './live-object.ts';
import { entersPod, podGuard } from './pod-guard.ts';

/** What the guard needs to know of a request. */
export type GuardedRequest = {
  readonly attributes: RequestAttributes;
  readonly body: RequestBody;
  /** The effective options of a DELETE; null for every other verb. */
  readonly deleteOptions: JsonObject | null;
};

/** Image of the live object, where no dry run can be made: the object itself must then stay as it was. */
const LIVE_PREFIX = 'live-';

/** An image of what a request would store, or the cluster's refusal of the dry run. */
export type ImageEnd =
  | { readonly kind: 'image'; readonly digest: string }
  | { readonly kind: 'refused'; readonly answer: Read };

const isStatusWrite = ({ resource }: RequestAttributes): boolean => resource.endsWith('/status');

async function dryRunImage(
  { attributes, body }: GuardedRequest,
  reader: GuardReader,
): Promise<Result<ImageEnd, Refusal>> {
  const tried =
    body.kind === 'none'
      ? await reader.dryRun(null, '')
      : await reader.dryRun(body.bytes, body.contentType);
  if (!tried.ok) return tried;
  const { status, object } = tried.value;
  if (status < 200 || status >= 300 || object === null)
    return ok({ kind: 'refused', answer: tried.value });
  return ok({ kind: 'image', digest: afterImageDigest(object, isStatusWrite(attributes)) });
}

function liveImage({ attributes }: GuardedRequest, live: LiveObject): ImageEnd {
  const digest = afterImageDigest(live.object, isStatusWrite(attributes));
  return { kind: 'image', digest: `${LIVE_PREFIX}${digest}` };
}

/** The image as it is now, made in the way in which the approved one was made. */
export async function imageAsApproved(
  request: GuardedRequest,
  approved: string,
  live: LiveObject,
  reader: GuardReader,
): Promise<Result<ImageEnd, Refusal>> {
  return approved.startsWith(LIVE_PREFIX)
    ? ok(liveImage(request, live))
    : dryRunImage(request, reader);
}

/**
 * Fixes, when a hold opens, what the approval is about: a delete's object by uid, an update, patch or apply by uid and
 * by what it would store, a call on an object's subresource by the object's uid (design §4.5). A plain create has no
 * guard, and a read none.
 */
export async function openGuard(
  request: GuardedRequest,
  reader: GuardReader,
): Promise<Result<DriftGuard, Refusal>> {
  const { verb, resource, name } = request.attributes;
  switch (verb) {
    case 'get':
    case 'list':
    case 'watch':
      return ok({ kind: 'none' });
    case 'connect':
      return entersPod(request.attributes) ? openPodGuard(reader) : ok({ kind: 'none' });
    case 'create':
      if (name === '' || !resource.includes('/')) return ok({ kind: 'none' });
      return boundGuard(reader, 'object');
    case 'delete':
      return boundGuard(reader, 'delete');
    case 'deletecollection':
      return unbound(
        'what a deletecollection would delete cannot be bound to an approval: delete the objects by name',
      );
    case 'update':
    case 'patch':
      return changeGuard(request, reader);
  }
}

const MISSING = 'its object does not exist, so nothing could be bound to an approval';

async function openPodGuard(reader: GuardReader): Promise<Result<DriftGuard, Refusal>> {
  const pod = await podGuard(reader);
  if (!pod.ok) return pod;
  return pod.value === null ? unbound(MISSING) : ok(pod.value);
}

async function boundGuard(
  reader: GuardReader,
  kind: 'delete' | 'object',
): Promise<Result<DriftGuard, Refusal>> {
  const live = await liveObject(reader);
  if (!live.ok) return live;
  return live.value === null ? unbound(MISSING) : ok({ kind, uid: live.value.uid });
}

async function changeGuard(
  request: GuardedRequest,
  reader: GuardReader,
): Promise<Result<DriftGuard, Refusal>> {
  const live = await liveObject(reader);
  if (!live.ok) return live;
  if (live.value === null)
    return isApply(request) ? ok({ kind: 'absent', uid: '' }) : unbound(MISSING);
  const { uid } = live.value;
  const { forObject } = await dryRunSupport(request.attributes, reader.crdExists);
  const image = forObject
    ? await dryRunImage(request, reader)
    : ok<ImageEnd>(liveImage(request, live.value));
  if (!image.ok) return image;
  if (image.value.kind === 'refused') {
    const { status, object } = image.value.answer;
    return unbound(
      'the cluster refused a dry run of it, so what it would do could not be bound to an approval',
      `the cluster answered ${status}: ${textAt(object, 'message').slice(0, 500)}`,
    );
  }
  return ok({ kind: 'after-image', uid, afterImage: image.value.digest });
}

/** Server-side apply creates what is not there. */
const isApply = ({ attributes, body }: GuardedRequest): boolean =>
  attributes.verb === 'patch' &&
  body.kind !== 'none' &&
  body.contentType.startsWith('application/apply-patch');
