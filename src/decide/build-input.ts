import { constant } from '../base/constant.ts';
import { execOptions, logOptions, portForwardOptions } from '../kube/attributes.ts';
import { isJsonArray, isJsonObject, newRecord } from '../kube/json-guards.ts';
import type { JsonObject, JsonValue, RequestAttributes } from '../kube/request.ts';
import type { Identity } from '../identify/index.ts';
import type { PolicyInput } from './policy-input.ts';

/** Everything that a policy input is made of. */
export type InputParts = {
  /** RFC 3339, UTC. */
  readonly now: string;
  readonly cluster: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly identity: Identity;
  readonly attributes: RequestAttributes;
  /** Whether the server will persist nothing: for some APIs the parameter is there and does not count. */
  readonly dryRun: boolean;
  /** The options that a DELETE will really be executed with; null for every other verb. */
  readonly deleteOptions: JsonObject | null;
  /** What the body says the object is; a create's name is nowhere else. */
  readonly objectIdentity: {
    readonly kind: string;
    readonly name: string;
    readonly generateName: string;
  };
  /** The media type of the body; empty without one. */
  readonly contentType: string;
  readonly body: PolicyInput['request']['body'];
  /** What would be stored; null where nothing would, or where it is not known. */
  readonly object: JsonValue;
  readonly patch: JsonValue;
  readonly live: JsonValue;
  readonly grants: PolicyInput['grants'];
  readonly sourceIp: string;
  readonly claimed: PolicyInput['claimed'];
};

/** Puts a policy input together. Pure: the same parts give the same input. */
export function policyInput(parts: InputParts): PolicyInput {
  const { attributes, objectIdentity, identity, contentType } = parts;
  const resource = attributes.resource;
  return {
    now: parts.now,
    cluster: { name: parts.cluster.name, labels: { ...parts.cluster.labels } },
    user: userOf(identity),
    request: {
      scope: attributes.scope,
      verb: attributes.verb,
      group: attributes.group,
      version: attributes.version,
      resource,
      kind: objectIdentity.kind,
      namespace: attributes.namespace,
      name: attributes.name === '' ? objectIdentity.name : attributes.name,
      generate_name: objectIdentity.generateName,
      path: attributes.path,
      dry_run: parts.dryRun,
      label_selector: attributes.labelSelector,
      field_selector: attributes.fieldSelector,
      options: optionsInput(attributes.options, parts.deleteOptions),
      content_type: (contentType.split(';', 1)[0] ?? '').trim().toLowerCase(),
      body: parts.body,
      object: parts.object,
      patch: parts.patch,
      exec:
        resource === 'pods/exec' || resource === 'pods/attach'
          ? execInput(attributes.options)
          : null,
      log: resource === 'pods/log' ? logOptions(attributes.options) : null,
      portforward: resource === 'pods/portforward' ? portForwardInput(attributes.options) : null,
      wire: { method: attributes.wire.method, verb: attributes.wire.verb },
    },
    live: parts.live,
    grants: parts.grants,
    usage: {},
    source_ip: parts.sourceIp,
    claimed: parts.claimed,
  };
}

/** What policy sees of the identities in use; one serves all requests of its token. */
const users = new WeakMap<Identity, PolicyInput['user']>();

function userOf(identity: Identity): PolicyInput['user'] {
  const known = users.get(identity);
  if (known !== undefined) return known;
  const user = constant(userInput(identity));
  users.set(identity, user);
  return user;
}

function userInput(identity: Identity): PolicyInput['user'] {
  const { token } = identity;
  return {
    issuer: identity.issuer,
    subject: identity.subject,
    username: identity.username,
    uid: identity.uid,
    groups: [...identity.groups],
    groups_complete: identity.groupsComplete,
    kind: identity.kind,
    actor: identity.actor.map(({ issuer, subject }) => ({ issuer, subject })),
    claims: { ...identity.claims },
    token: {
      type: token.type,
      id: token.id,
      expires: token.expires,
      azp: token.azp,
      acr: token.acr,
      amr: [...token.amr],
      auth_time: token.authTime,
    },
    requested_impersonation: null,
  };
}

type Options = Readonly<Record<string, readonly string[]>>;

/** Query parameters, and over them the options that a delete is executed with: `preconditions.uid` and the like. */
function optionsInput(
  query: Options,
  deleteOptions: JsonObject | null,
): PolicyInput['request']['options'] {
  const options = newRecord<string[]>();
  for (const [name, values] of Object.entries(query)) options[name] = [...values];
  const put = (prefix: string, object: JsonObject): void => {
    for (const [key, value] of Object.entries(object)) {
      const name = `${prefix}${key}`;
      if (isJsonArray(value)) options[name] = value.map(scalarText);
      else if (isJsonObject(value)) put(`${name}.`, value);
      else if (value !== null) options[name] = [scalarText(value)];
    }
  };
  if (deleteOptions !== null) put('', deleteOptions);
  return options;
}

/** Delete options hold texts, numbers and booleans; anything else was refused when they were read. */
const scalarText = (value: JsonValue): string => (typeof value === 'object' ? '' : String(value));

/** PodExecOptions and PodAttachOptions (core/v1), from the query as the API server reads it. */
function execInput(options: Options): NonNullable<PolicyInput['request']['exec']> {
  const { command, ...flags } = execOptions(options);
  return { command: [...command], ...flags };
}

/** Ports that the server could not decode were refused when the request was read. */
function portForwardInput(options: Options): NonNullable<PolicyInput['request']['portforward']> {
  const read = portForwardOptions(options);
  return { ports: read.ok ? [...read.value.ports] : [] };
}
