/** Policies that must not load, one for each way to write a rule that says something else than it means. */
const X = 'rules/x/x.rego';
export const oneRule = (text: string): Record<string, string> => ({
  [X]: `package rules.x\n\n${text}\n`,
});
const shape = (properties: object, required: readonly string[]): object => ({
  type: 'object',
  additionalProperties: false,
  required,
  properties,
});

const schema = (properties: object, required: readonly string[]): string =>
  JSON.stringify(shape(properties, required));

const owners = { owners: { type: 'array', items: { type: 'string' } } };
const ownersShape = shape(owners, ['owners']);
const ownersSchema = JSON.stringify(ownersShape);
const optionalSchema = schema({ owners: { type: 'array', items: { type: 'string' } } }, []);
export const mapSchema = schema(
  {
    namespaces: {
      type: 'object',
      additionalProperties: ownersShape,
    },
  },
  ['namespaces'],
);

type Bad = {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  /** Where, and a part of what is said. */
  readonly at: string;
  readonly says: string;
};

export const oneAllow = 'allow contains {"id": "a", "reason": "r"} if input.request.verb == "get"';

export const badPolicies: readonly Bad[] = [
  {
    name: 'a public name that nothing reads',
    files: oneRule('denied contains {"id": "a", "reason": "r"} if input.request.verb == "get"'),
    at: `${X}:3:1`,
    says: 'denied is none of deny',
  },
  {
    name: 'a complete rule',
    files: oneRule('deny if input.request.verb == "get"'),
    at: `${X}:3:1`,
    says: 'deny is not a set here',
  },
  {
    name: 'a set written as an assignment',
    files: oneRule('deny := {{"id": "a", "reason": "r"}}'),
    at: `${X}:3:1`,
    says: 'deny is not a set here',
  },
  {
    name: 'a map where a set is meant',
    files: oneRule('deny.delete := {"id": "a", "reason": "r"} if input.request.verb == "get"'),
    at: `${X}:3:1`,
    says: 'deny is not a set here',
  },
  {
    name: 'a set below a set',
    files: oneRule('deny.now contains {"id": "a", "reason": "r"} if input.request.verb == "get"'),
    at: `${X}:3:1`,
    says: 'deny is not a set here',
  },
  {
    name: 'a default',
    files: oneRule('default allow := false'),
    at: `${X}:3:9`,
    says: 'allow has a default',
  },
  {
    name: 'an else',
    files: oneRule('hold := 1 if input.request.dry_run else := 2'),
    at: `${X}:3:1`,
    says: 'hold has an else branch',
  },
  {
    name: 'a function of the name of a set',
    files: oneRule('mask(x) := x'),
    at: `${X}:3:1`,
    says: 'mask is a function',
  },
  {
    name: 'a fetch that is no set',
    files: oneRule('fetch := {"live": true}'),
    at: `${X}:3:1`,
    says: 'fetch is not a set here',
  },
  {
    name: 'another package than the folder',
    files: { [X]: `package rules.y\n\n${oneAllow}` },
    at: `${X}:1:1`,
    says: 'its package is rules.x, not rules.y',
  },
  {
    name: 'a package below the rule',
    files: { [X]: `package rules.x.more\n\n${oneAllow}` },
    at: `${X}:1:1`,
    says: 'its package is rules.x, not rules.x.more',
  },
  {
    name: 'a rule in the package of the fold',
    files: { 'gate/more.rego': `package rules.x\n\n${oneAllow}` },
    at: 'gate/more.rego:1:1',
    says: 'package gate',
  },
  {
    name: 'a rule that takes the name of the fold',
    files: { 'rules/gate.rego': `package rules.gate\n\n${oneAllow}` },
    at: 'rules/gate.rego:1:1',
    says: 'the name of the fold',
  },
  {
    name: 'Rego outside its folders',
    files: { 'owners/x.rego': `package owners\n\n${oneAllow}` },
    at: 'owners/x.rego:1:1',
    says: 'Rego files are rules/',
  },
  {
    name: 'a test that the fold would gather',
    files: {
      'rules/x/x_test.rego': 'package rules.x\n\nallow contains {"id": "a", "reason": "r"}',
    },
    at: 'rules/x/x_test.rego:1:1',
    says: 'tests are in package tests.<name>',
  },
  ...['rules', 'gate', 'lib', 'tests'].map((folder): Bad => ({
    name: `data under data.${folder}`,
    files: { [`${folder}/data.yaml`]: 'x: {}' },
    at: `${folder}/data.yaml`,
    says: `data under data.${folder} could stand in for rules`,
  })),
  {
    name: 'data of one rule below the rules',
    files: { 'rules/x/data.json': '{"allow": [{"id": "a", "reason": "r"}]}' },
    at: 'rules/x/data.json',
    says: 'data under data.rules',
  },
  {
    name: 'data at the top, which could hold any topic',
    files: { 'data.yaml': 'rules: {}' },
    at: 'data.yaml',
    says: 'data lives at <topic>/data.yaml',
  },
  {
    name: 'an unknown field',
    files: oneRule(
      'deny contains {"id": "a", "reason": "r", "insted": "x"} if input.request.dry_run',
    ),
    at: `${X}:3:42`,
    says: 'deny has no field "insted"',
  },
  {
    name: 'a field of another set',
    files: oneRule(
      'allow contains {"id": "a", "reason": "r", "approvers": ["oncall"]} if input.request.dry_run',
    ),
    at: `${X}:3:43`,
    says: 'allow has no field "approvers"',
  },
  {
    name: 'an element without reason',
    files: oneRule('deny contains {"id": "a"} if input.request.dry_run'),
    at: `${X}:3:1`,
    says: 'has no reason',
  },
  {
    name: 'an element that is only a text',
    files: oneRule('deny contains "no" if input.request.dry_run'),
    at: `${X}:3:15`,
    says: 'is computed',
  },
  {
    name: 'a hold without approvers',
    files: oneRule('hold contains {"id": "a", "reason": "r"} if input.request.dry_run'),
    at: `${X}:3:1`,
    says: 'has no approvers',
  },
  {
    name: 'a hold with nobody in its list',
    files: oneRule(
      'hold contains {"id": "a", "reason": "r", "approvers": []} if input.request.dry_run',
    ),
    at: `${X}:3:55`,
    says: 'approvers is empty',
  },
  {
    name: 'a hold with steps',
    files: oneRule(
      'hold contains {"id": "a", "reason": "r", "approvers": ["oncall"], "steps": [{"any_of": ["oncall"]}]} if input.request.dry_run',
    ),
    at: `${X}:3:76`,
    says: 'steps are not supported yet',
  },
  {
    name: 'a group that is not configured',
    files: oneRule(
      'hold contains {"id": "a", "reason": "r", "approvers": ["onkall"]} if input.request.dry_run',
    ),
    at: `${X}:3:56`,
    says: '"onkall" is not configured',
  },
  {
    name: 'a hold on deletecollection',
    files: oneRule(
      'hold contains {"id": "a", "reason": "r", "approvers": ["oncall"]} if input.request.verb == "deletecollection"',
    ),
    at: `${X}:3:70`,
    says: 'a hold on deletecollection',
  },
  {
    name: 'a hold on deletecollection through a list of its own',
    files: oneRule(
      '_v := {"delete", "deletecollection"}\n\nhold contains {"id": "a", "reason": "r", "approvers": ["oncall"]} if input.request.verb in _v',
    ),
    at: `${X}:5:70`,
    says: 'a hold on deletecollection',
  },
  {
    name: 'a quorum of nobody',
    files: oneRule(
      'hold contains {"id": "a", "reason": "r", "approvers": ["oncall"], "quorum": 0} if input.request.dry_run',
    ),
    at: `${X}:3:77`,
    says: 'quorum is no whole number',
  },
  {
    name: 'a verb that does not exist',
    files: oneRule('deny contains {"id": "a", "reason": "r"} if input.request.verb == "dleete"'),
    at: `${X}:3:67`,
    says: 'input.request.verb is never "dleete"',
  },
  {
    name: 'a verb that does not exist, in a set',
    files: oneRule(
      'deny contains {"id": "a", "reason": "r"} if input.request.verb in {"get", "lst"}',
    ),
    at: `${X}:3:75`,
    says: 'never "lst"',
  },
  {
    name: 'a verb that does not exist, in a constant of the file',
    files: oneRule(
      '_writes := {"create", "updat"}\n\ndeny contains {"id": "a", "reason": "r"} if _writes[input.request.verb]',
    ),
    at: `${X}:3:23`,
    says: 'never "updat"',
  },
  {
    name: 'a verb that does not exist, behind a variable',
    files: oneRule(
      'deny contains {"id": "a", "reason": "r"} if {\n\tr := input.request\n\tr.verb == "lits"\n}',
    ),
    at: `${X}:5:12`,
    says: 'never "lits"',
  },
  {
    name: 'a verb that does not exist, in a function',
    files: oneRule(
      '_is(r) if r.verb != "lits"\n\ndeny contains {"id": "a", "reason": "r"} if _is(input.request)',
    ),
    at: `${X}:3:21`,
    says: 'never "lits"',
  },
  {
    name: 'a scope that does not exist',
    files: oneRule(
      'deny contains {"id": "a", "reason": "r"} if "namespace" == input.request.scope',
    ),
    at: `${X}:3:45`,
    says: 'input.request.scope is never "namespace"',
  },
  {
    name: 'a body that does not exist',
    files: oneRule('deny contains {"id": "a", "reason": "r"} if input.request.body == "unread"'),
    at: `${X}:3:67`,
    says: 'input.request.body is never "unread"',
  },
  {
    name: 'a kind of user that does not exist',
    files: oneRule('deny contains {"id": "a", "reason": "r"} if input.user.kind == "robot"'),
    at: `${X}:3:64`,
    says: 'input.user.kind is never "robot"',
  },
  {
    name: 'a field that object.get hides from the type checker',
    files: oneRule(
      'deny contains {"id": "a", "reason": "r"} if object.get(input.request, "vreb", "") == "get"',
    ),
    at: `${X}:3:71`,
    says: 'input.request.vreb does not exist',
  },
  {
    name: 'a computed reason',
    files: oneRule(
      'deny contains {"id": "a", "reason": concat("", ["no ", input.request.name])} if input.request.dry_run',
    ),
    at: `${X}:3:37`,
    says: 'reason is computed',
  },
  {
    name: 'an element out of a variable',
    files: oneRule('deny contains element if element := {"id": "a", "reason": "r"}'),
    at: `${X}:3:15`,
    says: 'is computed',
  },
  {
    name: 'a placeholder that nothing fills in',
    files: oneRule(
      'deny contains {"id": "a", "reason": "no {request.user}"} if input.request.dry_run',
    ),
    at: `${X}:3:37`,
    says: '{request.user}, which nothing fills in',
  },
  {
    name: 'approvers out of the request',
    files: oneRule(
      'hold contains {"id": "a", "reason": "r", "approvers": input.user.groups} if input.request.dry_run',
    ),
    at: `${X}:3:55`,
    says: 'approvers is computed',
  },
  {
    name: 'approvers looked up in the head, where a missing key makes the hold vanish',
    files: {
      ...oneRule(
        'hold contains {"id": "a", "reason": "r", "approvers": data.owned.namespaces[input.request.namespace].owners} if input.request.dry_run',
      ),
      'owned/data.yaml': 'namespaces: {}',
      'owned/schema.json': mapSchema,
    },
    at: `${X}:3:55`,
    says: 'approvers is computed',
  },
  {
    name: 'approvers under one key of an open map',
    files: {
      ...oneRule(
        'hold contains {"id": "a", "reason": "r", "approvers": data.owned.namespaces.shop.owners} if input.request.dry_run',
      ),
      'owned/data.yaml': 'namespaces: {}',
      'owned/schema.json': mapSchema,
    },
    at: `${X}:3:55`,
    says: 'data.owned.namespaces.shop.owners may be undefined',
  },
  {
    name: 'data without a schema',
    files: {
      ...oneRule(
        'hold contains {"id": "a", "reason": "r", "approvers": data.owned.owners} if input.request.dry_run',
      ),
      'owned/data.yaml': 'owners: [oncall]',
    },
    at: 'owned/data.yaml',
    says: 'data.owned has no schema',
  },
  {
    name: 'data that its schema does not make mandatory',
    files: {
      ...oneRule(
        'hold contains {"id": "a", "reason": "r", "approvers": data.owned.owners} if input.request.dry_run',
      ),
      'owned/data.yaml': 'owners: [oncall]',
      'owned/schema.json': optionalSchema,
    },
    at: `${X}:3:55`,
    says: 'data.owned.owners may be undefined: owners is not required',
  },
  {
    name: 'data that is not there',
    files: oneRule(
      'deny contains {"id": "a", "reason": "r"} if data.owner.names[input.request.name]',
    ),
    at: `${X}:3:45`,
    says: 'there is no such data',
  },
  {
    name: 'a mistyped key of data',
    files: {
      ...oneRule(
        'deny contains {"id": "a", "reason": "r"} if input.request.name in data.owned.ownrs',
      ),
      'owned/data.yaml': 'owners: [oncall]',
      'owned/schema.json': ownersSchema,
    },
    at: `${X}:3:67`,
    says: 'ownrs is no key of it',
  },
  {
    name: 'a schema keyword that nobody enforces',
    files: {
      'owned/data.yaml': 'owners: [oncall]',
      'owned/schema.json': '{"type": "object", "additionalProperties": false, "minProperties": 1}',
    },
    at: 'owned/schema.json',
    says: 'minProperties is not enforced',
  },
  {
    name: 'a mask path that does not parse',
    files: oneRule(
      'mask contains {"id": "a", "reason": "r", "fields": ["data["]} if input.request.dry_run',
    ),
    at: `${X}:3:53`,
    says: 'does not parse: it has a bracket',
  },
  {
    name: 'a mask that hides nothing',
    files: oneRule('mask contains {"id": "a", "reason": "r"} if input.request.dry_run'),
    at: `${X}:3:1`,
    says: 'a mask hides nothing',
  },
  {
    name: 'a pattern that is no regular expression',
    files: oneRule(
      'mask contains {"id": "a", "reason": "r", "patterns": ["("]} if input.request.dry_run',
    ),
    at: `${X}:3:55`,
    says: 'the pattern "("',
  },
  {
    name: 'a where with an unknown part',
    files: oneRule(
      'mask contains {"id": "a", "reason": "r", "fields": ["data"], "where": {"label": {"a": "b"}}} if input.request.dry_run',
    ),
    at: `${X}:3:72`,
    says: 'where has labels, annotations and names',
  },
  {
    name: 'a record level that does not exist',
    files: oneRule(
      'record contains {"id": "a", "reason": "r", "level": "none"} if input.request.dry_run',
    ),
    at: `${X}:3:53`,
    says: 'the level of a record element',
  },
  {
    name: 'a fetch that does not say live',
    files: oneRule('fetch contains {"live": false} if input.request.verb == "patch"'),
    at: `${X}:3:1`,
    says: 'an element of fetch',
  },
  {
    name: 'a fetch that depends on the object, through a helper',
    files: oneRule('_big if input.request.object.spec\n\nfetch contains {"live": true} if _big'),
    at: `${X}:3:9`,
    says: 'fetch depends on input.request.object',
  },
  {
    name: 'a rule that reads another rule',
    files: {
      ...oneRule(oneAllow),
      'rules/y.rego':
        'package rules.y\n\ndeny contains {"id": "a", "reason": "r"} if not data.rules.x.allow',
    },
    at: 'rules/y.rego:3:49',
    says: 'rules do not read other rules',
  },
  {
    name: 'a rule that reads all data',
    files: oneRule('deny contains {"id": "a", "reason": "r"} if data[input.request.name]'),
    at: `${X}:3:45`,
    says: 'without naming a topic',
  },
  {
    name: 'a rule that decides about another input',
    files: oneRule(
      '_x if input.request.dry_run\n\ndeny contains {"id": "a", "reason": "r"} if _x with input as {}',
    ),
    at: `${X}:5:45`,
    says: '`with` outside a test',
  },
  {
    name: 'an import that hides the input',
    files: {
      [X]: `package rules.x\n\nimport input.request as r\n\ndeny contains {"id": "a", "reason": "r"} if r.dry_run`,
    },
    at: `${X}:3:8`,
    says: 'input.request is imported',
  },
  {
    name: 'one id for two holds, so that a grant of one covers the other',
    files: oneRule(
      'hold contains {"id": "a", "reason": "r", "approvers": ["oncall"]} if input.request.verb == "delete"\n\nhold contains {"id": "a", "reason": "q", "approvers": ["oncall"]} if input.request.verb == "patch"',
    ),
    at: `${X}:5:22`,
    says: 'stands for two different elements',
  },
];
