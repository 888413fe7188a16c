import { z } from 'zod';
import { policyInputSchema } from './policy-input.ts';

/** The part of JSON Schema that the policy input's schema uses: no `anyOf`, for OPA's type checker lets typos through it. */
export type InputSchema = {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, InputSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | InputSchema;
  readonly items?: InputSchema;
  readonly enum?: readonly string[];
};

type Json = Readonly<Record<string, unknown>>;

const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function map(node: unknown): InputSchema {
  if (!isJson(node)) return {};
  const { description } = node;
  const said = typeof description === 'string' ? { description } : {};
  const choices: readonly unknown[] = Array.isArray(node['anyOf']) ? node['anyOf'] : [];
  if (choices.length > 0) {
    // A nullable object: OPA gets the object. `!= null` and `is_null` type-check all the same.
    const one = choices.find((choice) => isJson(choice) && choice['type'] !== 'null');
    return { ...map(one), ...said };
  }
  const properties = isJson(node['properties'])
    ? Object.fromEntries(Object.entries(node['properties']).map(([key, one]) => [key, map(one)]))
    : undefined;
  const extra = node['additionalProperties'];
  return {
    ...said,
    ...(typeof node['type'] === 'string' ? { type: node['type'] } : {}),
    ...(properties === undefined ? {} : { properties }),
    ...(Array.isArray(node['required']) ? { required: node['required'].map(String) } : {}),
    ...(Array.isArray(node['enum']) ? { enum: node['enum'].map(String) } : {}),
    ...(node['items'] === undefined ? {} : { items: map(node['items']) }),
    ...(extra === undefined
      ? {}
      : { additionalProperties: typeof extra === 'boolean' ? extra : map(extra) }),
  };
}

const inputJsonSchema: InputSchema & { readonly $schema: string } = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  ...map(z.toJSONSchema(policyInputSchema, { target: 'draft-7' })),
};

/** The JSON Schema of the policy input, for `opa check --schema` and for editors. Free-form fields are `{}`. */
export const policyInputJsonSchema = (): typeof inputJsonSchema => inputJsonSchema;

/** The schema of a part of the input; null where there is no such part. `*` steps into any item or value. */
export function schemaAt(schema: InputSchema, path: readonly string[]): InputSchema | null {
  const [step, ...rest] = path;
  if (step === undefined) return schema;
  if (isFree(schema)) return {};
  if (schema.items !== undefined) return schemaAt(schema.items, rest);
  const property = schema.properties?.[step];
  if (property !== undefined) return schemaAt(property, rest);
  if (isJson(schema.additionalProperties)) return schemaAt(schema.additionalProperties, rest);
  return step === '*' && schema.properties !== undefined ? {} : null;
}

/** A free-form field: its schema says nothing. */
export const isFree = (schema: InputSchema): boolean =>
  schema.type === undefined && schema.properties === undefined && schema.enum === undefined;
