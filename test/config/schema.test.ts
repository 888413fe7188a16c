import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import {
  configJsonSchema,
  configSchema,
  packageDirectory,
  type JsonSchema,
} from '../../src/config/index.ts';

/** Every field of the configuration with its path. */
function fields(schema: JsonSchema, path: string): [string, JsonSchema][] {
  const inner = [
    ...(schema.items === undefined ? [] : [schema.items]),
    ...(schema.anyOf ?? []),
    ...(typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : []),
  ];
  return [
    ...Object.entries(schema.properties ?? {}).flatMap(([key, child]): [string, JsonSchema][] => [
      [`${path}.${key}`, child],
      ...fields(child, `${path}.${key}`),
    ]),
    ...inner.flatMap((child) => fields(child, path)),
  ];
}

const all = fields(configJsonSchema(), '');

test('every field says what it is', () => {
  expect(all.length).toBeGreaterThan(50);
  const silent = all.filter(([, schema]) => (schema.description ?? '') === '');
  expect(silent.map(([path]) => path)).toEqual([]);
});

test('every duration has its unit in its name', () => {
  const unitless = all.filter(
    ([path, schema]) => schema.type === 'number' && !/(Seconds|Ms)$/.test(path),
  );
  expect(unitless.map(([path]) => path)).toEqual([]);
});

test('every mapping refuses keys that it does not know', () => {
  const loose = all.filter(
    ([, schema]) => schema.properties !== undefined && schema.additionalProperties !== false,
  );
  expect(loose.map(([path]) => path)).toEqual([]);
});

test('the example of docs/configuration.md is a configuration', () => {
  const page = readFileSync(join(packageDirectory, 'docs/configuration.md'), 'utf8');
  const example = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  const config = configSchema.parse(parse(example));
  expect(config.identity.issuers).toHaveLength(1);
  expect(config.clusters.map((cluster) => cluster.name)).toEqual(['prod']);
});
