/**
 * A strict subset of JSON Schema (draft 7) for the data of policies. Unknown keywords are refused, because a keyword
 * that nobody enforces reads like a guarantee; objects must say what else they may hold.
 */
export type DataSchema = {
  readonly type: 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean';
  readonly properties: Readonly<Record<string, DataSchema>>;
  readonly required: readonly string[];
  /** Null: no further keys. */
  readonly additionalProperties: DataSchema | null;
  readonly items: DataSchema | null;
  readonly enum: readonly string[] | null;
  readonly pattern: RegExp | null;
  readonly keyPattern: RegExp | null;
  readonly minItems: number;
  readonly minLength: number;
  readonly minimum: number;
  readonly maximum: number;
};

const KEYWORDS = new Set([
  '$schema',
  '$comment',
  'title',
  'description',
  'type',
  'properties',
  'required',
  'additionalProperties',
  'propertyNames',
  'items',
  'enum',
  'pattern',
  'minItems',
  'minLength',
  'minimum',
  'maximum',
]);
const TYPES = ['object', 'array', 'string', 'number', 'integer', 'boolean'] as const;

type Json = Readonly<Record<string, unknown>>;

const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

class SchemaError extends Error {}

/** Reads a schema; a text says what is wrong with it. */
export function readDataSchema(node: unknown): DataSchema | string {
  try {
    return read(node, '');
  } catch (cause) {
    if (cause instanceof SchemaError) return cause.message;
    throw cause;
  }
}

function read(node: unknown, path: string): DataSchema {
  const fail = (what: string): never => {
    throw new SchemaError(`at ${path || 'the top'}: ${what}`);
  };
  if (!isJson(node)) return fail('a schema is an object');
  const unknown = Object.keys(node).find((key) => !KEYWORDS.has(key));
  if (unknown !== undefined) fail(`the keyword ${unknown} is not enforced here`);
  const type = TYPES.find((one) => one === node['type']);
  if (type === undefined) return fail(`type is one of ${TYPES.join(', ')}`);
  const extra = node['additionalProperties'];
  if (type === 'object' && extra !== false && !isJson(extra)) {
    fail('additionalProperties is false or a schema: a mistyped key must not pass');
  }
  if (type === 'array' && !isJson(node['items'])) fail('items is missing');
  const properties = isJson(node['properties']) ? Object.entries(node['properties']) : [];
  const required = strings(node['required']) ?? [];
  const stray = required.find((key) => !properties.some(([name]) => name === key));
  if (stray !== undefined) fail(`${stray} is required and not among the properties`);
  const names = isJson(node['propertyNames']) ? node['propertyNames']['pattern'] : undefined;
  return {
    type,
    properties: Object.fromEntries(
      properties.map(([key, one]) => [key, read(one, `${path}/properties/${key}`)]),
    ),
    required,
    additionalProperties: isJson(extra) ? read(extra, `${path}/additionalProperties`) : null,
    items: node['items'] === undefined ? null : read(node['items'], `${path}/items`),
    enum: strings(node['enum']),
    pattern: regularExpression(node['pattern'], fail),
    keyPattern: regularExpression(names, fail),
    minItems: number(node['minItems'], 0),
    minLength: number(node['minLength'], 0),
    minimum: number(node['minimum'], -Infinity),
    maximum: number(node['maximum'], Infinity),
  };
}

const number = (value: unknown, fallback: number): number =>
  typeof value === 'number' ? value : fallback;

const strings = (value: unknown): readonly string[] | null =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : null;

function regularExpression(value: unknown, fail: (what: string) => never): RegExp | null {
  if (value === undefined) return null;
  if (typeof value !== 'string') return fail('pattern is a string');
  try {
    return new RegExp(value, 'u');
  } catch {
    return fail(`pattern ${value} is no regular expression`);
  }
}

export type DataProblem = { readonly path: readonly string[]; readonly what: string };

/** Every place where data is not what its schema says. */
export function checkData(
  schema: DataSchema,
  value: unknown,
  path: readonly string[] = [],
): readonly DataProblem[] {
  const here = (what: string): readonly DataProblem[] => [{ path, what }];
  switch (schema.type) {
    case 'object':
      return isJson(value) ? checkObject(schema, value, path) : here('is no mapping');
    case 'array': {
      if (!Array.isArray(value)) return here('is no list');
      const { items } = schema;
      const few =
        value.length < schema.minItems ? here(`has fewer than ${schema.minItems} items`) : [];
      const inner = value.flatMap((one, index) =>
        items === null ? [] : checkData(items, one, [...path, String(index)]),
      );
      return [...few, ...inner];
    }
    case 'string':
      return typeof value === 'string' ? checkText(schema, value, here) : here('is no string');
    case 'number':
    case 'integer':
      if (typeof value !== 'number') return here('is no number');
      if (schema.type === 'integer' && !Number.isInteger(value)) return here('is no whole number');
      return value < schema.minimum || value > schema.maximum
        ? here(`is not within ${schema.minimum} and ${schema.maximum}`)
        : [];
    case 'boolean':
      return typeof value === 'boolean' ? [] : here('is not true or false');
  }
}

function checkText(
  schema: DataSchema,
  value: string,
  here: (what: string) => readonly DataProblem[],
): readonly DataProblem[] {
  if (schema.enum !== null && !schema.enum.includes(value)) {
    return here(`is ${JSON.stringify(value)}, none of ${schema.enum.join(', ')}`);
  }
  if (schema.pattern !== null && !schema.pattern.test(value)) {
    return here(`is ${JSON.stringify(value)}, which does not match ${schema.pattern.source}`);
  }
  return value.length < schema.minLength ? here('is too short') : [];
}

function checkObject(
  schema: DataSchema,
  value: Json,
  path: readonly string[],
): readonly DataProblem[] {
  const problems: DataProblem[] = [];
  for (const key of schema.required) {
    if (!Object.hasOwn(value, key)) problems.push({ path, what: `lacks ${key}` });
  }
  for (const [key, one] of Object.entries(value)) {
    const known = Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
    const inner = known ?? schema.additionalProperties;
    if (inner === null) problems.push({ path: [...path, key], what: 'is an unknown key' });
    else problems.push(...checkData(inner, one, [...path, key]));
    if (known === undefined && schema.keyPattern !== null && !schema.keyPattern.test(key)) {
      problems.push({ path: [...path, key], what: `does not match ${schema.keyPattern.source}` });
    }
  }
  return problems;
}

/**
 * Whether data that fits the schema always has this path. Keys of open maps are sure only within the first
 * `boundSteps`, which the rule's own body went through; optional properties never are. Null: sure; else what is not.
 */
export function surePath(
  schema: DataSchema,
  path: readonly string[],
  boundSteps: number,
): string | null {
  const [step, ...rest] = path;
  if (step === undefined) return null;
  const below = (inner: DataSchema): string | null => surePath(inner, rest, boundSteps - 1);
  if (schema.type === 'array') {
    if (schema.items === null || !/^(\*|\d+)$/.test(step)) return `${step} is no item of a list`;
    return boundSteps > 0 ? below(schema.items) : 'a list may lack the item';
  }
  if (schema.type !== 'object') return `there is nothing below a ${schema.type}`;
  const known = Object.hasOwn(schema.properties, step) ? schema.properties[step] : undefined;
  if (known !== undefined) {
    return schema.required.includes(step) ? below(known) : `${step} is not required`;
  }
  if (schema.additionalProperties !== null) {
    return boundSteps > 0 ? below(schema.additionalProperties) : `${step} may be missing`;
  }
  if (step !== '*') return `${step} is no key of it`;
  const shapes = Object.values(schema.properties).map(below);
  return shapes.find((one) => one !== null) ?? null;
}

/** All values at a path, `*` standing for every item or value. */
export function valuesAt(
  value: unknown,
  path: readonly string[],
  at: readonly string[] = [],
): readonly { readonly path: readonly string[]; readonly value: unknown }[] {
  const [step, ...rest] = path;
  if (step === undefined) return [{ path: at, value }];
  const entries: readonly (readonly [string, unknown])[] = Array.isArray(value)
    ? value.map((one: unknown, index): readonly [string, unknown] => [String(index), one])
    : isJson(value)
      ? Object.entries(value)
      : [];
  return entries
    .filter(([key]) => step === '*' || step === key)
    .flatMap(([key, one]) => valuesAt(one, rest, [...at, key]));
}
