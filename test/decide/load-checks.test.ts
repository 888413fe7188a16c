import { describe, expect, test } from 'vitest';
import type { ElementPorts } from '../../src/decide/element-strings.ts';
import { openWorkbench, type ParseCache } from '../../src/decide/compile.ts';
import { loadChecks, type LoadChecks } from '../../src/decide/load-checks.ts';
import { findOpa } from '../../src/decide/opa.ts';
import { problemText } from '../../src/decide/problem.ts';
import { sourcesOf } from '../support/policy-fixtures.ts';
import { badPolicies, mapSchema, oneAllow, oneRule } from './bad-policies.ts';

const opa = await findOpa({});
if (!opa.ok) throw new Error(opa.error);
const compiler = opa.value;
const cache: ParseCache = new Map();

const ports: ElementPorts = {
  approverGroups: ['oncall'],
  isMaskPath: (path) => (path.includes('[') ? 'it has a bracket' : null),
};

async function checksOf(files: Readonly<Record<string, string>>): Promise<LoadChecks> {
  const sources = sourcesOf(files);
  const bench = await openWorkbench(compiler, sources, cache);
  try {
    const modules = await bench.parse();
    if (!modules.ok) throw new Error(modules.error.map(problemText).join('\n'));
    return loadChecks(sources.files, modules.value, ports);
  } finally {
    await bench.close();
  }
}

const problemsOf = async (files: Readonly<Record<string, string>>): Promise<readonly string[]> =>
  (await checksOf(files)).problems.map(problemText);

describe('the loader refuses', () => {
  test.each(badPolicies)('$name', async ({ files, at, says }) => {
    const problems = await problemsOf(files);
    const found = problems.find((one) => one.startsWith(`${at}: `) && one.includes(says));
    expect(found ?? problems).toContain(says);
  });
});

describe('the loader takes', () => {
  test.each([
    { name: 'an ordinary rule', files: oneRule(oneAllow) },
    {
      name: 'a rule that is a single file',
      files: { 'rules/x.rego': `package rules.x\n\n${oneAllow}` },
    },
    {
      name: 'helpers, functions and libraries',
      files: {
        ...oneRule(
          '_f(x) if x == "shop"\n\nallow contains {"id": "a", "reason": "r"} if _f(input.request.namespace)',
        ),
        'lib/y/y.rego': 'package lib.y\n\nf(x) := x',
      },
    },
    {
      name: 'approvers out of data that the body goes through',
      files: {
        ...oneRule(
          'hold contains {"id": "a", "reason": "r", "approvers": owned.owners} if owned := data.owned.namespaces[input.request.namespace]',
        ),
        'owned/data.yaml': 'namespaces: {shop: {owners: [oncall]}}',
        'owned/schema.json': mapSchema,
      },
    },
    {
      name: 'the same element on two conditions',
      files: oneRule(
        'allow contains {"id": "a", "reason": "r"} if input.request.verb == "get"\n\nallow contains {"id": "a", "reason": "r"} if input.request.verb == "list"',
      ),
    },
    {
      name: 'placeholders that the gateway fills in',
      files: oneRule(
        'deny contains {"id": "a", "reason": "{user.username} may not {request.name}"} if input.request.dry_run',
      ),
    },
  ])('$name', async ({ files }) => {
    expect(await problemsOf(files)).toEqual([]);
  });
});

describe('what a policy reads is known before it is asked', () => {
  test.each([
    {
      name: 'nothing of the object',
      body: 'input.request.verb == "get"',
      object: false,
      live: false,
    },
    { name: 'the object', body: 'input.request.object.spec', object: true, live: false },
    {
      name: 'the object behind a variable',
      body: 'r := input.request; r.object.kind == "x"',
      object: true,
      live: false,
    },
    {
      name: 'the verb behind a variable',
      body: 'r := input.request; r.verb == "get"',
      object: false,
      live: false,
    },
    { name: 'the whole request', body: 'count(input.request) > 3', object: true, live: false },
    { name: 'the whole input', body: 'json.marshal(input) != ""', object: true, live: true },
    {
      name: 'a part by a variable',
      body: 'input.request[input.request.name]',
      object: true,
      live: false,
    },
    { name: 'the live object', body: 'input.live.spec', object: false, live: true },
  ])('$name', async ({ body, object, live }) => {
    const checks = await checksOf(
      oneRule(`deny contains {"id": "a", "reason": "r"} if { ${body} }`),
    );
    expect(checks.problems).toEqual([]);
    expect({ object: checks.readsObject, live: checks.readsLive }).toEqual({ object, live });
  });
});
