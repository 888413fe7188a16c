import { err, ok, type Result } from '../base/result.ts';
import { openWorkbench } from './compile.ts';
import type { Because } from './decision.ts';
import type { Policy } from './start-policy.ts';
import { findOpa, type OpaPlaces } from './opa.ts';
import type { PolicyInput } from './policy-input.ts';
import type { PolicySources } from './policy-sources.ts';
import { problem, wholeFile, type PolicyProblem } from './problem.ts';
import type { Module, Term } from './rego-ast.ts';
import { isTestFile } from './rego-program.ts';
import { ruleTerms } from './rego-walk.ts';

/** Where an element is written. */
export type ElementPlace = {
  readonly rule: string;
  readonly id: string;
  readonly file: string;
  readonly line: number;
};

/**
 * File and line of elements in the sources that they came from. An element that is written in several rules of its
 * package has several places; one that the sources do not have has none.
 */
export async function locateElements(
  sources: PolicySources,
  elements: readonly Pick<Because, 'rule' | 'id'>[],
  places: OpaPlaces,
): Promise<Result<readonly ElementPlace[], readonly PolicyProblem[]>> {
  const opa = await findOpa(places);
  if (!opa.ok) return err([problem('', wholeFile, opa.error, '')]);
  const bench = await openWorkbench(opa.value, sources, new Map());
  try {
    const modules = await bench.parse();
    if (!modules.ok) return modules;
    const all = modules.value.flatMap(modulePlaces);
    const wanted = new Set(elements.map((one) => `${one.rule} ${one.id}`));
    return ok(all.filter((one) => wanted.has(`${one.rule} ${one.id}`)));
  } finally {
    await bench.close();
  }
}

function modulePlaces(module: Module): readonly ElementPlace[] {
  if (isTestFile(module.file)) return [];
  const [folder = '', name = ''] = module.package;
  const rule = folder === 'rules' ? name : folder === 'gate' ? 'gate' : null;
  if (rule === null) return [];
  return module.rules.flatMap((definition) =>
    [...ruleTerms(definition)].flatMap((term) => {
      const id = idOf(term);
      return id === null ? [] : [{ rule, id, file: module.file, line: term.at.line }];
    }),
  );
}

function idOf(term: Term): string | null {
  if (term.kind !== 'object') return null;
  const entry = term.entries.find(([key]) => key.kind === 'string' && key.value === 'id');
  return entry?.[1].kind === 'string' ? entry[1].value : null;
}

/** Verbs that store an object. */
const STORING = new Set(['create', 'update', 'patch']);

/**
 * What somebody who evaluates a request without sending it must give, because a rule reads it: without it the answer
 * would be another one than the gateway's.
 */
export async function neededInputs(
  policy: Policy,
  input: PolicyInput,
): Promise<{ readonly object: boolean; readonly live: boolean }> {
  return {
    object: policy.readsObject && STORING.has(input.request.verb),
    live: await policy.fetchesLive(input),
  };
}
