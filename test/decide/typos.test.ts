import { describe, expect, test } from 'vitest';
import { openWorkbench } from '../../src/decide/compile.ts';
import { findOpa } from '../../src/decide/opa.ts';
import { policyInputJsonSchema } from '../../src/decide/input-schema.ts';
import { problemText } from '../../src/decide/problem.ts';
import { sourcesOf } from '../support/policy-fixtures.ts';

const opa = await findOpa({});
if (!opa.ok) throw new Error(opa.error);
const compiler = opa.value;

async function check(condition: string): Promise<readonly string[]> {
  const text = `package rules.x\n\nallow contains {"id": "a", "reason": "r"} if {\n\t${condition}\n}\n`;
  const bench = await openWorkbench(compiler, sourcesOf({ 'rules/x/x.rego': text }), new Map());
  try {
    return (await bench.check()).map(problemText);
  } finally {
    await bench.close();
  }
}

/** Twenty typing errors in names of the input: each would make a rule silently never apply. */
const typos = [
  'input.requst.verb == "get"',
  'input.request.vreb == "get"',
  'input.request.verbs == "get"',
  'input.request.Verb == "get"',
  'input.request.ressource == "pods"',
  'input.request.namespaces == "shop"',
  'input.request.nam == "a"',
  'input.request.dryRun',
  'input.request.scop == "cluster"',
  'input.request.apiGroup == ""',
  'input.request.exec.comand[_] == "sh"',
  'input.request.exec.command.args == "sh"',
  'input.request.log.folow',
  'input.request.wire.methd == "GET"',
  'input.user.group[_] == "admins"',
  'input.user.name == "a"',
  'input.user.token.jti == ""',
  'input.user.actor[_].sub == "a"',
  'input.clusters.name == "prod"',
  'not input.request.grants',
];

describe('a mistyped name of the input is refused', () => {
  test.each(typos)('%s', async (condition) => {
    const problems = await check(condition);
    expect(problems.join('\n')).toMatch(
      /^rules\/x\/x\.rego:4:\d+: rego_type_error: undefined ref/m,
    );
  });

  test('a value of the wrong type is refused', async () => {
    expect((await check('input.request.verb == 3')).join('\n')).toContain('match error');
  });

  test('an unused variable is refused, as strict mode does', async () => {
    expect((await check('x := input.request.verb')).join('\n')).toContain('assigned var x unused');
  });
});

describe('what rules may call', () => {
  test.each([
    'time.now_ns() > 0',
    'http.send({"method": "get", "url": "https://example.com"}).status_code == 200',
    'rand.intn("a", 3) == 1',
    'opa.runtime().env.HOME == "/"',
    'uuid.rfc4122("a") == ""',
    'net.lookup_ip_addr("example.com")[_] == "1.1.1.1"',
  ])('%s is refused', async (condition) => {
    expect((await check(condition)).join('\n')).toMatch(
      /^rules\/x\/x\.rego:4:\d+: .*undefined function/m,
    );
  });

  test.each(['input.request.exec != null', 'is_null(input.request.log)', 'regex.match(`a`, "a")'])(
    '%s is taken',
    async (condition) => {
      expect(await check(condition)).toEqual([]);
    },
  );
});

test('the schema has no anyOf: the type checker lets typing errors pass through it', () => {
  expect(JSON.stringify(policyInputJsonSchema())).not.toMatch(/anyOf|oneOf|allOf/);
});

test('there are twenty of them, all different', () => {
  expect(new Set(typos).size).toBe(20);
});
