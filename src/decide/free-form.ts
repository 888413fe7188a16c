import { elementId } from './load-checks.ts';
import { isRuleModule, touches } from './check-shape.ts';
import type { At } from './problem.ts';
import type { Module, Rule } from './rego-ast.ts';
import { isTestFile, reachableRules, ruleReferences, type Reference } from './rego-program.ts';
import type { Program } from './rego-scope.ts';
import { ruleTerms } from './rego-walk.ts';

/** A place where a deny, hold or mask depends on something that the caller or an operator writes freely. */
export type FreeFormReference = {
  /** The package under `rules.`, the set, and the element's id. */
  readonly rule: string;
  readonly set: string;
  readonly id: string;
  readonly file: string;
  readonly at: At;
  /** `input.request.object.spec.hostPID`. */
  readonly reference: string;
  /** A test of the rule says what happens when the field is missing. */
  readonly tested: boolean;
};

/** Parts of the input whose keys nobody guarantees: OPA's type checker knows nothing below them. */
const FREE = [
  ['request', 'object'],
  ['request', 'patch'],
  ['live'],
  ['cluster', 'labels'],
  ['user', 'claims'],
];

const SETS = new Set(['deny', 'hold', 'mask']);

/** Test names that speak of a field that is not there. */
const MISSING = /missing|without|lacks|absent/;

const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, '');

/**
 * Every reference into free-form input that decides about a deny, hold or mask, through helpers too. Where such a
 * field is missing the condition is undefined and the element is not there: the rule's tests should say that this is
 * meant, in a test whose name has `missing` (or `without`, `lacks`, `absent`) and the field.
 */
export function freeFormReferences(
  program: Program,
  modules: readonly Module[],
): readonly FreeFormReference[] {
  return program.modules.filter(isRuleModule).flatMap((module) => {
    const tests = missingTests(modules, module.package[1] ?? '');
    return module.rules
      .filter((rule) => SETS.has(rule.name))
      .flatMap((rule) => elementReferences(program, module, rule, tests));
  });
}

const isFreeForm = (path: readonly string[]): boolean =>
  FREE.some((prefix) => path.length >= prefix.length && touches(path, prefix));

/** The fields that an element depends on: of `spec`, `spec.volumes` and `spec.volumes.*.hostPath` only the last. */
function elementReferences(
  program: Program,
  module: Module,
  rule: Rule,
  tests: readonly string[],
): readonly FreeFormReference[] {
  const byPath = new Map<string, Reference>();
  for (const used of reachableRules(program, module, rule)) {
    for (const one of ruleReferences(program, used.module, used.rule)) {
      if (one.root !== 'input' || !isFreeForm(one.path)) continue;
      const path = [...one.path];
      while (path.at(-1) === '*') path.pop();
      const key = path.join('.');
      if (!byPath.has(key)) byPath.set(key, { ...one, path });
    }
  }
  const paths = [...byPath.keys()];
  const places = new Set<string>();
  const found: FreeFormReference[] = [];
  for (const [key, one] of [...byPath].sort(([a], [b]) => a.length - b.length)) {
    if (paths.some((other) => other.startsWith(`${key}.`))) continue;
    // A helper may stand for several paths: the shortest is shown.
    const field = plain(one.path.at(-1) ?? '');
    const place = `${one.file}:${one.at.line}:${one.at.column} ${field}`;
    if (places.has(place)) continue;
    places.add(place);
    found.push({
      rule: module.package[1] ?? '',
      set: rule.name,
      id: elementId(rule)?.id ?? '',
      file: one.file,
      at: one.at,
      reference: `input.${key}`,
      tested: tests.some((test) => test.includes(field)),
    });
  }
  return found;
}

/** What the missing-field tests of a rule mention: their names and the strings in them. */
function missingTests(modules: readonly Module[], rule: string): readonly string[] {
  return modules
    .filter((module) => isTestFile(module.file) && module.package.join('.') === `tests.${rule}`)
    .flatMap((module) => module.rules)
    .filter((test) => test.name.startsWith('test_') && MISSING.test(test.name))
    .map((test) => {
      const strings = [...ruleTerms(test)].map((term) =>
        term.kind === 'string' ? plain(term.value) : '',
      );
      return `${plain(test.name)} ${strings.join(' ')}`;
    });
}
