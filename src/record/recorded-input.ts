import type { PolicyInput } from '../decide/index.ts';
import type { RecordedInput } from './entry.ts';
import { isKnownParameter, redactedValue } from './known-parameters.ts';

/** Bounds of what a leaf keeps of the query parameters; what is beyond them is left out, and said so. */
const optionsCountMax = 64;
const optionCharsMax = 16 * 1024;

/**
 * Policy input as a leaf keeps it: everything but the object, the patch, the live object and the argv, which may hold
 * secrets, and the values of query parameters that are not Kubernetes' own. A policy can be replayed over it as far as
 * it does not read those.
 */
export function recordedInput(input: PolicyInput): RecordedInput {
  // Field by field: what is not named here is not recorded, and the type says when one is missing.
  return {
    now: input.now,
    cluster: input.cluster,
    user: input.user,
    request: recordedRequest(input.request),
    grants: input.grants,
    usage: input.usage,
    source_ip: input.source_ip,
    claimed: input.claimed,
  };
}

function recordedRequest(request: PolicyInput['request']): RecordedInput['request'] {
  const { exec } = request;
  return {
    scope: request.scope,
    verb: request.verb,
    group: request.group,
    version: request.version,
    resource: request.resource,
    kind: request.kind,
    namespace: request.namespace,
    name: request.name,
    generate_name: request.generate_name,
    path: request.path,
    dry_run: request.dry_run,
    label_selector: request.label_selector,
    field_selector: request.field_selector,
    options: recordedOptions(request.options),
    content_type: request.content_type,
    body: request.body,
    exec:
      exec === null
        ? null
        : {
            argc: exec.command.length,
            container: exec.container,
            stdin: exec.stdin,
            tty: exec.tty,
          },
    log: request.log,
    portforward: request.portforward,
    wire: request.wire,
  };
}

function recordedOptions(
  options: PolicyInput['request']['options'],
): PolicyInput['request']['options'] {
  const kept: Record<string, string[]> = {};
  let count = 0;
  let chars = 0;
  let left = 0;
  for (const [name, values] of Object.entries(options)) {
    if (name === 'command') continue;
    const recorded = isKnownParameter(name) ? values : [redactedValue];
    const size = name.length + recorded.reduce((sum, value) => sum + value.length + 1, 0);
    if (count >= optionsCountMax || chars + size > optionCharsMax) {
      left += 1;
      continue;
    }
    chars += size;
    count += 1;
    if (name === '__proto__') defineMember(kept, name, [...recorded]);
    else kept[name] = [...recorded];
  }
  if (left > 0) kept['…'] = [`${left} parameters left out`];
  return kept;
}

/** Setting it would set the prototype instead, and the parameter would be missing in the record. */
function defineMember(kept: Record<string, string[]>, name: string, value: string[]): void {
  Object.defineProperty(kept, name, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });
}
