import { policyInputJsonSchema } from './input-schema.ts';

/** `deploy/policy/schema.json`: the schema of the policy input, for `opa check --schema` and editors. */
export function policySchemaJson(): string {
  return `${JSON.stringify(policyInputJsonSchema(), null, 2)}\n`;
}
