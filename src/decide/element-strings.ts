/** The fields of an element that are lists of strings. */
const stringFields = ['approvers', 'fields', 'patterns'] as const;
export type StringField = (typeof stringFields)[number];

export const isStringField = (name: string): name is StringField =>
  stringFields.some((one) => one === name);

/** What the environment says is there: approver groups (null: any), and whether a mask path parses. */
export type ElementPorts = {
  readonly approverGroups: readonly string[] | null;
  /** Null where the path parses, else what is wrong. */
  readonly isMaskPath: (path: string) => string | null;
};

/** What is wrong with one approver group, mask path or pattern, wherever it is written. */
export function stringProblem(
  field: StringField,
  value: string,
  ports: ElementPorts,
): { readonly what: string; readonly fix: string } | null {
  if (field === 'approvers') {
    if (ports.approverGroups === null || ports.approverGroups.includes(value)) return null;
    const known = ports.approverGroups.join(', ') || 'none';
    return {
      what: `the approver group ${JSON.stringify(value)} is not configured`,
      fix: `add it to approverGroups in the configuration; configured: ${known}`,
    };
  }
  if (field === 'fields') {
    const wrong = ports.isMaskPath(value);
    return wrong === null
      ? null
      : { what: `the mask path ${JSON.stringify(value)} does not parse: ${wrong}`, fix: 'mend it' };
  }
  try {
    return value === '' || new RegExp(value, 'u').test('')
      ? { what: `the pattern ${JSON.stringify(value)} matches the empty text`, fix: 'mend it' }
      : null;
  } catch (cause) {
    return { what: `the pattern ${JSON.stringify(value)}: ${String(cause)}`, fix: 'mend it' };
  }
}
