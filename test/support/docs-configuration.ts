import { configJsonSchema, shapeOf, type JsonSchema } from '../../src/config/index.ts';

/** The JSON Schema of the configuration, for editors: `# yaml-language-server: $schema=…`. */
export function configurationSchemaJson(): string {
  return `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
}

/** `docs/configuration.md`: a table for each section, from the descriptions in `src/config/schema.ts`. */
export function configurationMarkdown(): string {
  return [INTRODUCTION, ...section('', configJsonSchema(), new Map()), EXAMPLE].join('\n\n');
}

const INTRODUCTION = `# Configuration

<!-- Generated from src/config/schema.ts by \`npm run docs\`. -->

One YAML file, given with \`holdgate serve --config FILE\`. Unknown keys, wrong types, missing files and contradictions are
errors, each with file, line, column and path; \`holdgate check --config FILE\` reports them without starting anything.

- Relative paths count from the configuration file's folder.
- A secret is never written into the file: \`{file: path}\` or \`{env: NAME}\` says where it is.
- Durations end in \`Seconds\`.
- Editors complete and check the file when it begins with
  \`# yaml-language-server: $schema=deploy/holdgate.schema.json\`.
- Without a file the local profile runs: loopback only, a local issuer with an example agent and an example person.

Required fields are marked \`*\`; \`[]\` stands for each entry of a list, \`<name>\` for a name of your own.`;

const EXAMPLE = `## A whole example

\`\`\`yaml
# yaml-language-server: $schema=deploy/holdgate.schema.json
data:
  address: 0.0.0.0
  tls: { certificateFile: tls/tls.crt, keyFile: tls/tls.key }
  publicUrl: https://kube.example.com
people:
  roles: { admin: [platform], approver: [payments-oncall], auditor: [audit] }
database:
  url: { env: DATABASE_URL }
identity:
  issuers:
    - url: https://token.actions.githubusercontent.com
      audiences: [holdgate]
      kind: workload
      claimMappings:
        username: { claim: sub, prefix: 'github:' }
      claimValidationRules:
        - { claim: repository_owner_id, requiredValue: '1234567' }
      policyClaims: [repository_id, ref]
  people:
    - url: https://login.example.com
      audiences: [holdgate-people]
      kind: human
      claimMappings:
        username: { claim: email, prefix: '' }
        groups: { claim: groups, prefix: '' }
clusters:
  - name: prod
    server: https://10.0.0.1:6443
    certificateAuthority: prod-ca.pem
    credential: { token: { file: prod-token } }
approverGroups:
  payments-oncall:
    members:
      - { issuer: 'https://login.example.com', subject: 00u1abcd }
\`\`\`
`;

/** The mappings written so far, by their fields, with the heading under which each stands. */
type Seen = Map<string, string>;

/** One heading and table for a mapping, then those of the mappings inside. A mapping that stands above already is only named. */
function section(path: string, schema: JsonSchema, seen: Seen): string[] {
  const fields = JSON.stringify(schema.properties ?? {});
  const above = seen.get(fields);
  if (above !== undefined) return [`## \`${path}\``, `As \`${above}\` above.`];
  seen.set(fields, path);
  const rows: string[] = [];
  const deeper: string[] = [];
  for (const [key, child] of Object.entries(schema.properties ?? {})) {
    const mark = schema.required?.includes(key) === true ? '*' : '';
    const here = path === '' ? key : `${path}.${key}`;
    rows.push(`| \`${key}\`${mark} | ${cell(shapeOf(child))} | ${cell(child.description ?? '')} |`);
    deeper.push(...inside(here, child, seen));
  }
  if (rows.length === 0) return deeper;
  const heading = path === '' ? '## Top level' : `## \`${path}\``;
  const said = path === '' || schema.description === undefined ? [] : [schema.description];
  const table = ['| field | what | meaning |', '| --- | --- | --- |', ...rows].join('\n');
  return [heading, ...said, table, ...deeper];
}

function inside(path: string, schema: JsonSchema, seen: Seen): string[] {
  if (schema.anyOf !== undefined) {
    const forms = schema.anyOf.filter((form) => form.properties !== undefined);
    return forms.flatMap((form) => section(`${path} (${ownKeys(form).join(', ')})`, form, seen));
  }
  if (schema.items !== undefined) return inside(`${path}[]`, schema.items, seen);
  if (typeof schema.additionalProperties === 'object') {
    return inside(`${path}.<name>`, schema.additionalProperties, seen);
  }
  return schema.properties === undefined ? [] : section(path, schema, seen);
}

const ownKeys = (form: JsonSchema): readonly string[] =>
  form.required ?? Object.keys(form.properties ?? {});

/** Text for a table's cell: a bar would end it, an angle bracket would be HTML. */
const cell = (text: string): string =>
  text
    .replaceAll('|', String.raw`\|`)
    .replaceAll('<', '&lt;')
    .replaceAll('\n', ' ');
