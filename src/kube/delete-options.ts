import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import { isDryRunAll } from './attributes.ts';
import { isJsonArray, isJsonObject } from './json-guards.ts';
import { stringifyJson } from './json.ts';
import { parseInt64, valueIsTrue } from './query-values.ts';
import type { JsonObject, JsonValue, RequestAttributes, RequestBody } from './request.ts';

/** The options that a DELETE is executed with, and whether it is a dry run. */
export type EffectiveDelete = { readonly dryRun: boolean; readonly options: JsonObject };

const invalid = (what: string): Result<never, Refusal> =>
  err(refusal('HOLDGATE_PARSE_BODY_INVALID', what));

/**
 * The options of a DELETE as the server computes them: with a body, the query's are ignored entirely (apiserver
 * pkg/endpoints/handlers/delete.go), so that `?dryRun=All` with the body `{}` really deletes. A body that cannot be read
 * could hold anything, and is refused. A DELETE through a proxy has no options of ours to read: it gets empty ones.
 */
export function effectiveDelete(
  attributes: RequestAttributes,
  body: RequestBody,
): Result<EffectiveDelete, Refusal> {
  const { verb } = attributes;
  if (verb !== 'delete' && verb !== 'deletecollection') return ok({ dryRun: false, options: {} });
  if (body.kind === 'opaque') {
    return err(
      refusal(
        'HOLDGATE_PARSE_ENCODING_UNSUPPORTED',
        `the options of a delete cannot be read as ${body.contentType}; send JSON`,
      ),
    );
  }
  const options = body.kind === 'none' ? optionsOfQuery(attributes.options) : ok(body.value);
  if (!options.ok) return options;
  if (!isJsonObject(options.value)) return invalid('the options of a delete are no object');
  const problem = optionsProblem(options.value);
  if (problem !== null) return invalid(problem);
  const { dryRun } = options.value;
  return ok({ dryRun: isJsonArray(dryRun) && isDryRunAll(dryRun), options: options.value });
}

/**
 * The DeleteOptions body that keeps every effective option, those of the query included, and adds `preconditions.uid`:
 * the server then answers 409 where another object has taken the name. Null where the caller's own precondition names
 * another uid: neither may replace the other, and such a call can only fail.
 */
export function withPreconditions(
  effective: EffectiveDelete['options'],
  preconditions: { readonly uid: string },
): { readonly body: Buffer; readonly contentType: 'application/json' } | null {
  const callers = isJsonObject(effective['preconditions']) ? effective['preconditions'] : {};
  const callersUid = callers['uid'];
  if (typeof callersUid === 'string' && callersUid !== preconditions.uid) return null;
  const options: JsonObject = {
    ...effective,
    kind: 'DeleteOptions',
    // The server takes meta.k8s.io/v1 for every group (`AddToGroupVersion`); a caller's own group version is kept.
    apiVersion:
      typeof effective['apiVersion'] === 'string' && effective['apiVersion'] !== ''
        ? effective['apiVersion']
        : 'meta.k8s.io/v1',
    preconditions: { ...callers, uid: preconditions.uid },
  };
  return { body: Buffer.from(stringifyJson(options)), contentType: 'application/json' };
}

/** Query parameters as DeleteOptions fields: apimachinery `Convert_url_Values_To_v1_DeleteOptions`, uid included. */
function optionsOfQuery(query: RequestAttributes['options']): Result<JsonObject, Refusal> {
  const options: Record<string, JsonValue> = {};
  const grace = query['gracePeriodSeconds']?.[0];
  if (grace !== undefined) {
    const seconds = parseInt64(grace);
    if (seconds === null) return invalid('the parameter gracePeriodSeconds is no whole number');
    options['gracePeriodSeconds'] = Number.isSafeInteger(Number(seconds))
      ? Number(seconds)
      : seconds;
  }
  for (const name of ['orphanDependents', 'ignoreStoreReadErrorWithClusterBreakingPotential']) {
    const flag = query[name]?.[0];
    if (flag !== undefined) options[name] = valueIsTrue(flag);
  }
  const propagation = query['propagationPolicy']?.[0];
  if (propagation !== undefined) options['propagationPolicy'] = propagation;
  const dryRun = query['dryRun'];
  if (dryRun !== undefined) options['dryRun'] = dryRun;
  const preconditions: Record<string, JsonValue> = {};
  for (const name of ['uid', 'resourceVersion']) {
    const value = query[name]?.[0] ?? '';
    if (value !== '') preconditions[name] = value;
  }
  if (Object.keys(preconditions).length > 0) options['preconditions'] = preconditions;
  return ok(options);
}

/** The fields of metav1.DeleteOptions and Preconditions that policy and the guard read, with their types. */
const FIELD_TYPES: Readonly<Record<string, string>> = {
  kind: 'string',
  apiVersion: 'string',
  gracePeriodSeconds: 'integer',
  orphanDependents: 'boolean',
  propagationPolicy: 'string',
  ignoreStoreReadErrorWithClusterBreakingPotential: 'boolean',
};

/** Why options would not decode into metav1.DeleteOptions, or null. Unknown fields are ignored by the server. */
function optionsProblem(options: JsonObject): string | null {
  for (const [name, type] of Object.entries(FIELD_TYPES)) {
    if (!isOfType(options[name], type)) return `the delete option ${name} is no ${type}`;
  }
  const { kind, dryRun, preconditions } = options;
  if (typeof kind === 'string' && kind !== '' && kind !== 'DeleteOptions')
    return 'the body of a delete is of kind DeleteOptions';
  const isAbsent = dryRun === undefined || dryRun === null;
  if (!isAbsent && !(isJsonArray(dryRun) && (dryRun.length === 0 || isDryRunAll(dryRun))))
    return 'the delete option dryRun holds nothing but "All"';
  if (preconditions === undefined || preconditions === null) return null;
  if (!isJsonObject(preconditions)) return 'the delete option preconditions is no object';
  for (const name of ['uid', 'resourceVersion']) {
    if (!isOfType(preconditions[name], 'string'))
      return `the delete option preconditions.${name} is no string`;
  }
  return null;
}

function isOfType(value: JsonValue | undefined, type: string): boolean {
  if (value === undefined || value === null) return true;
  if (type === 'integer') return typeof value === 'bigint' || Number.isSafeInteger(value);
  return typeof value === type;
}
