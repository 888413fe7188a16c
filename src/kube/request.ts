/**
 * The vocabulary of a parsed request: what the raw target and method mean to kube-apiserver.
 * Types only; `target.ts` parses the raw target, `request-info.ts` applies the rules.
 */

/** One `name=value` of a query, decoded. Order and repetition are kept. */
export type QueryPair = { readonly name: string; readonly value: string };

/** A raw request target that passed the strict rules, taken apart once and rebuilt from its parts. */
export type RequestTarget = {
  /** Percent-decoded path segments, none empty, none a dot segment. */
  readonly segments: readonly string[];
  readonly query: readonly QueryPair[];
  /** What goes upstream: path and query encoded anew from `segments` and `query`, never the client's own string. */
  readonly rebuilt: string;
  /** Set where the path ends in a slash that means something upstream (`target.ts`); `rebuilt` then has it. */
  readonly trailingSlash?: boolean;
};

/** Kubernetes' RequestInfo (apiserver pkg/endpoints/request/requestinfo.go), field by field. */
export type RequestInfo = {
  readonly isResourceRequest: boolean;
  /** The percent-decoded path. */
  readonly path: string;
  /** RequestInfo's own verb: `get` for a WebSocket exec, `proxy` for the legacy prefix. */
  readonly verb: string;
  readonly apiPrefix: string;
  readonly apiGroup: string;
  readonly apiVersion: string;
  /** As RequestInfo has it: `/namespaces/x` has namespace x and name x. */
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  readonly parts: readonly string[];
  readonly fieldSelector: string;
  readonly labelSelector: string;
};

/** The closed list of verbs that policy sees. `connect` is exec, attach, portforward and proxy however they travel. */
export const policyVerbs = [
  'get',
  'list',
  'watch',
  'create',
  'update',
  'patch',
  'delete',
  'deletecollection',
  'connect',
] as const;
export type PolicyVerb = (typeof policyVerbs)[number];

export type RequestScope = 'namespaced' | 'cluster' | 'nonresource';

/** What policy sees of the target: design §3. */
export type RequestAttributes = {
  readonly scope: RequestScope;
  readonly verb: PolicyVerb;
  readonly group: string;
  readonly version: string;
  /** As RBAC writes it: `pods`, `pods/exec`; empty for nonresource. */
  readonly resource: string;
  /** Set only where the scope is namespaced. */
  readonly namespace: string;
  /** From the path, or from a `metadata.name` field selector; a create's name comes with its body. */
  readonly name: string;
  /** The decoded path. */
  readonly path: string;
  /** True only for `dryRun=All` as the server will understand it; for DELETE see `delete-options.ts`. */
  readonly dryRun: boolean;
  readonly labelSelector: string;
  readonly fieldSelector: string;
  /** Every query parameter, as lists of values: `{"limit": ["500"]}`. */
  readonly options: Readonly<Record<string, readonly string[]>>;
  /** Watch, log, connect and profiles: no client or server deadline ends them. */
  readonly longRunning: boolean;
  readonly wire: { readonly method: string; readonly verb: string };
};

/** A JSON value as parsed: integers that a double cannot hold are bigint, objects have no prototype. */
export type JsonValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

export type JsonObject = { readonly [key: string]: JsonValue };

/** A request body after reading. `bytes` and `contentType` are what goes upstream. */
export type RequestBody =
  | { readonly kind: 'none' }
  | {
      readonly kind: 'parsed';
      readonly value: JsonValue;
      readonly bytes: Buffer;
      readonly contentType: string;
    }
  | { readonly kind: 'opaque'; readonly bytes: Buffer; readonly contentType: string };
