import { elementFields } from './element-fields.ts';
import { policyInputJsonSchema, type InputSchema } from './input-schema.ts';

/**
 * The reference part of `docs/policies.md`, generated from the types: every field of the input, and every field of an
 * element. The rest of that page is written by hand, around the two markers.
 */
export function policyReference(): string {
  return [
    '### The input, field by field',
    '',
    'Every key is always present. Types: `free` may be anything and may lack any key.',
    '',
    '| field | type | what it holds |',
    '| --- | --- | --- |',
    ...inputRows(policyInputJsonSchema(), 'input'),
    '',
    '### The elements, set by set',
    '',
    ...Object.entries(elementFields).flatMap(([set, fields]) => [
      `**${set}**`,
      '',
      '| field | needed | meaning |',
      '| --- | --- | --- |',
      ...Object.entries(fields).map(([name, field]) => {
        const needed = field.kind === 'unsupported' ? 'not yet' : field.required ? 'yes' : 'no';
        return `| \`${name}\` | ${needed} | ${cell(field.meaning)} |`;
      }),
      '',
    ]),
    '**fetch**: exactly `{"live": true}`.',
    '',
  ].join('\n');
}

const cell = (text: string): string => text.replaceAll('|', '\\|');

function typeName(schema: InputSchema): string {
  if (schema.enum !== undefined) return schema.enum.map((one) => `\`${one}\``).join(' ');
  if (schema.type === 'array') return `list of ${typeName(schema.items ?? {})}`;
  if (schema.type !== 'object') return schema.type ?? 'free';
  const { additionalProperties } = schema;
  const open = typeof additionalProperties === 'object' && schema.properties === undefined;
  return open ? `map of ${typeName(additionalProperties)}` : 'object';
}

function inputRows(schema: InputSchema, path: string): readonly string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, one]) => {
    const here = `${path}.${name}`;
    const row = `| \`${here}\` | ${cell(typeName(one))} | ${cell(one.description ?? '')} |`;
    const items = one.type === 'array' ? one.items : undefined;
    return [
      row,
      ...inputRows(one, here),
      ...(items === undefined ? [] : inputRows(items, `${here}[_]`)),
    ];
  });
}
