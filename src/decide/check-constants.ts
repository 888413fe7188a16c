import { policyInputJsonSchema, schemaAt } from './input-schema.ts';
import { problem, type At, type PolicyProblem } from './problem.ts';
import type { Expr, Module, Rule, Term } from './rego-ast.ts';
import { constantStrings } from './check-shape.ts';
import { isTestFile } from './rego-program.ts';
import { resolve, ruleKey, ruleScope, type Program, type Scope } from './rego-scope.ts';
import { allExprs, branches, operatorName, ruleTerms } from './rego-walk.ts';

/**
 * Constants compared with a field that has a closed list of values must be on that list: `verb == "dleete"` is a rule
 * that never applies, and OPA's type checker does not look at `enum`.
 */
export function checkConstants(program: Program, module: Module): readonly PolicyProblem[] {
  if (isTestFile(module.file)) return [];
  return module.rules.flatMap((rule) => checkRule(program, module, rule));
}

type Closed = { readonly path: string; readonly values: readonly string[] };

function closedList(program: Program, module: Module, scope: Scope, term: Term): Closed | null {
  for (const binding of resolve(program, module, scope, term)) {
    if (binding.root !== 'input' || binding.path.includes('*')) continue;
    const values = schemaAt(policyInputJsonSchema(), binding.path)?.enum;
    if (values !== undefined) return { path: `input.${binding.path.join('.')}`, values };
  }
  return null;
}

function checkRule(program: Program, module: Module, rule: Rule): readonly PolicyProblem[] {
  const scope = ruleScope(program, module, rule);
  const problems: PolicyProblem[] = [];
  const compare = (field: Term, other: Term): void => {
    const closed = closedList(program, module, scope, field);
    if (closed === null) return;
    for (const constant of constantsOf(program, module, rule, other)) {
      if (closed.values.includes(constant.value)) continue;
      problems.push(notOnList(module.file, constant.at, closed, constant.value));
    }
  };
  for (const branch of branches(rule)) {
    for (const expr of allExprs(branch.body)) {
      const pair = comparison(expr);
      if (pair === null) continue;
      compare(pair[0], pair[1]);
      compare(pair[1], pair[0]);
    }
  }
  for (const term of ruleTerms(rule)) {
    if (term.kind === 'call') {
      const [operator, left, right] = term.parts;
      if (operator === undefined || left === undefined || right === undefined) continue;
      if (!COMPARISONS.has(operatorName(operator))) continue;
      compare(left, right);
      compare(right, left);
    }
    // A lookup is a comparison too: `_writes[input.request.verb]`.
    if (term.kind !== 'ref') continue;
    const [head, key] = term.parts;
    if (head !== undefined && key !== undefined && key.kind !== 'string') compare(key, head);
  }
  problems.push(...checkObjectGet(program, module, scope, rule));
  return problems;
}

function notOnList(file: string, at: At, closed: Closed, value: string): PolicyProblem {
  return problem(
    file,
    at,
    `${closed.path} is never ${JSON.stringify(value)}: this can never apply`,
    `it is one of ${closed.values.join(', ')}`,
  );
}

const COMPARISONS = new Set([
  'equal',
  'neq',
  'eq',
  'assign',
  'internal.member_2',
  'internal.member_3',
]);

function comparison(expr: Expr): readonly [Term, Term] | null {
  if (expr.kind !== 'call' || !COMPARISONS.has(operatorName(expr.operator))) return null;
  const left = expr.args.at(-2);
  const right = expr.args.at(-1);
  return left === undefined || right === undefined ? null : [left, right];
}

/** Constants of a term, also through a variable that a body of the rule binds to them. */
function constantsOf(
  program: Program,
  module: Module,
  rule: Rule,
  term: Term,
): readonly { readonly value: string; readonly at: At }[] {
  const direct = constantStrings(program, module, term);
  if (direct.length > 0 || term.kind !== 'var') return direct;
  if (program.rulesByName.has(ruleKey(module, term.name))) return [];
  return branches(rule)
    .flatMap((branch) => [...allExprs(branch.body)])
    .flatMap((expr) => {
      const pair = comparison(expr);
      if (pair === null || pair[0].kind !== 'var' || pair[0].name !== term.name) return [];
      return constantStrings(program, module, pair[1]);
    });
}

/** `object.get(input.request, "vreb", "")` goes past the type checker: its constant keys are checked here. */
function checkObjectGet(
  program: Program,
  module: Module,
  scope: Scope,
  rule: Rule,
): readonly PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const look = (operator: Term, args: readonly Term[]): void => {
    const [object, key] = args;
    if (operatorName(operator) !== 'object.get' || object === undefined || key === undefined)
      return;
    const steps = key.kind === 'array' ? key.items : [key];
    const path = steps.map((step) => (step.kind === 'string' ? step.value : '*'));
    for (const binding of resolve(program, module, scope, object)) {
      const whole = [...binding.path, ...path];
      if (binding.root !== 'input' || schemaAt(policyInputJsonSchema(), whole) !== null) continue;
      problems.push(
        problem(
          module.file,
          key.at,
          `input.${whole.join('.')} does not exist`,
          'compare it with the input in docs/policies.md',
        ),
      );
    }
  };
  for (const term of ruleTerms(rule)) {
    const [operator, ...args] = term.kind === 'call' ? term.parts : [];
    if (operator !== undefined) look(operator, args);
  }
  for (const branch of branches(rule)) {
    for (const expr of allExprs(branch.body)) {
      if (expr.kind === 'call') look(expr.operator, expr.args);
    }
  }
  return problems;
}
