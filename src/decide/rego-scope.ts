import { oncePer } from '../base/once-per.ts';
import type { Expr, Module, Rule, Term } from './rego-ast.ts';
import { branches, operatorName, ruleBodies } from './rego-walk.ts';

/**
 * What names mean inside a rule: which variables, parameters and helper rules stand for a part of `input` or `data`.
 * Approximate on purpose: where it cannot tell it says nothing, and the checks that need certainty refuse then.
 */
export type Binding = {
  readonly root: 'input' | 'data';
  /** `*` stands for a step that is not a constant. */
  readonly path: readonly string[];
};

export type Scope = ReadonlyMap<string, readonly Binding[]>;

/** All modules of a policy, and what is known of helper rules and functions in them. */
export type Program = {
  readonly modules: readonly Module[];
  /** Rules by `package.name`: `rules.x._helper`. */
  readonly rulesByName: ReadonlyMap<string, readonly { module: Module; rule: Rule }[]>;
  /** What helper rules and functions give back, where that is a part of input or data. */
  readonly returns: ReadonlyMap<string, readonly Binding[]>;
  /** `package.name#index` -> what callers pass as that argument. */
  readonly parameters: ReadonlyMap<string, readonly Binding[]>;
};

const bindingLimit = 64;

/** The full name of a rule: `rules.x.deny`. */
export const ruleKey = (module: Module, name: string): string =>
  [...module.package, name].join('.');

/** The helper or function that a term names, and how many of its parts are the name; null where it names none. */
function namedRule(
  program: Program,
  module: Module,
  term: Term,
): { readonly key: string; readonly used: number } | null {
  const parts = term.kind === 'ref' ? term.parts : [term];
  const [head, ...rest] = parts;
  if (head?.kind !== 'var') return null;
  const local = ruleKey(module, head.name);
  if (program.rulesByName.has(local)) return { key: local, used: 1 };
  const names = rest.map(stepName);
  const imported = module.imports.find((one) => one.alias === head.name)?.path;
  const full = imported === undefined ? [head.name, ...names] : [...imported, ...names];
  if (full[0] !== 'data') return null;
  for (let length = full.length; length > 1; length -= 1) {
    const key = full.slice(1, length).join('.');
    const used = parts.length - (full.length - length);
    if (program.rulesByName.has(key) && used > 0) return { key, used };
  }
  return null;
}

/** The full name of the helper or function that an operator or reference names, or null. */
export const calledRule = (program: Program, module: Module, term: Term): string | null =>
  namedRule(program, module, term)?.key ?? null;

function stepName(term: Term): string {
  return term.kind === 'string' ? term.value : '*';
}

const below = (bindings: readonly Binding[], steps: readonly Term[]): readonly Binding[] =>
  bindings.map(({ root, path }) => ({ root, path: [...path, ...steps.map(stepName)] }));

/** Deeper paths are a helper that calls itself. */
const pathStepsMax = 40;

/** What a term stands for, if it is a part of input or data. */
export function resolve(
  program: Program,
  module: Module,
  scope: Scope,
  term: Term,
): readonly Binding[] {
  const found = resolveAny(program, module, scope, term);
  return found.filter(({ path }) => path.length <= pathStepsMax);
}

function resolveAny(
  program: Program,
  module: Module,
  scope: Scope,
  term: Term,
): readonly Binding[] {
  if (term.kind === 'call' && term.parts[0] !== undefined) {
    const key = calledRule(program, module, term.parts[0]);
    return key === null ? [] : (program.returns.get(key) ?? []);
  }
  if (term.kind === 'comprehension') {
    // A list of items: it stands for the list that they come from.
    const head = term.heads.at(-1);
    const items = head === undefined ? [] : resolve(program, module, scope, head);
    return items.map(({ root, path }) => ({
      root,
      path: path.at(-1) === '*' ? path.slice(0, -1) : path,
    }));
  }
  if (term.kind !== 'var' && term.kind !== 'ref') return [];
  const parts = term.kind === 'ref' ? term.parts : [term];
  const [head, ...rest] = parts;
  if (head === undefined) return [];
  if (head.kind === 'call') return below(resolve(program, module, scope, head), rest);
  if (head.kind !== 'var') return [];
  const bound = scope.get(head.name);
  if (bound !== undefined) return below(bound, rest);
  if (head.name === 'input') return below([{ root: 'input', path: [] }], rest);
  const named = namedRule(program, module, term);
  if (named !== null) return below(program.returns.get(named.key) ?? [], parts.slice(named.used));
  if (head.name === 'data') return below([{ root: 'data', path: [] }], rest);
  const imported = module.imports.find((one) => one.alias === head.name)?.path;
  const [root, ...path] = imported ?? [];
  return root === 'input' || root === 'data' ? below([{ root, path }], rest) : [];
}

function add(scope: Map<string, readonly Binding[]>, name: string, more: readonly Binding[]): void {
  if (more.length === 0) return;
  const known = scope.get(name) ?? [];
  const texts = new Set(known.map((one) => JSON.stringify(one)));
  const fresh = more.filter((one) => !texts.has(JSON.stringify(one)));
  scope.set(name, [...known, ...fresh].slice(0, bindingLimit));
}

const inside = (bindings: readonly Binding[]): readonly Binding[] =>
  bindings.map((one) => ({ root: one.root, path: [...one.path, '*'] }));

/** The variables that one expression binds. */
function bindExpr(
  program: Program,
  module: Module,
  scope: Map<string, readonly Binding[]>,
  expr: Expr,
): void {
  const look = (term: Term): readonly Binding[] => resolve(program, module, scope, term);
  if (expr.kind === 'every' && expr.value.kind === 'var') {
    add(scope, expr.value.name, inside(look(expr.domain)));
  }
  if (expr.kind !== 'call') return;
  const operator = operatorName(expr.operator);
  const [left, right] = expr.args;
  if ((operator === 'assign' || operator === 'eq') && left !== undefined && right !== undefined) {
    if (left.kind === 'var') add(scope, left.name, look(right));
    else if (right.kind === 'var' && operator === 'eq') add(scope, right.name, look(left));
  }
  const source = expr.args.at(-1);
  const item = expr.args.at(-2);
  if (operator.startsWith('internal.member_') && item?.kind === 'var' && source !== undefined) {
    add(scope, item.name, inside(look(source)));
  }
}

/** The scopes of a program, by rule: each check of a policy asks for them again. */
const scopesOf = oncePer((_program: Program) => new WeakMap<Rule, Scope>());

/** The scope of a rule: its parameters, and every variable bound in any of its bodies. */
export function ruleScope(program: Program, module: Module, rule: Rule): Scope {
  const scopes = scopesOf(program);
  const scope = scopes.get(rule) ?? findScope(program, module, rule);
  scopes.set(rule, scope);
  return scope;
}

function findScope(program: Program, module: Module, rule: Rule): Scope {
  const scope = new Map<string, readonly Binding[]>();
  for (const branch of branches(rule)) {
    (branch.args ?? rule.args ?? []).forEach((argument, index) => {
      if (argument.kind !== 'var') return;
      add(
        scope,
        argument.name,
        program.parameters.get(`${ruleKey(module, rule.name)}#${index}`) ?? [],
      );
    });
  }
  // Twice, so that a chain of assignments is followed whatever its order.
  for (let round = 0; round < 2; round += 1) {
    for (const body of ruleBodies(rule)) {
      for (const expr of body) bindExpr(program, module, scope, expr);
    }
  }
  return scope;
}
