import type { Expr, Module, Rule, Term } from './rego-ast.ts';
import {
  calledRule,
  resolve,
  ruleKey,
  ruleScope,
  type Binding,
  type Program,
} from './rego-scope.ts';
import { branches, operatorName, ruleBodies, ruleTerms } from './rego-walk.ts';
import type { At } from './problem.ts';

/** True for a file of tests: `*_test.rego`. */
export const isTestFile = (file: string): boolean => file.endsWith('_test.rego');

/** A reference to a part of input or data, and where it stands. */
export type Reference = Binding & { readonly at: At; readonly file: string };

/** A call of a helper or function inside a rule. */
type Call = { readonly key: string; readonly args: readonly Term[] };

function callsOf(program: Program, module: Module, rule: Rule): readonly Call[] {
  const calls: Call[] = [];
  const consider = (operator: Term, args: readonly Term[]): void => {
    const key = calledRule(program, module, operator);
    if (key !== null) calls.push({ key, args });
  };
  for (const body of ruleBodies(rule)) {
    for (const expr of body) if (expr.kind === 'call') consider(expr.operator, expr.args);
  }
  for (const term of ruleTerms(rule)) {
    const [operator, ...args] = term.kind === 'call' ? term.parts : [];
    if (operator !== undefined) consider(operator, args);
  }
  return calls;
}

/** How often what functions get passed is propagated: deeper chains of helpers are read as "cannot tell". */
const propagationRounds = 4;

/** Links the modules of a policy (tests left out): who calls whom, and what is passed. */
export function linkProgram(all: readonly Module[]): Program {
  const modules = all.filter((module) => !isTestFile(module.file));
  const rulesByName = new Map<string, { module: Module; rule: Rule }[]>();
  for (const module of modules) {
    for (const rule of module.rules) {
      const key = ruleKey(module, rule.name);
      rulesByName.set(key, [...(rulesByName.get(key) ?? []), { module, rule }]);
    }
  }
  let program: Program = { modules, rulesByName, returns: new Map(), parameters: new Map() };
  for (let round = 0; round < propagationRounds; round += 1) {
    program = { ...program, parameters: findParameters(program) };
    program = { ...program, returns: findReturns(program) };
  }
  return program;
}

function findReturns(program: Program): ReadonlyMap<string, readonly Binding[]> {
  const returns = new Map<string, readonly Binding[]>();
  for (const [key, definitions] of program.rulesByName) {
    const all = definitions.flatMap(({ module, rule }) => {
      const scope = ruleScope(program, module, rule);
      return branches(rule).flatMap((branch) => {
        const value = branch.value ?? branch.key;
        return value === null ? [] : resolve(program, module, scope, value);
      });
    });
    const texts = new Map(all.map((one) => [JSON.stringify(one), one]));
    if (texts.size > 0) returns.set(key, [...texts.values()].slice(0, 64));
  }
  return returns;
}

function findParameters(program: Program): ReadonlyMap<string, readonly Binding[]> {
  const parameters = new Map<string, readonly Binding[]>();
  for (const module of program.modules) {
    for (const rule of module.rules) {
      const scope = ruleScope(program, module, rule);
      for (const call of callsOf(program, module, rule)) {
        call.args.forEach((argument, index) => {
          const key = `${call.key}#${index}`;
          const passed = resolve(program, module, scope, argument);
          const known = parameters.get(key) ?? [];
          const texts = new Set(known.map((one) => JSON.stringify(one)));
          const fresh = passed.filter((one) => !texts.has(JSON.stringify(one)));
          if (fresh.length > 0) parameters.set(key, [...known, ...fresh].slice(0, 64));
        });
      }
    }
  }
  return parameters;
}

/** Terms that only hand a part of input on to a name that is followed itself: not a use of the whole part. */
function handedOn(program: Program, module: Module, rule: Rule): ReadonlySet<Term> {
  const terms = new Set<Term>();
  for (const call of callsOf(program, module, rule)) for (const arg of call.args) terms.add(arg);
  for (const body of ruleBodies(rule)) {
    for (const expr of body) {
      for (const term of assignment(expr)) terms.add(term);
    }
  }
  for (const branch of branches(rule)) {
    for (const argument of branch.args ?? []) terms.add(argument);
    if (branch.value !== null) terms.add(branch.value);
  }
  return terms;
}

/** The variable and the value of `name := value`; nothing of other expressions. */
function assignment(expr: Expr): readonly Term[] {
  if (expr.kind !== 'call' || operatorName(expr.operator) !== 'assign') return [];
  return expr.args[0]?.kind === 'var' ? expr.args : [];
}

/** Every reference of one rule to input or data, through its own variables, parameters and aliases. */
export function ruleReferences(program: Program, module: Module, rule: Rule): readonly Reference[] {
  const scope = ruleScope(program, module, rule);
  const skipped = handedOn(program, module, rule);
  const references: Reference[] = [];
  const visit = (term: Term): void => {
    if (term.kind !== 'var' && term.kind !== 'ref') return;
    if (skipped.has(term)) return;
    for (const binding of resolve(program, module, scope, term)) {
      references.push({ ...binding, at: term.at, file: module.file });
    }
  };
  // A reference's own parts are visited too: `xs[input.request.verb]` holds a second one.
  const heads = new Set<Term>();
  for (const term of ruleTerms(rule)) {
    if (term.kind === 'ref' && term.parts[0] !== undefined) heads.add(term.parts[0]);
    if (!heads.has(term)) visit(term);
  }
  return references;
}

/** The names of the helpers and functions that a rule uses, directly or through others, itself included. */
export function reachableRules(
  program: Program,
  module: Module,
  rule: Rule,
): readonly { readonly module: Module; readonly rule: Rule }[] {
  const seen = new Set<string>();
  const found: { module: Module; rule: Rule }[] = [];
  const queue: { module: Module; rule: Rule }[] = [{ module, rule }];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    found.push(next);
    for (const term of ruleTerms(next.rule)) {
      if (term.kind !== 'ref' && term.kind !== 'var') continue;
      const key = calledRule(program, next.module, term);
      if (key === null || seen.has(key)) continue;
      seen.add(key);
      queue.push(...(program.rulesByName.get(key) ?? []));
    }
  }
  return found;
}
