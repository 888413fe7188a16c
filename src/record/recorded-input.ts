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
  const { live: _live, request, ...rest } = input;
  const { object: _object, patch: _patch, exec, options, ...attributes } = request;
  return {
    ...rest,
    request: {
      ...attributes,
      options: recordedOptions(options),
      exec:
        exec === null
          ? null
          : {
              argc: exec.command.length,
              container: exec.container,
              stdin: exec.stdin,
              tty: exec.tty,
            },
    },
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
