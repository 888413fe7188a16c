import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import { parseInt64, queryBool, queryText, queryValues } from './query-values.ts';
import type { QueryPair, RequestInfo, RequestTarget } from './request.ts';
import { labelSelectorProblem, parseFieldSelector, requiredFieldValue } from './selectors.ts';
import { targetPath } from './target.ts';

/** The methods of the Kubernetes API, case-sensitive (RFC 9110 §9.1): `get` would be a request with an empty verb. */
const VERB_OF_METHOD: ReadonlyMap<string, string> = new Map([
  ['POST', 'create'],
  ['GET', 'get'],
  ['HEAD', 'get'],
  ['PUT', 'update'],
  ['PATCH', 'patch'],
  ['DELETE', 'delete'],
]);

const VERBS_WITH_SELECTORS = new Set(['list', 'watch', 'deletecollection']);
const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize']);

/**
 * What kube-apiserver will take a request for, or why that is not certain enough to decide on. This is the function
 * that `flow` calls: upstream's own answer (`upstreamRequestInfo`), then the strict refusals (`ambiguity`).
 */
export function requestInfo(method: string, target: RequestTarget): Result<RequestInfo, Refusal> {
  if (!VERB_OF_METHOD.has(method)) {
    return err(
      refusal(
        'HOLDGATE_LISTEN_METHOD_UNKNOWN',
        `the method ${JSON.stringify(method.slice(0, 32))} is none that the Kubernetes API serves`,
      ),
    );
  }
  const info = upstreamRequestInfo(method, target);
  if (info === null) {
    return err(unsupported('the path ends after "watch" or "proxy", where a resource must follow'));
  }
  const problem = ambiguity(method, target, info);
  return problem === null ? ok(info) : err(problem);
}

/**
 * RequestInfo as apiserver's `NewRequestInfo` makes it (pkg/endpoints/request/requestinfo.go, API prefixes `api` and
 * `apis`), without any strictness of ours. Null where upstream fails: nothing follows `watch` or `proxy`.
 */
export function upstreamRequestInfo(method: string, target: RequestTarget): RequestInfo | null {
  const nonResource: RequestInfo = {
    isResourceRequest: false,
    path: targetPath(target),
    verb: method.toLowerCase(),
    apiPrefix: '',
    apiGroup: '',
    apiVersion: '',
    namespace: '',
    resource: '',
    subresource: '',
    name: '',
    parts: [],
    fieldSelector: '',
    labelSelector: '',
  };
  const [apiPrefix = '', ...afterPrefix] = target.segments;
  if (afterPrefix.length < 2 || (apiPrefix !== 'api' && apiPrefix !== 'apis')) return nonResource;
  const grouped = apiPrefix === 'apis';
  if (grouped && afterPrefix.length < 3) return { ...nonResource, apiPrefix };
  const apiGroup = grouped ? (afterPrefix[0] ?? '') : '';
  const [apiVersion = '', ...afterVersion] = afterPrefix.slice(grouped ? 1 : 0);

  const special = afterVersion[0] === 'watch' || afterVersion[0] === 'proxy';
  if (special && afterVersion.length < 2) return null;
  const methodVerb = VERB_OF_METHOD.get(method) ?? '';
  const pathVerb = special ? (afterVersion[0] ?? '') : methodVerb;
  const { namespace, parts } = namespaceAndParts(special ? afterVersion.slice(1) : afterVersion);
  const [resource = '', pathName = '', third = ''] = parts;
  const subresource = pathVerb === 'proxy' ? '' : third;

  const named = nameAndVerb(pathVerb, pathName, target.query);
  const hasSelectors = !special && VERBS_WITH_SELECTORS.has(named.verb);
  return {
    ...nonResource,
    ...named,
    isResourceRequest: true,
    apiPrefix,
    apiGroup,
    apiVersion,
    namespace,
    resource,
    subresource,
    parts,
    fieldSelector: hasSelectors ? queryText(target.query, 'fieldSelector') : '',
    labelSelector: hasSelectors ? queryText(target.query, 'labelSelector') : '',
  };
}

/** `namespaces/x` keeps both parts and sets the namespace too; a third part that is no subresource drops the two. */
function namespaceAndParts(parts: readonly string[]): {
  readonly namespace: string;
  readonly parts: readonly string[];
} {
  const [first, namespace, third] = parts;
  if (first !== 'namespaces' || namespace === undefined) return { namespace: '', parts };
  const isOwn = third === undefined || NAMESPACE_SUBRESOURCES.has(third);
  return { namespace, parts: isOwn ? parts : parts.slice(2) };
}

/** Without a name, get is list or watch, and a `metadata.name` field selector gives the name; delete is deletecollection. */
function nameAndVerb(
  verb: string,
  name: string,
  query: readonly QueryPair[],
): { readonly verb: string; readonly name: string } {
  if (name !== '') return { verb, name };
  if (verb === 'delete') return { verb: 'deletecollection', name };
  if (verb !== 'get') return { verb, name };
  if (listOptionsProblem(query) !== null) return { verb: rawWatchVerb(query), name };
  const terms = parseFieldSelector(queryText(query, 'fieldSelector'));
  const selected = terms.ok ? requiredFieldValue(terms.value, 'metadata.name') : null;
  // IsValidPathSegmentName: what could not stand in a path does not become the name.
  const legal = selected !== null && !/^\.{1,2}$|[/%]/.test(selected);
  return { verb: queryBool(query, 'watch') ? 'watch' : 'list', name: legal ? selected : '' };
}

/** Where ListOptions do not decode, upstream looks at the first raw `watch` value alone, lower-cased, not folded. */
function rawWatchVerb(query: readonly QueryPair[]): string {
  const [value] = queryValues(query, 'watch');
  return value === undefined || value === '0' || value.toLowerCase() === 'false' ? 'list' : 'watch';
}

/** Why ListOptions (meta/v1) do not decode from a query, or null. Strings and booleans always do. */
function listOptionsProblem(query: readonly QueryPair[]): string | null {
  for (const name of ['limit', 'timeoutSeconds']) {
    const [value] = queryValues(query, name);
    if (value !== undefined && parseInt64(value) === null) {
      return `the query parameter ${name} is ${JSON.stringify(value.slice(0, 64))}, which is not a whole number`;
    }
  }
  const fields = parseFieldSelector(queryText(query, 'fieldSelector'));
  if (!fields.ok) return fields.error;
  return labelSelectorProblem(queryText(query, 'labelSelector'));
}

/**
 * Whether the path goes through `namespaces/<namespace>/` to a resource inside it. The namespace object itself
 * (`namespaces/x`, `namespaces/x/status`) has a Namespace in RequestInfo too, and is not inside one.
 */
export function isInNamespace(target: RequestTarget, info: RequestInfo): boolean {
  const version = info.apiPrefix === 'apis' ? 3 : 2;
  const word = target.segments[version];
  const special = word === 'watch' || word === 'proxy' ? 1 : 0;
  return info.isResourceRequest && target.segments.length - info.parts.length > version + special;
}

const unsupported = (message: string): Refusal =>
  refusal('HOLDGATE_PARSE_REQUEST_UNSUPPORTED', message);

/**
 * Why a request is refused although upstream has an answer for it: where its parts could be read in two ways, by us,
 * by a rule's author, or by another reader on the way.
 */
function ambiguity(method: string, target: RequestTarget, info: RequestInfo): Refusal | null {
  const repeated = repeatedParameter(target, info);
  if (repeated !== null) {
    return refusal(
      'HOLDGATE_PARSE_PARAMETER_REPEATED',
      `the query parameter ${JSON.stringify(repeated)} stands more than once`,
    );
  }
  if (!info.isResourceRequest) return null;
  if (info.verb === 'watch' && method !== 'GET' && method !== 'HEAD') {
    return unsupported(`a watch is opened with GET, not with ${method}`);
  }
  // The verb comes from the word alone, while the server's list handler decodes all options and fails.
  if (['list', 'watch', 'deletecollection'].includes(info.verb)) {
    const problem = listOptionsProblem(target.query);
    if (problem !== null) return unsupported(problem);
  }
  // No such route upstream, but attributes that look like a namespaced object of the core group.
  if (info.apiPrefix === 'api' && info.resource === 'namespaces' && isInNamespace(target, info)) {
    return unsupported('a namespace does not stand inside a namespace');
  }
  return null;
}

/**
 * The first parameter that is repeated where one value counts: upstream takes the first, others the last. Lists are
 * `command` of exec, `ports` of portforward and `exclude` of health checks; what a proxied service makes of its own
 * query is not ours to judge.
 */
function repeatedParameter(target: RequestTarget, info: RequestInfo): string | null {
  if (info.verb === 'proxy' || info.subresource === 'proxy') return null;
  const seen = new Set<string>();
  for (const { name } of target.query) {
    if (seen.has(name) && !mayRepeat(name, info)) return name;
    seen.add(name);
  }
  return null;
}

function mayRepeat(name: string, info: RequestInfo): boolean {
  if (!info.isResourceRequest) return name === 'exclude';
  if (name === 'command') return info.subresource === 'exec';
  return name === 'ports' && info.subresource === 'portforward';
}
