import { wholeFile, type At } from './problem.ts';

/**
 * The part of OPA's syntax tree that the load checks need, read from `opa parse --format json`. Node types that we do
 * not know become `other` with their children, so that no reference inside them is overlooked.
 */
export type Term =
  | { readonly kind: 'string'; readonly value: string; readonly at: At }
  | { readonly kind: 'number'; readonly value: number; readonly at: At }
  | { readonly kind: 'boolean'; readonly value: boolean; readonly at: At }
  | { readonly kind: 'null'; readonly at: At }
  | { readonly kind: 'var'; readonly name: string; readonly at: At }
  | { readonly kind: 'ref'; readonly parts: readonly Term[]; readonly at: At }
  | { readonly kind: 'call'; readonly parts: readonly Term[]; readonly at: At }
  | { readonly kind: 'array' | 'set'; readonly items: readonly Term[]; readonly at: At }
  | {
      readonly kind: 'object';
      readonly entries: readonly (readonly [Term, Term])[];
      readonly at: At;
    }
  | {
      readonly kind: 'comprehension';
      readonly heads: readonly Term[];
      readonly body: readonly Expr[];
      readonly at: At;
    }
  | { readonly kind: 'other'; readonly parts: readonly Term[]; readonly at: At };

/** One expression of a body. `some x in xs` is the call `internal.member_2` with `declares`. */
export type Expr = {
  readonly at: At;
  readonly negated: boolean;
  readonly withs: readonly (readonly [Term, Term])[];
} & (
  | { readonly kind: 'term'; readonly term: Term }
  | {
      readonly kind: 'call';
      readonly operator: Term;
      readonly args: readonly Term[];
      readonly declares: boolean;
    }
  | { readonly kind: 'declaration' }
  | {
      readonly kind: 'every';
      readonly key: Term | null;
      readonly value: Term;
      readonly domain: Term;
      readonly body: readonly Expr[];
    }
);

export type Rule = {
  readonly at: At;
  /** The head's reference: `deny`, or `deny.foo` as two parts. */
  readonly ref: readonly Term[];
  readonly name: string;
  readonly args: readonly Term[] | null;
  readonly key: Term | null;
  readonly value: Term | null;
  readonly isDefault: boolean;
  readonly body: readonly Expr[];
  readonly otherwise: Rule | null;
};

export type Import = { readonly at: At; readonly path: readonly string[]; readonly alias: string };

export type Module = {
  readonly file: string;
  readonly packageAt: At;
  /** Without the leading `data`. */
  readonly package: readonly string[];
  readonly imports: readonly Import[];
  readonly rules: readonly Rule[];
};

type Json = Readonly<Record<string, unknown>>;

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function place(node: unknown): At {
  if (!isJson(node) || !isJson(node['location'])) return wholeFile;
  const { row, col } = node['location'];
  return { line: typeof row === 'number' ? row : 0, column: typeof col === 'number' ? col : 0 };
}

/** Every term below a node that we do not know. */
function loose(node: unknown): readonly Term[] {
  if (Array.isArray(node)) return node.flatMap(loose);
  if (!isJson(node)) return [];
  if (typeof node['type'] === 'string' && 'value' in node) return [readTerm(node)];
  return Object.values(node).flatMap(loose);
}

function readTerm(node: unknown): Term {
  const at = place(node);
  if (!isJson(node)) return { kind: 'other', parts: [], at };
  const { type, value } = node;
  if (type === 'string' && typeof value === 'string') return { kind: 'string', value, at };
  if (type === 'number') return { kind: 'number', value: Number(value), at };
  if (type === 'boolean') return { kind: 'boolean', value: value === true, at };
  if (type === 'null') return { kind: 'null', at };
  if (type === 'var' && typeof value === 'string') return { kind: 'var', name: value, at };
  if (type === 'ref' || type === 'call')
    return { kind: type, parts: list(value).map(readTerm), at };
  if (type === 'array' || type === 'set')
    return { kind: type, items: list(value).map(readTerm), at };
  if (type === 'object') return { kind: 'object', entries: list(value).map(readPair), at };
  if (typeof type === 'string' && type.endsWith('comprehension') && isJson(value)) {
    const heads = [value['key'], value['value'], value['term']].filter((one) => one !== undefined);
    return { kind: 'comprehension', heads: heads.map(readTerm), body: readBody(value['body']), at };
  }
  return { kind: 'other', parts: loose(value), at };
}

function readPair(node: unknown): readonly [Term, Term] {
  const [key, value] = list(node);
  return [readTerm(key), readTerm(value)];
}

function readExpr(node: unknown): readonly Expr[] {
  const at = place(node);
  const json: Json = isJson(node) ? node : {};
  const common = {
    at,
    negated: json['negated'] === true,
    withs: list(json['with']).map((one): readonly [Term, Term] =>
      isJson(one)
        ? [readTerm(one['target']), readTerm(one['value'])]
        : [readTerm(null), readTerm(null)],
    ),
  };
  const { terms } = json;
  if (Array.isArray(terms)) {
    const [operator, ...args] = terms.map(readTerm);
    if (operator === undefined) return [];
    return [{ ...common, kind: 'call', operator, args, declares: false }];
  }
  if (isJson(terms) && Array.isArray(terms['symbols'])) return readSome(terms['symbols'], common);
  if (isJson(terms) && 'domain' in terms) {
    const key = isJson(terms['key']) ? readTerm(terms['key']) : null;
    const [value, domain] = [readTerm(terms['value']), readTerm(terms['domain'])];
    return [{ ...common, kind: 'every', key, value, domain, body: readBody(terms['body']) }];
  }
  return [{ ...common, kind: 'term', term: readTerm(terms) }];
}

function readSome(
  symbols: readonly unknown[],
  common: Pick<Expr, 'at' | 'negated' | 'withs'>,
): readonly Expr[] {
  return symbols.map((symbol): Expr => {
    const term = readTerm(symbol);
    if (term.kind !== 'call') return { ...common, kind: 'declaration' };
    const [operator, ...args] = term.parts;
    if (operator === undefined) return { ...common, kind: 'declaration' };
    return { ...common, kind: 'call', operator, args, declares: true };
  });
}

const readBody = (node: unknown): readonly Expr[] => list(node).flatMap(readExpr);

function readRule(node: unknown): Rule {
  const json: Json = isJson(node) ? node : {};
  const head: Json = isJson(json['head']) ? json['head'] : {};
  const ref = list(head['ref']).map(readTerm);
  const first = ref[0];
  const own = place(node);
  const name = first?.kind === 'var' ? first.name : textOf(head['name']);
  return {
    at: first === undefined || first.at.line === 0 ? own : first.at,
    ref,
    name,
    args: Array.isArray(head['args']) ? head['args'].map(readTerm) : null,
    key: isJson(head['key']) ? readTerm(head['key']) : null,
    value: isJson(head['value']) ? readTerm(head['value']) : null,
    isDefault: json['default'] === true,
    body: readBody(json['body']),
    otherwise: isJson(json['else']) ? readRule(json['else']) : null,
  };
}

const stringsOf = (terms: readonly Term[]): readonly string[] =>
  terms.map((term) =>
    term.kind === 'string' ? term.value : term.kind === 'var' ? term.name : '*',
  );

function readImport(node: unknown): Import {
  const json: Json = isJson(node) ? node : {};
  const path = readTerm(json['path']);
  const parts = path.kind === 'ref' ? stringsOf(path.parts) : [];
  const alias = typeof json['alias'] === 'string' ? json['alias'] : (parts.at(-1) ?? '');
  return { at: path.at, path: parts, alias };
}

/** Reads one module from `opa parse --format json --json-include locations,-comments`. */
export function readModule(file: string, tree: unknown): Module {
  const json: Json = isJson(tree) ? tree : {};
  const packageNode: Json = isJson(json['package']) ? json['package'] : {};
  const path = list(packageNode['path']).map(readTerm);
  return {
    file,
    packageAt: place(packageNode),
    package: stringsOf(path).slice(1),
    imports: list(json['imports']).map(readImport),
    rules: list(json['rules']).map(readRule),
  };
}
