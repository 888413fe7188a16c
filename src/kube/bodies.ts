import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import { isJsonArray, isJsonObject, textAt } from './json-guards.ts';
import { parseJson, stringifyJson } from './json.ts';
import { protobufObject } from './protobuf-object.ts';
import type { JsonObject, JsonValue, RequestAttributes, RequestBody } from './request.ts';
import { parseYamlBody } from './yaml.ts';

export type BodyInput = {
  readonly attributes: RequestAttributes;
  readonly method: string;
  /** The Content-Type header; empty where there is none. */
  readonly contentType: string;
  readonly contentEncoding: string;
  readonly bytes: Buffer;
};

/** How a body of a media type is read, and what its bytes are sent as. */
type Reading = { readonly as: 'json' | 'yaml'; readonly sentAs: string };

/** Patch types (apimachinery pkg/types/patch.go). A server-side apply keeps its type: the type is the operation. */
const PATCH_TYPES: ReadonlyMap<string, Reading> = new Map([
  ['application/json-patch+json', { as: 'json', sentAs: 'application/json-patch+json' }],
  ['application/merge-patch+json', { as: 'json', sentAs: 'application/merge-patch+json' }],
  [
    'application/strategic-merge-patch+json',
    { as: 'json', sentAs: 'application/strategic-merge-patch+json' },
  ],
  ['application/apply-patch+yaml', { as: 'yaml', sentAs: 'application/apply-patch+yaml' }],
]);

/** Types of whole objects and of delete options; YAML goes on as the JSON that was read from it. */
const OBJECT_TYPES: ReadonlyMap<string, Reading> = new Map([
  ['application/json', { as: 'json', sentAs: 'application/json' }],
  ['application/yaml', { as: 'yaml', sentAs: 'application/json' }],
]);

const invalid = (what: string): Result<never, Refusal> =>
  err(refusal('HOLDGATE_PARSE_BODY_INVALID', what));

const unsupported = (what: string): Result<never, Refusal> =>
  err(refusal('HOLDGATE_PARSE_ENCODING_UNSUPPORTED', what));

/**
 * Reads a request's body: JSON, YAML and the protobuf of built-in kinds strictly, everything else as opaque bytes. What
 * goes upstream is what was parsed. Refuses encodings, CBOR (415, upon which client-go falls back to JSON), media types that the API server
 * would refuse for the verb, and bodies on GET and HEAD, which some hops drop and others read as the next request.
 */
export function readBody(input: BodyInput): Result<RequestBody, Refusal> {
  const { attributes, bytes, method } = input;
  if (bytes.length === 0) return withoutBody(attributes);
  if (method === 'GET' || method === 'HEAD') return invalid(`a ${method} has no body`);
  const encoding = input.contentEncoding.trim().toLowerCase();
  if (encoding !== '' && encoding !== 'identity')
    return unsupported(`the body has the content encoding ${shown(encoding)}`);
  // What a proxied service is sent is not for the API server to read, nor for us.
  if (attributes.verb === 'connect')
    return ok({ kind: 'opaque', bytes, contentType: input.contentType });

  const type = mediaType(input.contentType);
  if (!type.ok) return type;
  if (type.value === 'application/cbor' || type.value.endsWith('+cbor'))
    return unsupported(`the body has the content type ${type.value}; send JSON`);
  if (attributes.verb === 'patch') {
    const reading = PATCH_TYPES.get(type.value);
    if (reading !== undefined) return read(bytes, reading, type.value);
    return unsupported(
      `${shown(type.value)} is no patch type; take one of ${[...PATCH_TYPES.keys()].join(', ')}`,
    );
  }
  if (PATCH_TYPES.has(type.value))
    return unsupported(`the content type ${type.value} is for PATCH, not for ${method}`);
  const reading = OBJECT_TYPES.get(type.value);
  if (reading !== undefined) return read(bytes, reading, type.value);
  if (type.value === PROTOBUF) return readProtobuf(bytes, attributes);
  return ok({ kind: 'opaque', bytes, contentType: type.value });
}

const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/** Deletes and evictions: `kubectl drain` sends their options as protobuf, and what they ask for must be seen. */
const takesOptions = ({ verb, resource }: RequestAttributes): boolean =>
  verb === 'delete' || verb === 'deletecollection' || resource === 'pods/eviction';

/**
 * An object that cannot be read wholly and in one way only stays opaque: it passes where a rule takes unread bodies.
 * Options that cannot be are refused, since what they ask for must be seen. An object goes upstream in the bytes in which
 * it came, options as the JSON that was read from them.
 */
function readProtobuf(bytes: Buffer, attributes: RequestAttributes): Result<RequestBody, Refusal> {
  const opaque = ok<RequestBody>({ kind: 'opaque', bytes, contentType: PROTOBUF });
  const object = protobufObject(bytes);
  if (takesOptions(attributes)) {
    if (!object.ok) return invalid(`the body is not taken: ${object.error}; send JSON`);
    const { value } = object;
    if (value === null) return opaque;
    const sent = Buffer.from(stringifyJson(value));
    return ok({ kind: 'parsed', value, bytes: sent, contentType: 'application/json' });
  }
  if (!object.ok || object.value === null) return opaque;
  return ok({ kind: 'parsed', value: object.value, bytes, contentType: PROTOBUF });
}

/**
 * The content type of a parsed body that was changed and written anew, which is as JSON: a patch keeps its type, since
 * that is the operation, and an object that came as protobuf does not.
 */
export const rewrittenType = (contentType: string): string =>
  contentType === PROTOBUF ? 'application/json' : contentType;

/** Some subresources are called without a body (kubevirt's `start`); an object or a patch cannot be stored without one. */
function withoutBody(attributes: RequestAttributes): Result<RequestBody, Refusal> {
  const stores = ['create', 'update', 'patch'].includes(attributes.verb);
  if (stores && !attributes.resource.includes('/'))
    return invalid(
      `a ${attributes.verb} of ${attributes.resource} needs a body, and there is none`,
    );
  return ok({ kind: 'none' });
}

/**
 * The media type, lower case, without parameters. A body without a type is JSON to the API server
 * (`NegotiateInputSerializerForMediaType`: the first of its types). Of the parameters only a UTF-8 charset is taken:
 * Go ignores others, and they would tell a reader that the bytes mean something else.
 */
function mediaType(header: string): Result<string, Refusal> {
  if (header.trim() === '') return ok('application/json');
  const [first = '', ...parameters] = header.toLowerCase().split(';');
  const type = first.trim();
  if (!/^[-!#$&^_.+a-z0-9]+\/[-!#$&^_.+a-z0-9]+$/.test(type))
    return unsupported(`the content type ${shown(header)} is malformed`);
  const odd = parameters.find(
    (parameter) => /^\s*charset\s*=/.test(parameter) && !/=\s*"?utf-?8"?\s*$/.test(parameter),
  );
  return odd === undefined ? ok(type) : unsupported(`the body has the${odd}; send UTF-8`);
}

function read(bytes: Buffer, reading: Reading, type: string): Result<RequestBody, Refusal> {
  const contentType = reading.sentAs;
  let value: JsonValue;
  let sent = bytes;
  if (reading.as === 'json') {
    const parsed = parseJson(bytes);
    if (!parsed.ok) {
      const { line, column, message } = parsed.error;
      return invalid(`the JSON body is not taken: line ${line}, column ${column}: ${message}`);
    }
    // It can be parsed in only one way, so the exact bytes may go on.
    ({ value } = parsed);
  } else {
    const parsed = parseYamlBody(bytes);
    if (!parsed.ok) {
      const { line, message } = parsed.error;
      return invalid(`the YAML body is not taken: line ${line}: ${message}`);
    }
    ({ value, bytes: sent } = parsed.value);
  }
  if (type === 'application/json-patch+json') {
    if (!isJsonArray(value) || !value.every((operation) => isJsonObject(operation)))
      return invalid('a JSON patch is a list of operations, and the body is not (RFC 6902)');
  } else if (!isJsonObject(value)) return invalid(`the body is no object, as ${type} must be here`);
  return ok({ kind: 'parsed', value, bytes: sent, contentType });
}

/** What a body says of the object that it is about. */
export type ObjectIdentity = {
  /** The kind that the body names: written by the caller, empty without a body and for delete options. */
  readonly kind: string;
  /** From the path, or for a create from the body; empty where the server makes one up from `generateName`. */
  readonly name: string;
  /** From the path: a body may only repeat it. */
  readonly namespace: string;
  readonly generateName: string;
};

/**
 * Kind and name of what a request is about. A create takes its name from the body; everywhere else a name in the body
 * must be the path's, and so must a namespace where the path has one (apiserver `checkName`,
 * `EnsureObjectNamespaceMatchesRequestNamespace`): a body that names another object than the path is refused before
 * policy can be misled by either. A namespace in the body of a cluster-scoped object is cleared by the server, and
 * charts are full of them: it is not looked at.
 */
export function objectIdentity(
  body: RequestBody,
  attributes: RequestAttributes,
): Result<ObjectIdentity, Refusal> {
  const { verb, name, namespace } = attributes;
  const fromPath = { kind: '', name, namespace, generateName: '' };
  const carriesObject = verb === 'create' || verb === 'update' || verb === 'patch';
  if (!carriesObject || body.kind !== 'parsed' || !isJsonObject(body.value)) return ok(fromPath);
  const meta = metadataTexts(body.value);
  if (!meta.ok) return meta;
  const own = meta.value;
  if (name !== '' && own.name !== '' && own.name !== name)
    return invalid(`the body's metadata.name is ${shown(own.name)}, the path's ${shown(name)}`);
  if (verb === 'update' && own.name === '' && !attributes.resource.includes('/'))
    return invalid(
      `the body's metadata.name is missing; an update of ${shown(name)} must repeat it`,
    );
  if (attributes.scope === 'namespaced' && own.namespace !== '' && own.namespace !== namespace) {
    return invalid(
      `the body's metadata.namespace is ${shown(own.namespace)}, the path's ${shown(namespace)}`,
    );
  }
  // It becomes a path segment when the gateway reads the object, and the server takes no other (IsValidPathSegmentName).
  if (/^\.{1,2}$|[/%\\;\p{Cc}\p{Surrogate}]/u.test(own.name))
    return invalid(`the body's metadata.name is ${shown(own.name)}, which no path can hold`);
  // An update or a patch of a collection is none of an object: the audit log has no name for it either.
  const bodysName = verb === 'create' && name === '' ? own.name : '';
  const isNamed = name !== '' || own.name !== '';
  return ok({
    kind: textAt(body.value, 'kind'),
    name: name === '' ? bodysName : name,
    namespace,
    generateName: verb === 'create' && !isNamed ? own.generateName : '',
  });
}

type MetadataTexts = Pick<ObjectIdentity, 'name' | 'namespace' | 'generateName'>;

/** Absent and null are empty, as Go decodes them; any other type than a string fails there, and is refused here. */
function metadataTexts(object: JsonObject): Result<MetadataTexts, Refusal> {
  const { kind, metadata } = object;
  if (kind !== undefined && kind !== null && typeof kind !== 'string')
    return invalid("the body's kind is no string");
  if (metadata === undefined || metadata === null)
    return ok({ name: '', namespace: '', generateName: '' });
  if (!isJsonObject(metadata)) return invalid("the body's metadata is no object");
  for (const key of ['name', 'namespace', 'generateName']) {
    const value = metadata[key];
    if (value !== undefined && value !== null && typeof value !== 'string')
      return invalid(`the body's metadata.${key} is no string`);
  }
  return ok({
    name: textAt(metadata, 'name'),
    namespace: textAt(metadata, 'namespace'),
    generateName: textAt(metadata, 'generateName'),
  });
}

/** A value of the caller's, quoted, escaped and cut for a message. */
const shown = (text: string): string => JSON.stringify(text.slice(0, 80));
