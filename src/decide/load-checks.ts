import { checkConstants } from './check-constants.ts';
import { checkElements, type DataUse } from './check-elements.ts';
import type { ElementPorts } from './element-strings.ts';
import { checkFiles, checkImports, checkPackage } from './check-layout.ts';
import {
  checkDataRoots,
  checkFetch,
  checkHoldVerbs,
  checkNoWith,
  checkRuleShapes,
  isRuleModule,
  touches,
} from './check-shape.ts';
import { checkDataReferences, readTopics, type SchemaNeed, type Topics } from './check-topics.ts';
import { problem, type PolicyProblem } from './problem.ts';
import type { Module, Rule, Term } from './rego-ast.ts';
import { isTestFile, linkProgram, ruleReferences, type Reference } from './rego-program.ts';
import type { Program } from './rego-scope.ts';

/** What the syntax trees say about a policy: refusals, and what the gateway must do before it asks it. */
export type LoadChecks = {
  readonly problems: readonly PolicyProblem[];
  readonly program: Program;
  readonly topics: Topics;
  readonly dataUses: readonly DataUse[];
  /** Approver groups that rules name literally. */
  readonly approverGroups: readonly string[];
  /** Some rule reads, or may read, `input.request.object`. */
  readonly readsObject: boolean;
  /** Some rule reads, or may read, `input.live`. */
  readonly readsLive: boolean;
  /** Some rule can ask for the live object. */
  readonly fetches: boolean;
};

/**
 * Every refusal that can be told from the sources alone. All of them are reported, not only the first.
 * @param files path inside the folder -> text
 */
export function loadChecks(
  files: ReadonlyMap<string, string>,
  modules: readonly Module[],
  ports: ElementPorts,
  schemas: SchemaNeed = 'mandatory',
): LoadChecks {
  const program = linkProgram(modules);
  const topics = readTopics(files, schemas);
  const elements = modules.map((module) => checkElements(program, module, ports));
  const dataUses = elements.flatMap((one) => one.dataUses);
  const outside = program.modules.filter((module) => module.package[0] !== 'gate');
  const references = outside.flatMap((module) =>
    module.rules.flatMap((rule) => ruleReferences(program, module, rule)),
  );
  const problems = [
    ...checkFiles([...files.keys()]),
    ...modules.flatMap((module) => [
      ...checkPackage(module),
      ...checkImports(module),
      ...checkRuleShapes(module),
      ...checkNoWith(module),
      ...checkDataRoots(program, module),
      ...checkFetch(program, module),
      ...checkHoldVerbs(program, module),
      ...checkConstants(program, module),
    ]),
    ...elements.flatMap((one) => one.problems),
    ...checkIds(modules),
    ...topics.problems,
    ...checkDataReferences(topics, references, dataUses),
  ];
  return {
    problems: unique(problems),
    program,
    topics,
    dataUses,
    approverGroups: [...new Set(elements.flatMap((one) => one.approverGroups))],
    readsObject: reads(references, ['request', 'object']),
    readsLive: reads(references, ['live']),
    fetches: modules.some(
      (module) => isRuleModule(module) && module.rules.some((rule) => rule.name === 'fetch'),
    ),
  };
}

const reads = (references: readonly Reference[], path: readonly string[]): boolean =>
  references.some((one) => one.root === 'input' && touches(one.path, path));

function unique(problems: readonly PolicyProblem[]): readonly PolicyProblem[] {
  const seen = new Set<string>();
  return problems.filter((one) => {
    const key = JSON.stringify(one);
    return seen.has(key) ? false : seen.add(key) !== undefined;
  });
}

/** The literal id of an element's head, or null. */
export function elementId(rule: Rule): { readonly id: string; readonly term: Term } | null {
  if (rule.key?.kind !== 'object') return null;
  const entry = rule.key.entries.find(([name]) => name.kind === 'string' && name.value === 'id');
  return entry?.[1].kind === 'string' ? { id: entry[1].value, term: entry[1] } : null;
}

/**
 * One id, one element: a grant covers (rule, id) pairs, so a second hold of the same id and another text would be
 * released by people who never saw it.
 */
function checkIds(modules: readonly Module[]): readonly PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const heads = new Map<string, string>();
  for (const module of modules) {
    if (isTestFile(module.file) || !isRuleModule(module)) continue;
    for (const rule of module.rules) {
      const found = elementId(rule);
      if (found === null || rule.key === null) continue;
      const key = `${module.package.join('.')} ${found.id}`;
      const text = `${rule.name} ${withoutPlaces(rule.key)}`;
      const known = heads.get(key);
      if (known !== undefined && known !== text) {
        problems.push(
          problem(
            module.file,
            found.term.at,
            `the id ${JSON.stringify(found.id)} stands for two different elements of this rule`,
            'give each its own id',
          ),
        );
      }
      heads.set(key, text);
    }
  }
  return problems;
}

const withoutPlaces = (term: Term): string =>
  JSON.stringify(term, (key, value: unknown) => (key === 'at' ? undefined : value));
