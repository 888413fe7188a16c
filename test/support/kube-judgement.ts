import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { newRecord } from '../../src/kube/json-guards.ts';
import { stringifyJson } from '../../src/kube/json.ts';
import { upstreamRequestInfo } from '../../src/kube/request-info.ts';
import { labelSelectorProblem, parseFieldSelector } from '../../src/kube/selectors.ts';
import { parseTarget } from '../../src/kube/target.ts';
import { parseYamlBody } from '../../src/kube/yaml.ts';

/** One answer of test/cluster/kube-judge: the input, and what the API server's own code makes of it. */
const judgementSchema = z.object({
  kind: z.enum(['request', 'field', 'label', 'yaml']),
  method: z.string().default('GET'),
  text: z.string(),
  error: z.string().optional(),
  path: z.string().default(''),
  // Not a record: zod drops a key that is called __proto__.
  query: z.unknown().optional(),
  info: z.record(z.string(), z.unknown()).default({}),
  terms: z.array(z.unknown()).default([]),
  json: z.string().default(''),
});
export type Judgement = z.infer<typeof judgementSchema>;

/** Reads the judge's answers, one JSON object a line. */
export function readJudgements(lines: string): readonly Judgement[] {
  return lines
    .trim()
    .split('\n')
    .map((line) => judgementSchema.parse(JSON.parse(line)));
}

/** Whether ours took the input, and where it then differs from the judge: null where both mean the same. */
export type Comparison = { readonly taken: boolean; readonly difference: string | null };

const REFUSED: Comparison = { taken: false, difference: null };

/** Holds ours against the judge's answer. */
export function compareWithJudge(judged: Judgement): Comparison {
  const compare = {
    request: compareRequest,
    yaml: compareYaml,
    label: compareLabel,
    field: compareField,
  };
  return compare[judged.kind](judged);
}

function compared(judged: Judgement, ours: unknown, judges: unknown): Comparison {
  if (isDeepStrictEqual(ours, judges)) return { taken: true, difference: null };
  const shown = JSON.stringify([judged.text, { ours, judges, error: judged.error }]);
  return { taken: true, difference: shown };
}

/** Selectors must be valid to both or to none. */
function compareLabel(judged: Judgement): Comparison {
  const taken = labelSelectorProblem(judged.text) === null;
  return { ...compared(judged, taken, judged.error === undefined), taken };
}

function compareField(judged: Judgement): Comparison {
  const terms = parseFieldSelector(judged.text);
  if (!terms.ok) return { ...compared(judged, false, judged.error === undefined), taken: false };
  // Go's Transform drops a term whose field and value are both empty: it requires nothing.
  const meant = terms.value.filter(({ field, value }) => field !== '' || value !== '');
  return compared(judged, meant, judged.error === undefined ? judged.terms : 'an error');
}

/** A target that we take must be to Go, byte for byte, what it is to us. What we refuse may be anything to Go. */
function compareRequest(judged: Judgement): Comparison {
  const parsed = parseTarget(judged.text);
  if (!parsed.ok) return REFUSED;
  const target = parsed.value;
  const query = newRecord<string[]>();
  for (const { name, value } of target.query) (query[name] ??= []).push(value);
  const info = upstreamRequestInfo(judged.method, target);
  if (info === null) {
    const failed = judged.error?.includes('unable to determine kind and namespace');
    return compared(judged, true, failed === true);
  }
  // A trailing slash that means nothing upstream is dropped from the path.
  const trimmed = (path: string): string => (path.length > 1 ? path.replace(/\/$/, '') : path);
  return compared(
    judged,
    {
      query: JSON.parse(JSON.stringify(query)) as unknown,
      info: { ...info, path: trimmed(info.path) },
    },
    {
      query: judged.query ?? {},
      info: { ...judged.info, path: trimmed(judged.path) },
    },
  );
}

/** YAML that we take must be the same JSON to sigs.k8s.io/yaml. */
function compareYaml(judged: Judgement): Comparison {
  const parsed = parseYamlBody(Buffer.from(judged.text));
  if (!parsed.ok) return REFUSED;
  const ours = parsePlain(stringifyJson(parsed.value.value));
  return compared(judged, ours, judged.error === undefined ? parsePlain(judged.json) : 'an error');
}

/** JSON with -0 as 0: YAML's `-0` is one of them to each reader, and they are the same number. */
const parsePlain = (text: string): unknown =>
  JSON.parse(text, (_key, value: unknown) => (value === 0 ? 0 : value));
