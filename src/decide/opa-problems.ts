import { z } from 'zod';
import { problem, wholeFile, type PolicyProblem } from './problem.ts';

/** What `--format json` of `opa parse` and `opa check` says, of which only these parts are read. */
const report = z.object({
  errors: z.array(
    z.object({
      message: z.string(),
      code: z.string().default(''),
      location: z
        .object({ file: z.string(), row: z.number(), col: z.number().default(0) })
        .nullish(),
      details: z
        .object({ oneOf: z.array(z.unknown()) })
        .partial()
        .nullish()
        .catch(null),
    }),
  ),
});

function fromJson(text: string): readonly PolicyProblem[] {
  const start = text.indexOf('{');
  if (start < 0) return [];
  let json: unknown;
  try {
    json = JSON.parse(text.slice(start, text.lastIndexOf('}') + 1));
  } catch {
    return [];
  }
  const parsed = report.safeParse(json);
  if (!parsed.success) return [];
  return parsed.data.errors.map(({ message, code, location, details }) => {
    const at = location ? { line: location.row, column: location.col } : wholeFile;
    const names = details?.oneOf?.map(String).join(', ');
    const fix = names === undefined ? 'mend the rule' : `it is one of ${names}`;
    return problem(location?.file ?? '', at, code === '' ? message : `${code}: ${message}`, fix);
  });
}

/** Errors as text: `1 error occurred: rules/x.rego:4: rego_type_error: undefined ref: …`. */
function fromText(text: string): readonly PolicyProblem[] {
  return text.split('\n').flatMap((line) => {
    const found = /(?:^|\s)([^\s:]+\.(?:rego|json|ya?ml)):(\d+)(?::(\d+))?: (.+)$/.exec(line);
    if (found === null) return [];
    const [, file = '', row = '0', column = '0', message = ''] = found;
    const at = { line: Number(row), column: Number(column) };
    return [problem(file, at, message, 'mend the rule')];
  });
}

/** What opa said when it refused; never empty. `command` is named where no file can be. */
export function opaProblems(
  command: string,
  output: { readonly stdout: string; readonly stderr: string },
): readonly PolicyProblem[] {
  const { stdout, stderr } = output;
  for (const read of [fromJson, fromText]) {
    const found = [...read(stderr), ...read(stdout)];
    if (found.length > 0) return found;
  }
  const text = `${stderr}\n${stdout}`.trim().slice(0, 2000);
  return [problem('', wholeFile, `opa ${command}: ${text || 'it failed and said nothing'}`, '')];
}
