import type { GuardedRequest } from '../hold/index.ts';
import type { Identity } from '../identify/index.ts';
import type { MaskPlan } from '../mask/index.ts';
import type { Call } from './call.ts';
import type { Examined } from './examine.ts';
import type { OwnCalls } from './own-calls.ts';
import type { ReadRequest } from './read-request.ts';
import type { StreamRequest } from './stream-request.ts';

/** A call that policy did not deny, with all that was found out about it. */
export type Passing = {
  readonly call: Call;
  readonly request: ReadRequest;
  readonly identity: Identity;
  readonly examined: Examined;
  readonly own: OwnCalls;
  readonly plan: MaskPlan | null;
  /** Set where the request wants a session in both directions. */
  readonly streamed: StreamRequest | null;
};

/** What the drift guard needs to know of the request. */
export function guardedRequest(passing: Passing): GuardedRequest {
  const { attributes, body, deleteOptions } = passing.request;
  return { attributes, body, deleteOptions };
}
