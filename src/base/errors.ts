/* eslint-disable max-lines -- one registry: a table that is read by searching, not from top to bottom */
/**
 * The registry of error codes: API. Each code says which stage refused and why, which HTTP status and Kubernetes
 * reason the caller sees, and what the operator or caller can do. `docs/errors.md` is generated from it.
 * Reasons are those of apimachinery `pkg/apis/meta/v1/types.go` (StatusReason).
 */
export type StatusReason =
  | 'BadRequest'
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'NotAcceptable'
  | 'MethodNotAllowed'
  | 'UnsupportedMediaType'
  | 'RequestEntityTooLarge'
  | 'Conflict'
  | 'Timeout'
  | 'InternalError'
  | 'ServiceUnavailable';

export type ErrorEntry = {
  /** The HTTP status, which is also `Status.code`. */
  readonly http: number;
  readonly reason: StatusReason;
  /** One sentence: when this happens. */
  readonly when: string;
  /** One sentence: what to do about it. */
  readonly fix: string;
};

const entry = (http: number, reason: StatusReason, when: string, fix: string): ErrorEntry => ({
  http,
  reason,
  when,
  fix,
});

export const errorRegistry = {
  HOLDGATE_LISTEN_TARGET_MALFORMED: entry(
    400,
    'BadRequest',
    'The request target is not a plain path and query that the API server would read the same way.',
    'Send the path as kubectl does: no `//`, dot segments, encoded slashes, control characters, `;` or fragment.',
  ),
  HOLDGATE_LISTEN_TARGET_TOO_LONG: entry(
    400,
    'BadRequest',
    'The request target is larger than 512 KiB.',
    'Shorten the command line or the selector.',
  ),
  HOLDGATE_LISTEN_HEADERS_TOO_LARGE: entry(
    400,
    'BadRequest',
    'The request headers are larger than 64 KiB.',
    'Send fewer or smaller headers; ask the issuer for a token with fewer groups.',
  ),
  HOLDGATE_LISTEN_HEADER_REPEATED: entry(
    400,
    'BadRequest',
    'A header that may stand once was sent more than once.',
    'Send it once.',
  ),
  HOLDGATE_LISTEN_METHOD_UNKNOWN: entry(
    400,
    'BadRequest',
    'The HTTP method is none that the Kubernetes API serves.',
    'Use GET, HEAD, POST, PUT, PATCH or DELETE.',
  ),
  HOLDGATE_LISTEN_BODY_TOO_LARGE: entry(
    413,
    'RequestEntityTooLarge',
    "The request body is larger than 3 MiB, the API server's own limit.",
    'Split the object, or store the data elsewhere.',
  ),
  HOLDGATE_LISTEN_BODY_INCOMPLETE: entry(
    400,
    'BadRequest',
    'The client stopped before its body was complete.',
    'Send the request again.',
  ),
  HOLDGATE_LISTEN_CLUSTER_UNKNOWN: entry(
    404,
    'NotFound',
    'The path names a cluster that is not configured.',
    'Use one of the clusters that the message lists.',
  ),
  HOLDGATE_LISTEN_UPGRADE_REFUSED: entry(
    403,
    'Forbidden',
    'The request asks for a protocol upgrade where the gateway carries none.',
    'Only exec, attach and port-forward of pods are upgraded; read watches and logs over plain HTTP.',
  ),
  HOLDGATE_LISTEN_DRAINING: entry(
    503,
    'ServiceUnavailable',
    'The gateway is shutting down.',
    'Run the same command again.',
  ),
  HOLDGATE_LISTEN_FAILED: entry(
    500,
    'InternalError',
    'The gateway failed in a way that it did not foresee; nothing more was forwarded.',
    'Give the operator the Audit-ID of the answer.',
  ),

  HOLDGATE_IDENTIFY_TOKEN_MISSING: entry(
    401,
    'Unauthorized',
    'The request carries no bearer token.',
    'Use the kubeconfig that `holdgate kubeconfig` wrote.',
  ),
  HOLDGATE_IDENTIFY_TOKEN_MALFORMED: entry(
    401,
    'Unauthorized',
    'The bearer token is not a signed JWT that may be used here.',
    'Get a new token from the identity provider.',
  ),
  HOLDGATE_IDENTIFY_TOKEN_EXPIRED: entry(
    401,
    'Unauthorized',
    'The bearer token has expired.',
    'Log in again or refresh the token.',
  ),
  HOLDGATE_IDENTIFY_TOKEN_NOT_YET_VALID: entry(
    401,
    'Unauthorized',
    'The bearer token is from the future.',
    'Check the clocks of the issuer and of the gateway.',
  ),
  HOLDGATE_IDENTIFY_TOKEN_LIFETIME: entry(
    401,
    'Unauthorized',
    "The bearer token lives longer than the issuer's configured maximum.",
    'Ask the issuer for shorter tokens, or raise maxTokenLifetimeSeconds.',
  ),
  HOLDGATE_IDENTIFY_SIGNATURE_INVALID: entry(
    401,
    'Unauthorized',
    "The token's signature does not verify with the issuer's keys.",
    'Get a new token from the configured issuer.',
  ),
  HOLDGATE_IDENTIFY_ISSUER_UNKNOWN: entry(
    401,
    'Unauthorized',
    "The token's issuer is not configured.",
    'Use a token from one of the configured issuers.',
  ),
  HOLDGATE_IDENTIFY_ISSUER_UNAVAILABLE: entry(
    401,
    'Unauthorized',
    "The issuer's keys could not be fetched, so no token of it can be checked.",
    "The operator checks the issuer's address, certificate and network.",
  ),
  HOLDGATE_IDENTIFY_AUDIENCE_WRONG: entry(
    401,
    'Unauthorized',
    'The token was made for somebody else.',
    "Ask the issuer for a token with the gateway's audience.",
  ),
  HOLDGATE_IDENTIFY_CLAIMS_INVALID: entry(
    401,
    'Unauthorized',
    'A claim that the gateway needs is missing or has the wrong form.',
    'The operator compares the claim mappings with a token of the issuer.',
  ),
  HOLDGATE_IDENTIFY_GROUPS_INCOMPLETE: entry(
    401,
    'Unauthorized',
    'The token does not list all groups of the caller, so a deny by group could be missed.',
    'Limit the groups that the issuer puts into the token.',
  ),
  HOLDGATE_IDENTIFY_NAME_RESERVED: entry(
    401,
    'Unauthorized',
    "A mapped name or group begins with `system:`, which is the cluster's own.",
    'Add a prefix in the claim mapping.',
  ),
  HOLDGATE_IDENTIFY_CREDENTIAL_REFUSED: entry(
    400,
    'BadRequest',
    'The request carries a second credential or asks to act as somebody else.',
    'Send exactly one bearer token and no impersonation headers.',
  ),
  HOLDGATE_IDENTIFY_ROLE_MISSING: entry(
    403,
    'Forbidden',
    "The caller has no role that may do this on the people's port.",
    'Ask the operator for the role that the message names.',
  ),
  HOLDGATE_IDENTIFY_NOT_A_PERSON: entry(
    403,
    'Forbidden',
    "The caller of the people's port is an agent, a workload, or somebody acting for a person.",
    'Log in as a person.',
  ),

  HOLDGATE_PARSE_REQUEST_UNSUPPORTED: entry(
    400,
    'BadRequest',
    'The path or its parameters have no unambiguous meaning for the API server.',
    'Send the request as kubectl does.',
  ),
  HOLDGATE_PARSE_PARAMETER_REPEATED: entry(
    400,
    'BadRequest',
    'A query parameter that may stand once was repeated.',
    'Send it once.',
  ),
  HOLDGATE_PARSE_BODY_INVALID: entry(
    400,
    'BadRequest',
    'The request body is not valid JSON or YAML, or could be read in two ways.',
    'Mend the body at the place that the message names.',
  ),
  HOLDGATE_PARSE_ENCODING_UNSUPPORTED: entry(
    415,
    'UnsupportedMediaType',
    'The body has a content type or encoding that the gateway does not take.',
    'Send JSON, or YAML for server-side apply, uncompressed.',
  ),

  HOLDGATE_DECIDE_DENIED: entry(
    403,
    'Forbidden',
    'A policy rule denies the request, or none allows it.',
    'Do what the rule says instead, or ask for a rule.',
  ),
  HOLDGATE_DECIDE_POLICY_FAILED: entry(
    403,
    'Forbidden',
    'The policy could not be evaluated; what cannot be decided is denied.',
    'The operator mends the policy at the file and line of the message.',
  ),
  HOLDGATE_DECIDE_POLICY_MISSING: entry(
    503,
    'ServiceUnavailable',
    'No policy is loaded.',
    'The operator mends the policies folder; the gateway loads it by itself.',
  ),
  HOLDGATE_DECIDE_OBJECT_UNAVAILABLE: entry(
    503,
    'ServiceUnavailable',
    'The object that a rule needs could not be read from the cluster.',
    'Run the same command again; the operator checks the cluster.',
  ),
  HOLDGATE_DECIDE_OBJECT_HIDDEN: entry(
    403,
    'Forbidden',
    'The cluster refused a dry run of the request, and policy does not let the caller read why.',
    'Ask for a rule that lets you get the object.',
  ),

  HOLDGATE_HOLD_PENDING: entry(
    403,
    'Forbidden',
    'The request is held until people approve it, and nobody did while it waited.',
    'When it is approved, run the same command again.',
  ),
  HOLDGATE_HOLD_DENIED: entry(
    403,
    'Forbidden',
    'A person denied the request.',
    'Read the reason, and talk to the person.',
  ),
  HOLDGATE_HOLD_EXPIRED: entry(
    403,
    'Forbidden',
    'Nobody decided in time.',
    'Run the same command again to ask anew.',
  ),
  HOLDGATE_HOLD_STALE: entry(
    403,
    'Forbidden',
    'What would happen is no longer what was approved.',
    'Run the same command again; a new approval is asked for.',
  ),
  HOLDGATE_HOLD_SPENT: entry(
    403,
    'Forbidden',
    'The approval is used, revoked or lapsed.',
    'Run the same command again; a new approval is asked for.',
  ),
  HOLDGATE_HOLD_CANNOT_WAIT: entry(
    403,
    'Forbidden',
    'The request is held, and a call of this kind cannot wait on its connection.',
    'When it is approved, run the same command again.',
  ),
  HOLDGATE_HOLD_TOO_MANY: entry(
    403,
    'Forbidden',
    'The caller has too many open approvals.',
    'Wait until some are decided.',
  ),
  HOLDGATE_HOLD_TARGET_MISSING: entry(
    403,
    'Forbidden',
    'The object of a held request could not be read, so nothing could be bound to the approval.',
    'Check the name; ask for a rule that lets you get the object.',
  ),
  HOLDGATE_HOLD_VOTE_REFUSED: entry(
    403,
    'Forbidden',
    'The vote does not count: the voter is not an approver, asked for it, or voted already.',
    'Let another member of the approver group decide.',
  ),
  HOLDGATE_HOLD_WITHDRAW_REFUSED: entry(
    403,
    'Forbidden',
    'Only who asked for an approval, who may decide it, or an administrator takes it back.',
    'Ask one of them; a pending one can also be denied.',
  ),
  HOLDGATE_HOLD_NOT_OPEN: entry(
    409,
    'Conflict',
    'The approval is no longer open.',
    'Show it to see how it ended.',
  ),
  HOLDGATE_HOLD_UNKNOWN: entry(
    404,
    'NotFound',
    'There is no such approval.',
    'List the approvals.',
  ),

  HOLDGATE_MASK_UNMASKABLE: entry(
    403,
    'Forbidden',
    'Policy masks fields of this resource for the caller, and this kind of call cannot be masked yet.',
    'Use get or list with JSON, YAML or a table as output.',
  ),
  HOLDGATE_MASK_NOT_ACCEPTABLE: entry(
    406,
    'NotAcceptable',
    'Policy masks fields of this resource, and the client accepts no representation that can be masked.',
    'Accept application/json.',
  ),
  HOLDGATE_MASK_ANSWER_UNREADABLE: entry(
    502,
    'InternalError',
    "The cluster's answer could not be masked, so it is not passed on.",
    "The operator looks at the record; the answer's content type is in it.",
  ),

  HOLDGATE_FORWARD_REFUSED: entry(
    422,
    'Conflict',
    "The cluster refused a dry run of the request; the answer carries the cluster's own status, reason and message.",
    'Do what the cluster says.',
  ),
  HOLDGATE_FORWARD_UNREACHABLE: entry(
    503,
    'ServiceUnavailable',
    'The cluster could not be reached; nothing was executed.',
    "The operator checks the cluster's address and certificate.",
  ),
  HOLDGATE_FORWARD_CREDENTIAL: entry(
    503,
    'ServiceUnavailable',
    "The cluster refused the gateway's own credential, or it could not be read.",
    "The operator renews the cluster's credential.",
  ),
  HOLDGATE_FORWARD_REDIRECT: entry(
    502,
    'InternalError',
    'The cluster answered with a redirect, which is never followed.',
    "The operator checks the cluster's address.",
  ),
  HOLDGATE_FORWARD_STREAM_UNSUPPORTED: entry(
    400,
    'BadRequest',
    'An exec, attach or port-forward asks for a stream protocol that the gateway does not carry, or its handshake is malformed.',
    'Use a client of the last years: v5 or v4 channels over WebSocket or SPDY/3.1; for port-forward also the SPDY tunnel.',
  ),
  HOLDGATE_FORWARD_SESSIONS_TOO_MANY: entry(
    403,
    'Forbidden',
    'The caller has as many open exec, attach and port-forward sessions as anybody may have.',
    'End some of them; sessions that were forgotten end with their token.',
  ),
  HOLDGATE_FORWARD_SESSION_ENDED: entry(
    403,
    'Forbidden',
    'The gateway ended an exec, attach or port-forward session: its token expired, or the gateway stops.',
    'Run the same command again, with a fresh token where it expired.',
  ),
  HOLDGATE_FORWARD_BROKEN: entry(
    502,
    'InternalError',
    'The connection to the cluster broke before an answer; a write may have been executed.',
    'Read the object before you run the command again.',
  ),
  HOLDGATE_FORWARD_OUTCOME_UNKNOWN: entry(
    500,
    'InternalError',
    'The call was executed, or may have been, and its outcome could not be recorded.',
    'Read the object before you run the command again; give the operator the Audit-ID.',
  ),

  HOLDGATE_RECORD_UNAVAILABLE: entry(
    503,
    'ServiceUnavailable',
    'The decision could not be recorded, so nothing was forwarded.',
    'The operator checks the database; the gateway recovers by itself.',
  ),
  HOLDGATE_RECORD_UNKNOWN: entry(
    404,
    'NotFound',
    'There is no such record.',
    'List the decisions.',
  ),
  HOLDGATE_RECORD_EXPORTS_TOO_MANY: entry(
    503,
    'ServiceUnavailable',
    'As many evidence bundles are being made as may be made at a time.',
    'Ask again when one of them is done.',
  ),
  HOLDGATE_CONSOLE_REQUEST_INVALID: entry(
    400,
    'BadRequest',
    'A parameter or body of the REST API has the wrong form.',
    'Compare it with /openapi.json.',
  ),
  HOLDGATE_CONSOLE_NOT_FOUND: entry(
    404,
    'NotFound',
    "The people's port has no such page.",
    'See /openapi.json.',
  ),
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorRegistry;

/**
 * Why a request is not served: the code, and a message for the caller that says what was wrong, where, and what to do.
 * `detail` is for the operator's log and record only: it may name hosts, files and upstream errors, never a credential.
 */
export type Refusal = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly detail?: string;
  /** Becomes `Status.details.causes`; kubectl does not print them for Forbidden, so the message repeats them. */
  readonly causes?: readonly {
    readonly reason: string;
    readonly message: string;
    readonly field?: string;
  }[];
  /** The cluster's own status and reason, where the refusal passes on what the cluster said. */
  readonly asCluster?: {
    readonly http: number;
    readonly reason: string;
    /** The cluster's Status, word for word: kubectl prints the causes of an Invalid, not its message. */
    readonly body: Buffer;
  };
  /** The approval that the refusal speaks of. */
  readonly approvalId?: string;
};

/** Makes a refusal. The registry's `fix` sentence is appended to `message` by `kube/status`, not here. */
export function refusal(
  code: ErrorCode,
  message: string,
  more: Omit<Refusal, 'code' | 'message'> = {},
): Refusal {
  return { code, message, ...more };
}

/** A dependency broke (database, cluster, disk, policy engine): thrown, caught by `flow`, never shown raw. */
export class DependencyError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'DependencyError';
    this.code = code;
  }
}
