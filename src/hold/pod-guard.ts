import { createHash } from 'node:crypto';
import type { Refusal } from '../base/errors.ts';
import { ok, type Result } from '../base/result.ts';
import { isJsonArray, isJsonObject, textAt } from '../kube/json-guards.ts';
import type { JsonObject, JsonValue, RequestAttributes } from '../kube/request.ts';
import type { DriftGuard } from './approval.ts';
import { liveObject, type GuardReader } from './live-object.ts';

type PodGuard = Extract<DriftGuard, { kind: 'pod' }>;

/** What goes into a pod: its guard is the pod itself. A proxy's guard would be whatever stands behind it. */
export const entersPod = ({ resource }: RequestAttributes): boolean =>
  /^pods\/(?:exec|attach|portforward)$/.test(resource);

/** What is to run, and what the kubelet says runs: a container may run some time before its status is there. */
const LISTS = {
  spec: ['containers', 'initContainers', 'ephemeralContainers'],
  status: ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'],
} as const;

function fieldsOf(statuses: JsonValue | undefined): string[] {
  if (!isJsonArray(statuses)) return [];
  return statuses.map((one) =>
    isJsonObject(one)
      ? JSON.stringify(['name', 'image', 'imageID'].map((field) => textAt(one, field)))
      : '',
  );
}

/** `sha256:<hex>` over the name, image and image id of each container: what code a person agreed to enter. */
export function imagesDigest(pod: JsonObject): string {
  const found = (['spec', 'status'] as const).flatMap((part) => {
    const { [part]: fields } = pod;
    if (!isJsonObject(fields)) return [];
    return LISTS[part].flatMap((list) => fieldsOf(fields[list]).map((line) => `${list} ${line}`));
  });
  const hash = createHash('sha256').update(found.toSorted().join('\n'));
  return `sha256:${hash.digest('hex')}`;
}

/** The pod as it is now; null where it is gone. */
export async function podGuard(
  reader: Pick<GuardReader, 'live'>,
): Promise<Result<PodGuard | null, Refusal>> {
  const live = await liveObject(reader);
  if (!live.ok) return live;
  if (live.value === null) return ok(null);
  return ok({ kind: 'pod', uid: live.value.uid, images: imagesDigest(live.value.object) });
}

/** Whether the pod is still the one that was approved (design §4.5). Null where it is; else why not. */
export async function podDrift(
  guard: PodGuard,
  reader: Pick<GuardReader, 'live'>,
): Promise<Result<string | null, Refusal>> {
  const now = await podGuard(reader);
  if (!now.ok) return now;
  if (now.value === null) return ok('the pod is gone');
  if (now.value.uid !== guard.uid) return ok('another pod has taken its name');
  return ok(now.value.images === guard.images ? null : 'its containers run other images now');
}
