import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import { isOpenDiscovery } from '../kube/attributes.ts';
import { dryRunSupport } from '../kube/dry-run-support.ts';
import { headerValue } from '../kube/header-value.ts';
import { metadataOf, textAt } from '../kube/json-guards.ts';
import type { JsonObject } from '../kube/request.ts';
import { isoTime } from '../base/clock.ts';
import { policyInput, type Decision, type PolicyInput } from '../decide/index.ts';
import type { Identity } from '../identify/index.ts';
import type { Call } from './call.ts';
import { ownCallFailed, type OwnAnswer, type OwnCalls } from './own-calls.ts';
import type { FlowPorts, RunningPolicy } from './ports.ts';
import type { ReadRequest } from './read-request.ts';

/** A request with what policy said of it. */
export type Examined = {
  readonly decision: Decision;
  readonly input: PolicyInput;
  /** The policy that decided; null for open discovery, which no policy decides. */
  readonly policy: RunningPolicy | null;
  /** The uid of the live object that policy saw; empty where it saw none. */
  readonly liveUid: string;
};

/** Discovery, version, OpenAPI and health pass for every authenticated caller (design §3): clients cannot start without. */
const OPEN_DISCOVERY: Decision = {
  verdict: 'allow',
  because: [{ rule: 'gate', id: 'discovery', reason: 'discovery is open to every caller' }],
  holds: [],
  mask: [],
  record: [],
  policy: { wasm: '', sources: '', compiler: '', revision: '' },
};

const NO_DRY_RUN = { forClient: false, forObject: false };

type InputParts = Parameters<typeof policyInput>[0];

/** Statuses of a dry run that are the cluster's word on the caller's own request. */
const CALLERS_OWN = new Set([400, 403, 404, 405, 409, 413, 415, 422]);

/** Builds what policy sees, and asks it. The order of reads is: live object, then the object that would be stored. */
export async function examine(
  call: Call,
  request: ReadRequest,
  identity: Identity,
  own: OwnCalls,
  ports: FlowPorts,
): Promise<Result<Examined, Refusal>> {
  const parts = inputParts(call, request, identity, ports);
  if (isOpenDiscovery(request.attributes)) {
    const input = policyInput(parts);
    call.know({ input, decision: OPEN_DISCOVERY });
    return ok({ decision: OPEN_DISCOVERY, input, policy: null, liveUid: '' });
  }
  const policy = ports.policy();
  if (policy === null) {
    return err(
      refusal('HOLDGATE_DECIDE_POLICY_MISSING', 'no policy is loaded, so nothing can be allowed'),
    );
  }
  const first = policyInput(parts);
  call.know({ input: first });
  const asks = request.attributes.dryRun || request.attributes.verb === 'patch';
  // What a plain request shows policy is complete at once.
  if (!asks && !policy.fetches) {
    const decision = await policy.decide(first);
    call.know({ decision });
    return ok({ decision, input: first, policy, liveUid: '' });
  }
  const reliable = asks ? await dryRunSupport(request.attributes, own.crdExists) : NO_DRY_RUN;
  const settled = { ...parts, dryRun: request.attributes.dryRun && reliable.forClient };

  const asked = sameParts(parts, settled) ? first : policyInput(settled);
  const live = await readLive(asked, policy, own);
  if (!live.ok) return live;
  const seen: InputParts = { ...settled, live: live.value };
  const object = await storedObject(call, seen, request, {
    reliable: reliable.forObject,
    policy,
    own,
  });
  if (!object.ok) return object;

  const complete = { ...seen, ...object.value };
  const input = sameParts(parts, complete) ? first : policyInput(complete);
  const decision = await decideWithDryRun(input, policy);
  call.know({ input, decision });
  return ok({ decision, input, policy, liveUid: textAt(metadataOf(live.value), 'uid') });
}

/** Whether nothing changed of what is found out on the way; the rest of the parts is never set again. */
const sameParts = (one: InputParts, other: InputParts): boolean =>
  one.dryRun === other.dryRun &&
  one.live === other.live &&
  one.object === other.object &&
  one.body === other.body &&
  one.objectIdentity === other.objectIdentity;

function inputParts(
  call: Call,
  request: ReadRequest,
  identity: Identity,
  ports: FlowPorts,
): InputParts {
  const { exchange } = call;
  const { attributes, body, object } = request;
  const isPatch = attributes.verb === 'patch';
  const value = body.kind === 'parsed' ? body.value : null;
  const isStored = attributes.verb === 'create' || attributes.verb === 'update';
  return {
    now: isoTime(ports.clock.nowMs()),
    cluster: { name: request.cluster.name, labels: request.cluster.labels },
    identity,
    attributes,
    dryRun: attributes.dryRun,
    deleteOptions: request.deleteOptions,
    objectIdentity: object,
    contentType: body.kind === 'none' ? '' : body.contentType,
    body: body.kind,
    object: isStored ? value : null,
    patch: isPatch ? value : null,
    live: null,
    grants: [],
    sourceIp: exchange.remoteAddress,
    claimed: {
      client: headerValue(exchange.rawHeaders, 'user-agent'),
      command: headerValue(exchange.rawHeaders, 'kubectl-command'),
      task: request.task,
      reason: headerValue(exchange.rawHeaders, 'holdgate-reason'),
    },
  };
}

/** The object as it is now, where a rule asked for it; null where it does not exist or nobody asked. */
async function readLive(
  input: PolicyInput,
  policy: RunningPolicy,
  own: OwnCalls,
): Promise<Result<JsonObject | null, Refusal>> {
  if (!policy.fetches || !(await policy.fetchesLive(input))) return ok(null);
  if (input.request.name === '') return ok(null);
  const answer = await own.live();
  if (!answer.ok) return err(ownCallFailed('the read of the object', answer.error));
  if (answer.value.status === 404) return ok(null);
  if (answer.value.status === 200 && answer.value.object !== null) return ok(answer.value.object);
  return err(
    ownCallFailed('the read of the object', {
      code: 'HOLDGATE_DECIDE_OBJECT_UNAVAILABLE',
      message: `the cluster answered ${answer.value.status}`,
    }),
  );
}

type Stored = Pick<InputParts, 'object' | 'body' | 'objectIdentity'>;

/**
 * What would be stored. For a patch it is the answer of the same request with dryRun=All, asked for only when a rule
 * reads the object; where the API cannot be relied on for dry runs, the body counts as opaque.
 */
async function storedObject(
  call: Call,
  parts: InputParts,
  request: ReadRequest,
  means: { readonly reliable: boolean; readonly policy: RunningPolicy; readonly own: OwnCalls },
): Promise<Result<Stored, Refusal>> {
  const { object, body, objectIdentity } = parts;
  if (request.attributes.verb !== 'patch' || !means.policy.readsObject || body !== 'parsed') {
    return ok({ object, body, objectIdentity });
  }
  if (!means.reliable) return ok({ object, body: 'opaque', objectIdentity });
  const { body: sent } = request;
  const bytes = sent.kind === 'none' ? null : sent.bytes;
  const answer = await means.own.dryRun(bytes, sent.kind === 'none' ? '' : sent.contentType);
  if (!answer.ok) return err(ownCallFailed('the dry run of the patch', answer.error));
  const { status, object: stored } = answer.value;
  if (status >= 200 && status < 300 && stored !== null) {
    const kind = typeof stored['kind'] === 'string' ? stored['kind'] : objectIdentity.kind;
    return ok({ object: stored, body, objectIdentity: { ...objectIdentity, kind } });
  }
  if (CALLERS_OWN.has(status))
    return err(await dryRunRefusal(parts, means.policy, answer.value, call));
  return err(
    ownCallFailed('the dry run of the patch', {
      code: 'HOLDGATE_DECIDE_OBJECT_UNAVAILABLE',
      message: `the cluster answered ${status}`,
    }),
  );
}

/**
 * The cluster refused the dry run. Its words may tell what exists, so they go to callers that policy lets `get` the
 * object unmasked; everybody else learns only that it was refused.
 */
async function dryRunRefusal(
  parts: InputParts,
  policy: RunningPolicy,
  answer: OwnAnswer,
  call: Call,
): Promise<Refusal> {
  const asGet = await policy.decide(getInput(policyInput(parts)));
  if (asGet.verdict !== 'allow' || asGet.mask.length > 0) {
    call.know({ decision: asGet.verdict === 'deny' ? asGet : null });
    return refusal(
      'HOLDGATE_DECIDE_OBJECT_HIDDEN',
      'the cluster refused a dry run of this patch, and policy does not let you read the object, so you may not read why',
      { detail: `the cluster answered ${answer.status}` },
    );
  }
  const said = answer.object?.['message'];
  const reason = answer.object?.['reason'];
  return {
    code: 'HOLDGATE_FORWARD_REFUSED',
    message: typeof said === 'string' ? said : `the cluster answered ${answer.status}`,
    asCluster: {
      http: answer.status,
      reason: typeof reason === 'string' ? reason : 'Unknown',
      body: answer.body,
    },
  };
}

/** The same object under verb get, without what only a write has. */
export function getInput(input: PolicyInput): PolicyInput {
  const { request } = input;
  const wire = { method: 'GET', verb: 'get' };
  const bodiless = {
    body: 'none' as const,
    object: null,
    patch: null,
    content_type: '',
    options: {},
  };
  return {
    ...input,
    live: null,
    request: { ...request, ...bodiless, verb: 'get', dry_run: false, wire },
  };
}

/** A dry run that no rule allows under its own verb passes where a get of the same object would (design §3). */
async function decideWithDryRun(input: PolicyInput, policy: RunningPolicy): Promise<Decision> {
  const decision = await policy.decide(input);
  if (!input.request.dry_run || decision.verdict !== 'deny') return decision;
  const nobodyAllowed = decision.because.every(
    (one) => one.rule === 'gate' && one.id === 'default-deny',
  );
  if (!nobodyAllowed || decision.failure !== undefined) return decision;
  const asGet = await policy.decide(getInput(input));
  if (asGet.verdict !== 'allow') return decision;
  // The masks of the get count too: a dry run returns the whole object.
  return {
    ...asGet,
    mask: [...decision.mask, ...asGet.mask],
    record: [...decision.record, ...asGet.record],
  };
}
