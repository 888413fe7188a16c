import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import { metadataOf, textAt } from '../kube/json-guards.ts';
import type { JsonObject } from '../kube/request.ts';

/** What the cluster answered to a call of the gateway's own. */
export type Read = {
  readonly status: number;
  readonly object: JsonObject | null;
  readonly body: Buffer;
};

/** The gateway's own reads of the cluster, each recorded before it is made: supplied by `flow`. */
export type GuardReader = {
  readonly live: () => Promise<Result<Read, Refusal>>;
  readonly dryRun: (body: Buffer | null, contentType: string) => Promise<Result<Read, Refusal>>;
  /** Whether a CustomResourceDefinition of this name exists: the API server itself then serves it. */
  readonly crdExists: (name: string) => Promise<boolean>;
};

/** An object as it is now. */
export type LiveObject = {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly object: JsonObject;
};

/** Nothing to bind an approval to: the request is refused before anybody is asked. */
export const unbound = (what: string, detail = ''): Result<never, Refusal> =>
  err(
    refusal(
      'HOLDGATE_HOLD_TARGET_MISSING',
      `the request is held, and ${what}`,
      detail === '' ? {} : { detail },
    ),
  );

/** The object that a request is about; null where there is none. */
export async function liveObject(
  reader: Pick<GuardReader, 'live'>,
): Promise<Result<LiveObject | null, Refusal>> {
  const read = await reader.live();
  if (!read.ok) return read;
  const { status, object } = read.value;
  if (status === 404) return ok(null);
  const metadata = metadataOf(object);
  const uid = textAt(metadata, 'uid');
  if (status === 200 && object !== null && uid !== '') {
    return ok({ uid, resourceVersion: textAt(metadata, 'resourceVersion'), object });
  }
  return unbound('its object could not be read', `the cluster answered ${status}`);
}
