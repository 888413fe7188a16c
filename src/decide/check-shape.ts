import { problem, type PolicyProblem } from './problem.ts';
import type { Module, Rule } from './rego-ast.ts';
import { resolve, ruleKey, ruleScope, type Program } from './rego-scope.ts';
import { allExprs, branches, operatorName, ruleTerms } from './rego-walk.ts';
import { isTestFile, reachableRules, ruleReferences } from './rego-program.ts';

/** The five sets, and `fetch`: the only public names of a rule package. */
export const elementSets = ['deny', 'hold', 'allow', 'mask', 'record'] as const;
export type ElementSet = (typeof elementSets)[number];

export const isElementSet = (name: string): name is ElementSet =>
  elementSets.some((one) => one === name);

const PUBLIC = new Set<string>([...elementSets, 'fetch']);

/** One of the five sets, or `fetch`. */
export const isPublicSet = (name: string): boolean => PUBLIC.has(name);

export const isRuleModule = (module: Module): boolean =>
  module.package[0] === 'rules' && !isTestFile(module.file);

/** `deny contains …` and nothing else: one plain name, a key, no value. */
export const isContains = (rule: Rule): boolean =>
  rule.ref.length === 1 &&
  rule.key !== null &&
  rule.value === null &&
  rule.args === null &&
  !rule.isDefault &&
  rule.otherwise === null;

/**
 * Refuses every way to write one of the sets that is not `<set> contains <element> if …`: the fold would not gather
 * it, and a deny that is not gathered has vanished.
 */
export function checkRuleShapes(module: Module): readonly PolicyProblem[] {
  if (!isRuleModule(module)) return [];
  const problems: PolicyProblem[] = [];
  const say = (rule: Rule, what: string, fix: string): void => {
    problems.push(problem(module.file, rule.at, what, fix));
  };
  for (const rule of module.rules) {
    const { name } = rule;
    if (name.startsWith('_')) continue;
    if (!isPublicSet(name)) {
      say(
        rule,
        `${name} is none of deny, hold, allow, mask, record and fetch: nothing would read it`,
        `rename it to _${name} if it is a helper`,
      );
    } else if (rule.isDefault) {
      say(rule, `${name} has a default: it would be a value and no set`, 'remove the default');
    } else if (rule.args !== null) {
      say(
        rule,
        `${name} is a function: nothing would call it`,
        `write \`${name} contains {…} if\``,
      );
    } else if (rule.otherwise !== null) {
      say(rule, `${name} has an else branch`, `write a second \`${name} contains {…} if\``);
    } else if (!isContains(rule)) {
      say(
        rule,
        `${name} is not a set here: what it says would vanish`,
        `write \`${name} contains {"id": …, "reason": …} if\``,
      );
    }
  }
  return problems;
}

/** Functions of the tests' own: in a rule they would let it decide about another input than the request. */
export function checkNoWith(module: Module): readonly PolicyProblem[] {
  if (isTestFile(module.file)) return [];
  const problems: PolicyProblem[] = [];
  for (const rule of module.rules) {
    for (const branch of branches(rule)) {
      for (const expr of allExprs(branch.body)) {
        if (expr.withs.length === 0) continue;
        problems.push(
          problem(
            module.file,
            expr.at,
            '`with` outside a test: the rule would decide about something else than the request',
            'use it in *_test.rego only',
          ),
        );
      }
    }
  }
  return problems;
}

const ENTRYPOINT_PACKAGES = new Set(['rules', 'gate', 'tests']);

/** Refuses rules and helpers that read other rules, or data by a name that is not written down. */
export function checkDataRoots(program: Program, module: Module): readonly PolicyProblem[] {
  if (isTestFile(module.file) || module.package[0] === 'gate') return [];
  const problems: PolicyProblem[] = [];
  for (const rule of module.rules) {
    for (const one of ruleReferences(program, module, rule)) {
      if (one.root !== 'data') continue;
      const top = one.path[0];
      if (top === undefined || top === '*') {
        problems.push(
          problem(module.file, one.at, 'data is read without naming a topic', 'write data.<topic>'),
        );
      } else if (ENTRYPOINT_PACKAGES.has(top)) {
        problems.push(
          problem(
            module.file,
            one.at,
            `data.${one.path.join('.')} is read here: rules do not read other rules`,
            'move what is shared into lib/<name>/',
          ),
        );
      }
    }
    problems.push(...readsOtherRules(program, module, rule));
  }
  return problems;
}

function readsOtherRules(program: Program, module: Module, rule: Rule): readonly PolicyProblem[] {
  const own = module.package.join('.');
  for (const term of ruleTerms(rule)) {
    if (term.kind !== 'ref' || term.parts[0]?.kind !== 'var' || term.parts[0].name !== 'data') {
      continue;
    }
    const [, second, third] = term.parts;
    if (second?.kind !== 'string' || !ENTRYPOINT_PACKAGES.has(second.value)) continue;
    const name = third?.kind === 'string' ? `${second.value}.${third.value}` : second.value;
    if (name === own || resolve(program, module, new Map(), term).length > 0) continue;
    return [
      problem(
        module.file,
        term.at,
        `data.${name} is read here: rules do not read other rules`,
        'move what is shared into lib/<name>/',
      ),
    ];
  }
  return [];
}

/** What a fetch rule may not read: it is asked before the object is there. */
const UNKNOWN_AT_FETCH = [['request', 'object'], ['request', 'patch'], ['live'], ['grants']];

/** True where a reference reads `prefix`, something below it, or the whole that holds it. */
export function touches(path: readonly string[], prefix: readonly string[]): boolean {
  const length = Math.min(path.length, prefix.length);
  return prefix
    .slice(0, length)
    .every((step, index) => path[index] === step || path[index] === '*');
}

/** Refuses `fetch` rules that depend on what is only known after the fetch. */
export function checkFetch(program: Program, module: Module): readonly PolicyProblem[] {
  if (!isRuleModule(module)) return [];
  const problems: PolicyProblem[] = [];
  for (const rule of module.rules.filter((one) => one.name === 'fetch')) {
    for (const used of reachableRules(program, module, rule)) {
      for (const one of ruleReferences(program, used.module, used.rule)) {
        if (one.root !== 'input') continue;
        const wrong = UNKNOWN_AT_FETCH.find((prefix) => touches(one.path, prefix));
        if (wrong === undefined) continue;
        problems.push(
          problem(
            one.file,
            one.at,
            `fetch depends on input.${wrong.join('.')}, which is not there yet when it is asked`,
            'write it over the other attributes of the request',
          ),
        );
      }
    }
  }
  return problems;
}

/** `hold` rules whose condition names deletecollection: nothing could be bound to the approval. */
export function checkHoldVerbs(program: Program, module: Module): readonly PolicyProblem[] {
  if (!isRuleModule(module)) return [];
  const problems: PolicyProblem[] = [];
  for (const rule of module.rules.filter((one) => one.name === 'hold')) {
    const scope = ruleScope(program, module, rule);
    for (const expr of allExprs(rule.body)) {
      if (expr.kind !== 'call' || expr.negated || operatorName(expr.operator) === 'neq') continue;
      const reads = expr.args.some((term) =>
        resolve(program, module, scope, term).some(
          (one) => one.root === 'input' && one.path.join('.') === 'request.verb',
        ),
      );
      const constants = expr.args.flatMap((term) => constantStrings(program, module, term));
      const named = constants.find((one) => one.value === 'deletecollection');
      if (!reads || named === undefined) continue;
      problems.push(
        problem(
          module.file,
          expr.at,
          'a hold on deletecollection: what it would delete cannot be bound to an approval',
          'deny it, and let the caller delete by name',
        ),
      );
    }
  }
  return problems;
}

/** The constant strings that a term is made of: a string, a list or set of them, or a helper with such a value. */
export function constantStrings(
  program: Program,
  module: Module,
  term: Rule['ref'][number],
): readonly { readonly value: string; readonly at: Rule['at'] }[] {
  if (term.kind === 'string') return [{ value: term.value, at: term.at }];
  if (term.kind === 'array' || term.kind === 'set') {
    return term.items.flatMap((item) => constantStrings(program, module, item));
  }
  if (term.kind === 'object') {
    return term.entries.flatMap(([key]) => constantStrings(program, module, key));
  }
  if (term.kind !== 'var') return [];
  const definitions = program.rulesByName.get(ruleKey(module, term.name)) ?? [];
  return definitions.flatMap(({ rule }) =>
    rule.value === null || rule.args !== null || rule.value.kind === 'var'
      ? []
      : constantStrings(program, module, rule.value),
  );
}
