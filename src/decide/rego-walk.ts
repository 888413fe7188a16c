import { oncePer } from '../base/once-per.ts';
import type { Expr, Rule, Term } from './rego-ast.ts';

/** The terms directly below a term, bodies of comprehensions left to the caller. */
export function childTerms(term: Term): readonly Term[] {
  switch (term.kind) {
    case 'ref':
    case 'call':
    case 'other':
      return term.parts;
    case 'array':
    case 'set':
      return term.items;
    case 'object':
      return term.entries.flat();
    case 'comprehension':
      return term.heads;
    case 'string':
    case 'number':
    case 'boolean':
    case 'null':
    case 'var':
      return [];
  }
}

/** The terms directly in an expression, nested bodies left to the caller. */
export function exprTerms(expr: Expr): readonly Term[] {
  const withs = expr.withs.flat();
  switch (expr.kind) {
    case 'term':
      return [expr.term, ...withs];
    case 'call':
      return [expr.operator, ...expr.args, ...withs];
    case 'every':
      return [...(expr.key === null ? [] : [expr.key]), expr.value, expr.domain, ...withs];
    case 'declaration':
      return withs;
  }
}

/** Every term at and below a term, comprehension bodies included. */
export function* allTerms(term: Term): Generator<Term> {
  yield term;
  for (const child of childTerms(term)) yield* allTerms(child);
  if (term.kind === 'comprehension') yield* bodyTerms(term.body);
}

/** Every expression of a body, nested bodies included. */
export function* allExprs(body: readonly Expr[]): Generator<Expr> {
  for (const expr of body) {
    yield expr;
    if (expr.kind === 'every') yield* allExprs(expr.body);
    for (const term of exprTerms(expr)) {
      for (const inner of allTerms(term)) {
        if (inner.kind === 'comprehension') yield* allExprs(inner.body);
      }
    }
  }
}

/** Every term of a body, nested bodies included. */
export function* bodyTerms(body: readonly Expr[]): Generator<Term> {
  for (const expr of body) {
    for (const term of exprTerms(expr)) yield* allTerms(term);
    if (expr.kind === 'every') yield* bodyTerms(expr.body);
  }
}

const headTerms = (rule: Rule): readonly Term[] => [
  ...rule.ref.slice(1),
  ...(rule.args ?? []),
  ...(rule.key === null ? [] : [rule.key]),
  ...(rule.value === null ? [] : [rule.value]),
];

/** A rule and the `else` branches behind it. */
export function branches(rule: Rule): readonly Rule[] {
  return rule.otherwise === null ? [rule] : [rule, ...branches(rule.otherwise)];
}

/** Every term of a rule: head, body and `else` branches. */
export const ruleTerms = oncePer((rule: Rule): readonly Term[] =>
  branches(rule).flatMap((branch) => [
    ...headTerms(branch).flatMap((term) => [...allTerms(term)]),
    ...bodyTerms(branch.body),
  ]),
);

/** Every body of a rule: its own, those of `else` branches, of `every` and of comprehensions in head and body. */
export const ruleBodies = oncePer((rule: Rule): readonly (readonly Expr[])[] => {
  const bodies: (readonly Expr[])[] = [];
  const fromTerms = (terms: Iterable<Term>): void => {
    for (const term of terms) if (term.kind === 'comprehension') bodies.push(term.body);
  };
  for (const branch of branches(rule)) {
    bodies.push(branch.body);
    for (const term of headTerms(branch)) fromTerms(allTerms(term));
    fromTerms(bodyTerms(branch.body));
    for (const expr of allExprs(branch.body)) if (expr.kind === 'every') bodies.push(expr.body);
  }
  return bodies;
});

/** `assign`, `equal`, `internal.member_2`, `data.lib.x.f` …: an operator or function as text. */
export function operatorName(operator: Term): string {
  if (operator.kind === 'var') return operator.name;
  if (operator.kind !== 'ref') return '';
  return operator.parts
    .map((part) => (part.kind === 'var' ? part.name : part.kind === 'string' ? part.value : '*'))
    .join('.');
}
