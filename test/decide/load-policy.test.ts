import { afterEach, describe, expect, test } from 'vitest';
import { createEngine, toMachineCode } from '../../src/decide/engine.ts';
import { openWorkbench } from '../../src/decide/compile.ts';
import { createLargeInputs } from '../../src/decide/large-input.ts';
import { checkSources, findOpa, type Policy } from '../../src/decide/index.ts';
import { inputText } from '../../src/decide/input-text.ts';
import { problemText } from '../../src/decide/problem.ts';
import { inputOf, sourcesOf } from '../support/policy-fixtures.ts';

const opa = await findOpa({});
if (!opa.ok) throw new Error(opa.error);
const compiler = opa.value;

const open: Policy[] = [];
afterEach(async () => {
  for (const policy of open.splice(0)) await policy.close();
});

type Files = Readonly<Record<string, string>>;

async function load(files: Files): Promise<Policy> {
  const loaded = await attempt(files);
  if (!loaded.ok) throw new Error(loaded.error.map(problemText).join('\n'));
  open.push(loaded.value.policy);
  return loaded.value.policy;
}

const attempt = (files: Files): ReturnType<typeof checkSources> =>
  checkSources({
    sources: sourcesOf(files),
    opa: {},
    approverGroups: ['oncall'],
    isMaskPath: (path) => (path === 'data.' ? 'it ends in a dot' : null),
  });

const refusals = async (files: Files): Promise<readonly string[]> => {
  const loaded = await attempt(files);
  if (!loaded.ok) return loaded.error.map(problemText);
  await loaded.value.policy.close();
  return [];
};

const RULE = 'rules/x/x.rego';
const allowAll =
  'package rules.x\n\nallow contains {"id": "a", "reason": "r"} if input.request.verb\n';

async function compiled(files: Files) {
  const bench = await openWorkbench(compiler, sourcesOf(files), new Map());
  try {
    const built = await bench.build();
    if (!built.ok) throw new Error(built.error.map(problemText).join('\n'));
    return built.value;
  } finally {
    await bench.close();
  }
}

async function machineCode(files: Files) {
  const code = await toMachineCode(await compiled(files));
  if (!code.ok) throw new Error(code.error);
  return code.value;
}

describe('a policy is not loaded', () => {
  test('while a test of it fails, and the refusal names the test', async () => {
    const files = {
      [RULE]: allowAll,
      'rules/x/x_test.rego':
        'package tests.x\n\nimport data.rules.x\n\ntest_nothing_is_allowed if count(x.allow) == 0 with input as {"request": {"verb": "get"}}\n',
    };
    expect(await refusals(files)).toEqual([
      expect.stringMatching(/^rules\/x\/x_test\.rego:5:1: the test test_nothing_is_allowed fails/),
    ]);
  });

  test('where it does not parse', async () => {
    expect((await refusals({ [RULE]: 'package rules.x\n\nallow contains {' })).join()).toMatch(
      /^rules\/x\/x\.rego:3:16: rego_parse_error/,
    );
  });

  test('where a function that it calls does not exist', async () => {
    const text = `${allowAll}\nimport data.lib.y\n`.replace('input.request.verb', 'y.f(1)');
    expect(
      (await refusals({ [RULE]: text, 'lib/y/y.rego': 'package lib.y\n\ng(x) := x\n' })).join(),
    ).toContain('data.lib.y.f');
  });

  test.each([
    {
      name: 'a group of the data is not configured',
      data: 'owners: [oncall]\nothers: [nobody]\nfields: [data.a]\n',
      says: 'owned/data.yaml:2:10: data.owned.others.0 (used by rules/x/x.rego:3): the approver group "nobody" is not configured',
    },
    {
      name: 'a mask path of the data does not parse',
      data: 'owners: [oncall]\nothers: [oncall]\nfields: [data.]\n',
      says: 'owned/data.yaml:3:10: data.owned.fields.0 (used by rules/x/x.rego:5): the mask path "data." does not parse',
    },
    {
      name: 'the data lacks what its schema demands',
      data: 'owners: [oncall]\nothers: [oncall]\n',
      says: 'owned/data.yaml:1:1: data.owned lacks fields',
    },
    {
      name: 'the data has a mistyped key',
      data: 'owners: [oncall]\nothers: [oncall]\nfields: [data.a]\nfeilds: []\n',
      says: 'owned/data.yaml:4:1: data.owned.feilds is an unknown key',
    },
    {
      name: 'a list of approvers is empty',
      data: 'owners: [oncall]\nothers: []\nfields: [data.a]\n',
      says: 'owned/data.yaml:2:1: data.owned.others (used by rules/x/x.rego:3): is no list of strings with at least one item',
    },
  ])('where $name', async ({ data, says }) => {
    const list = { type: 'array', items: { type: 'string' } };
    const files = {
      [RULE]: `package rules.x

hold contains {"id": "a", "reason": "r", "approvers": data.owned.others} if input.request.dry_run

mask contains {"id": "b", "reason": "r", "fields": data.owned.fields} if input.request.dry_run
`,
      'owned/data.yaml': data,
      'owned/schema.json': JSON.stringify({
        type: 'object',
        additionalProperties: false,
        required: ['owners', 'others', 'fields'],
        properties: { owners: list, others: list, fields: list },
      }),
    };
    expect((await refusals(files)).join('\n')).toContain(says);
  });
});

describe('whatever fails is a deny', () => {
  const conflict = `package rules.x

allow contains {"id": "a", "reason": "r"} if _f(input.request.name)

_f(x) := true if startswith(x, "a")

_f(x) := false if endswith(x, "b")
`;

  test('a rule that throws denies with file and line, and the next request is decided again', async () => {
    const policy = await load({ [RULE]: conflict });
    expect((await policy.decide(inputOf({ name: 'a' }))).verdict).toBe('allow');
    const failed = await policy.decide(inputOf({ name: 'ab' }));
    expect(failed).toMatchObject({
      verdict: 'deny',
      because: [{ rule: 'gate', id: 'policy-failed' }],
    });
    expect(failed.failure).toMatch(/rules\/x\/x\.rego:\d+/);
    expect((await policy.decide(inputOf({ name: 'a' }))).verdict).toBe('allow');
  });

  test('in the worker too', async () => {
    const policy = await load({ [RULE]: conflict });
    const object = { text: 'x'.repeat(200_000) };
    const failed = await policy.decide(inputOf({ name: 'ab', object }));
    expect(failed.failure).toMatch(/rules\/x\/x\.rego:\d+/);
    expect((await policy.decide(inputOf({ name: 'a', object }))).verdict).toBe('allow');
  });

  test('a fold that gives no result', async () => {
    const files = {
      [RULE]: allowAll,
      'gate/decision.rego':
        'package gate\n\n# METADATA\n# entrypoint: true\ndecision := 1 if false\n\nfetch := {"live": false}\n',
    };
    expect((await refusals(files)).join()).toContain('the policy gave 0 results, not one');
  });

  test('a fold whose decision has a key too few', async () => {
    const files = {
      [RULE]: allowAll,
      'gate/decision.rego':
        'package gate\n\ndecision := {"verdict": "allow", "because": [], "mask": []}\n\nfetch := {"live": false}\n',
    };
    expect((await refusals(files)).join()).toContain('the decision is malformed');
  });

  test('input that is no JSON is denied, whatever rules say of what is not there', async () => {
    const engine = await createEngine(
      await machineCode({
        [RULE]: allowAll.replace('input.request.verb', 'not input.request.dry_run'),
      }),
    );
    if (!engine.ok) throw new Error(engine.error);
    expect(await engine.value.evaluate('gate/decision', '{"request": ')).toMatchObject({
      ok: true,
      value: [{ result: { verdict: 'deny', because: [{ rule: 'gate', id: 'no-input' }] } }],
    });
  });

  test('an evaluation over its time limit ends, and the next one works', async () => {
    const slow = `package rules.x

allow contains {"id": "a", "reason": "r"} if {
	input.request.name == "slow"
	count({[x, y, z] | some x in numbers.range(1, 400); some y in numbers.range(1, 400); some z in numbers.range(1, 400)}) > 1
}

allow contains {"id": "a", "reason": "r"} if input.request.name == "fast"
`;
    const large = createLargeInputs(await machineCode({ [RULE]: slow }), 400);
    try {
      const [first, second] = await Promise.all([
        large.evaluate('gate/decision', inputText(inputOf({ name: 'slow' }))),
        large.evaluate('gate/decision', inputText(inputOf({ name: 'fast' }))),
      ]);
      expect(first).toEqual({ ok: false, error: 'the evaluation took longer than 400 ms' });
      expect(second).toMatchObject({ ok: true, value: [{ result: { verdict: 'allow' } }] });
    } finally {
      await large.close();
    }
    expect(await large.evaluate('gate/decision', '{}')).toEqual({
      ok: false,
      error: 'the policy is closed',
    });
  });
});

describe('a decision', () => {
  test('has every field of its elements', async () => {
    const policy = await load({
      [RULE]: `package rules.x

hold contains {
	"id": "a", "reason": "{user.username} deletes {request.resource} {request.name} of {request.namespace}",
	"approvers": ["oncall"], "quorum": 2, "decide_within": 60, "ask_reason": true, "risk": "high",
	"only_if_allowed": true, "opaque": true, "reveals": true,
} if input.request.verb == "delete"

allow contains {"id": "b", "reason": "r"} if input.request.verb == "delete"

mask contains {"id": "c", "reason": "r", "fields": ["data.a"], "patterns": ["x+"], "where": {"labels": {"a": "b"}, "names": ["n"]}} if true

record contains {"id": "d", "reason": "r", "level": "full"} if true
`,
    });
    const decision = await policy.decide(
      inputOf({ verb: 'delete', name: 'n\nq', namespace: 'shop' }, { username: 'ada' }),
    );
    const hold = {
      rule: 'x',
      id: 'a',
      reason: 'ada deletes pods n?q of shop',
      approvers: ['oncall'],
      quorum: 2,
      decideWithinSeconds: 60,
      onlyIfAllowed: true,
      askReason: true,
      risk: 'high',
      opaque: true,
      reveals: true,
    };
    expect(decision).toEqual({
      verdict: 'hold',
      because: [hold],
      holds: [hold],
      mask: [
        {
          rule: 'x',
          id: 'c',
          reason: 'r',
          fields: ['data.a'],
          patterns: ['x+'],
          where: { labels: { a: 'b' }, names: ['n'] },
        },
      ],
      record: [{ rule: 'x', id: 'd', reason: 'r', level: 'full' }],
      policy: policy.identity,
    });
  });

  test('fills in each value once: a name that looks like a placeholder stays a name', async () => {
    const policy = await load({
      [RULE]:
        'package rules.x\n\ndeny contains {"id": "a", "reason": "no {request.name}", "instead": "ask {user.username}"} if true\n',
    });
    const { because } = await policy.decide(
      inputOf({ name: '{user.username}' }, { username: '$&' }),
    );
    expect(because).toEqual([
      { rule: 'x', id: 'a', reason: 'no {user.username}', instead: 'ask $&' },
    ]);
  });

  test('is the same for a small and a large input', async () => {
    const policy = await load({
      [RULE]:
        'package rules.x\n\nallow contains {"id": "a", "reason": "r"} if input.request.object.n == 12345678901234567890\n',
    });
    const small = await policy.decide(inputOf({ object: { n: 12345678901234567890n } }));
    const large = await policy.decide(
      inputOf({ object: { n: 12345678901234567890n, pad: 'x'.repeat(200_000) } }),
    );
    expect([small.verdict, large.verdict]).toEqual(['allow', 'allow']);
    const other = await policy.decide(inputOf({ object: { n: 12345678901234567891n } }));
    expect(other.verdict).toBe('deny');
  });

  test('names wasm, sources and compiler', async () => {
    const policy = await load({ [RULE]: allowAll });
    const { wasm, ...others } = policy.identity;
    expect(wasm).toBe((await compiled({ [RULE]: allowAll })).hash);
    expect(others).toEqual({
      sources: sourcesOf({ [RULE]: allowAll }).hash,
      compiler: compiler.name,
      revision: '',
    });
  });
});

test('the live object is asked for only where a rule wants it', async () => {
  const policy = await load({
    [RULE]: `${allowAll}\nfetch contains {"live": true} if input.request.verb == "patch"\n`,
  });
  expect(policy.fetches).toBe(true);
  expect(await policy.fetchesLive(inputOf({ verb: 'patch' }))).toBe(true);
  expect(await policy.fetchesLive(inputOf({ verb: 'get' }))).toBe(false);
});
