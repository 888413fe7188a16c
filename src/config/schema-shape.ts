import { z } from 'zod';
import type { ConfigPath } from './problem.ts';
import { configSchema } from './schema.ts';

/** The parts of JSON Schema (draft 2020-12) that zod writes for the configuration; the rest is kept as it is. */
const jsonSchema = z.looseObject({
  type: z.string().optional(),
  description: z.string().optional(),
  default: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  const: z.string().optional(),
  format: z.string().optional(),
  required: z.array(z.string()).optional(),
  get properties() {
    return z.record(z.string(), jsonSchema).optional();
  },
  get items() {
    return jsonSchema.optional();
  },
  get anyOf() {
    return z.array(jsonSchema).optional();
  },
  get propertyNames() {
    return jsonSchema.optional();
  },
  get additionalProperties() {
    return z.union([z.boolean(), jsonSchema]).optional();
  },
});

export type JsonSchema = z.infer<typeof jsonSchema>;

/** The configuration's JSON Schema, of what is written: keys with a default are optional. */
export function configJsonSchema(): JsonSchema {
  const { $schema, ...schema } = z.toJSONSchema(configSchema, { io: 'input' });
  return jsonSchema.parse({ $schema, title: 'Holdgate configuration', ...schema });
}

/** Every schema that a value at this path may have: more than one inside a union. */
export function schemasAt(path: ConfigPath): readonly JsonSchema[] {
  let schemas = forms(configJsonSchema());
  for (const part of path) {
    schemas = schemas.flatMap((schema) => {
      const child = typeof part === 'number' ? schema.items : childOf(schema, part);
      return child === undefined ? [] : forms(child);
    });
  }
  return schemas;
}

const forms = (schema: JsonSchema): readonly JsonSchema[] =>
  schema.anyOf === undefined ? [schema] : schema.anyOf.flatMap(forms);

function childOf(schema: JsonSchema, key: string): JsonSchema | undefined {
  const known = schema.properties;
  if (known !== undefined && Object.hasOwn(known, key)) return known[key];
  return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined;
}

/** The keys that a mapping may have; none where they are free. */
export function keysOf(schema: JsonSchema): readonly string[] {
  const names = schema.propertyNames?.enum ?? [];
  return [...Object.keys(schema.properties ?? {}), ...names.map(String)];
}

/** What belongs at a path, in a few words. */
export function shapeText(path: ConfigPath): string {
  return [...new Set(schemasAt(path).map(shapeOf))].join(', or ');
}

/** One schema in a few words: `a number`, `one of error, warn, info, debug`, `a mapping with url, audiences`. */
export function shapeOf(schema: JsonSchema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(shapeOf).join(', or ');
  if (schema.enum !== undefined) return `one of ${schema.enum.map(String).join(', ')}`;
  if (schema.const !== undefined) return schema.const;
  switch (schema.type) {
    case 'array':
      return schema.items === undefined ? 'a list' : `a list, each ${shapeOf(schema.items)}`;
    case 'object': {
      const keys = schema.required ?? keysOf(schema);
      return keys.length === 0 ? 'a mapping' : `a mapping with ${keys.join(', ')}`;
    }
    case 'integer':
      return 'a whole number';
    case 'string':
      return schema.format === 'uri' ? 'a URL' : 'a string';
    case 'boolean':
      return 'true or false';
    default:
      return schema.type === undefined ? 'a value' : `a ${schema.type}`;
  }
}
