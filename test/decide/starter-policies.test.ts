import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import {
  checkPolicies,
  checkSources,
  locateElements,
  neededInputs,
} from '../../src/decide/index.ts';
import { problemText, type Decision } from '../../src/decide/index.ts';
import { maskPathProblem } from '../../src/mask/index.ts';
import { inputOf, shippedPolicies, sourcesOf } from '../support/policy-fixtures.ts';

const loaded = await checkPolicies({
  directory: shippedPolicies,
  opa: {},
  approverGroups: null,
  isMaskPath: maskPathProblem,
});
if (!loaded.ok) throw new Error(loaded.error.map(problemText).join('\n'));
const { policy, sources } = loaded.value;
afterAll(() => policy.close());

type Request = Parameters<typeof inputOf>[0];
type User = Parameters<typeof inputOf>[1];

const agent = { kind: 'agent', groups: ['local-agents'], username: 'agent' } satisfies User;
const person = { kind: 'human', groups: ['local-people'], username: 'person' } satisfies User;

const decide = (request: Request, user: User = agent): Promise<Decision> =>
  policy.decide(inputOf(request, user));

const elements = (decision: Decision): readonly string[] =>
  decision.because.map(({ rule, id }) => `${rule}/${id}`).sort();

describe('the first five minutes of an agent', () => {
  test('get pods -A passes', async () => {
    const decision = await decide({ verb: 'list', namespace: '', name: '' });
    expect([decision.verdict, decision.mask]).toEqual(['allow', []]);
  });

  test('get secret is allowed and masked', async () => {
    const decision = await decide({ resource: 'secrets' });
    expect([decision.verdict, decision.mask.map(({ rule }) => rule)]).toEqual([
      'allow',
      ['secrets'],
    ]);
  });

  test('delete pod in payments waits for payments-oncall', async () => {
    const decision = await decide({ verb: 'delete', namespace: 'payments' });
    expect(decision).toMatchObject({
      verdict: 'hold',
      holds: [{ rule: 'protected', id: 'delete', approvers: ['payments-oncall'], quorum: 1 }],
    });
    expect(policy.approverGroups).toEqual(['payments-oncall']);
  });

  test('create clusterrolebinding is denied by a rule that names itself', async () => {
    const decision = await decide({
      scope: 'cluster',
      verb: 'create',
      group: 'rbac.authorization.k8s.io',
      resource: 'clusterrolebindings',
      namespace: '',
      body: 'parsed',
      object: {},
    });
    expect([decision.verdict, elements(decision)]).toEqual(['deny', ['surfaces/rbac']]);
  });

  test.each([
    {
      name: 'create',
      request: {
        verb: 'create',
        group: 'apps',
        resource: 'deployments',
        body: 'parsed',
        object: {},
      },
    },
    { name: 'patch', request: { verb: 'patch', body: 'parsed', object: {}, patch: {} } },
    { name: 'delete elsewhere', request: { verb: 'delete', namespace: 'shop' } },
    {
      name: 'deletecollection',
      request: { verb: 'deletecollection', namespace: 'shop', name: '' },
    },
  ] as const)('other writes are denied by default: $name', async ({ request }) => {
    const decision = await decide(request);
    expect([decision.verdict, elements(decision)]).toEqual(['deny', ['gate/default-deny']]);
  });
});

describe('conformance of the starter set', () => {
  const everybody = [
    { name: 'an agent', user: agent },
    { name: 'an administrator', user: person },
  ];

  test.each(
    [
      '/debug/pprof',
      '/debug/pprof/profile',
      '/logs',
      '/logs/audit.log',
      '/metrics',
      '/configz',
    ].flatMap((path) => everybody.map(({ name, user }) => ({ path, name, user }))),
  )('$path is not readable for $name', async ({ path, user }) => {
    const nonresource = {
      scope: 'nonresource',
      resource: '',
      namespace: '',
      name: '',
      version: '',
    } as const;
    expect((await decide({ ...nonresource, verb: 'get', path }, user)).verdict).toBe('deny');
  });

  test.each(everybody)(
    'a rule for a namespace does not reach the namespace object: $name',
    async ({ user }) => {
      const object = {
        scope: 'cluster',
        resource: 'namespaces',
        namespace: '',
        name: 'payments',
      } as const;
      const decision = await decide({ ...object, verb: 'delete' }, user);
      expect([decision.verdict, elements(decision)]).toEqual([
        'deny',
        ['protected/delete-namespace'],
      ]);
    },
  );

  test.each(everybody)(
    'get pods does not reach pods/exec over WebSocket: $name',
    async ({ user }) => {
      expect((await decide({ verb: 'get' }, user)).verdict).toBe('allow');
      const wire = { method: 'GET', verb: 'get' };
      const exec = await decide({ verb: 'connect', resource: 'pods/exec', wire }, user);
      expect([exec.verdict, elements(exec)]).toEqual(['deny', ['secrets/streams']]);
    },
  );

  test.each(everybody)(
    'serviceaccounts/token stays denied, as a dry run too: $name',
    async ({ user }) => {
      const token = {
        verb: 'create',
        resource: 'serviceaccounts/token',
        body: 'parsed',
        object: {},
      } as const;
      for (const dry_run of [false, true]) {
        const decision = await decide({ ...token, dry_run }, user);
        expect(elements(decision)).toEqual(['surfaces/token-request']);
      }
    },
  );

  test.each(['nodes/proxy', 'pods/proxy', 'services/proxy'])(
    '%s stays denied',
    async (resource) => {
      const decision = await decide({ verb: 'connect', resource }, person);
      expect(elements(decision)).toContain('surfaces/proxy');
    },
  );
});

describe('administrators', () => {
  test('write what no rule denies', async () => {
    const request = {
      verb: 'create',
      group: 'apps',
      resource: 'deployments',
      body: 'parsed',
      object: {},
    } as const;
    expect((await decide(request, person)).verdict).toBe('allow');
  });

  test('wait for the owners of a protected namespace like everybody', async () => {
    const decision = await decide(
      { verb: 'delete', resource: 'secrets', namespace: 'payments' },
      person,
    );
    expect([decision.verdict, elements(decision)]).toEqual(['hold', ['protected/delete-other']]);
  });

  test('cannot run a privileged pod', async () => {
    const object = { spec: { containers: [{ securityContext: { privileged: true } }] } };
    const decision = await decide({ verb: 'create', body: 'parsed', object }, person);
    expect(elements(decision)).toEqual(['surfaces/privileged']);
  });
});

test('each reference into free-form input has its missing-field test', () => {
  const untested = policy.freeForm
    .filter(({ tested }) => !tested)
    .map(({ reference }) => reference);
  expect(policy.freeForm.length).toBeGreaterThan(8);
  expect(untested).toEqual([]);
});

test('what a rule needs to be explained is known', async () => {
  expect(await neededInputs(policy, inputOf({ verb: 'patch' }))).toEqual({
    object: true,
    live: false,
  });
  expect(await neededInputs(policy, inputOf({ verb: 'get' }))).toEqual({
    object: false,
    live: false,
  });
});

test('elements are found in the sources by file and line', async () => {
  const wanted = [
    { rule: 'protected', id: 'delete' },
    { rule: 'gate', id: 'default-deny' },
    { rule: 'nobody', id: 'x' },
  ];
  const places = await locateElements(sources, wanted, {});
  if (!places.ok) throw new Error(places.error.map(problemText).join('\n'));
  const lines = places.value.map(({ rule, id, file, line }) => {
    const text =
      sources.files
        .get(file)
        ?.split('\n')
        .slice(line - 1, line + 1)
        .join('\n') ?? '';
    return { rule, id, file, found: text.includes(`"id": "${id}"`) };
  });
  expect(lines).toEqual([
    { rule: 'gate', id: 'default-deny', file: 'gate/decision.rego', found: true },
    { rule: 'protected', id: 'delete', file: 'rules/protected/protected.rego', found: true },
  ]);
});

test('the rule and its test in docs/policies.md load, and decide what the page says', async () => {
  const page = readFileSync(new URL('../../docs/policies.md', import.meta.url), 'utf8');
  const [rule = '', itsTest = ''] = [...page.matchAll(/```rego\n([\s\S]*?)```/g)].map(
    ([, text]) => text,
  );
  const name = 'rules/shop_scale/shop_scale';
  const shown = await checkSources({
    sources: sourcesOf({ [`${name}.rego`]: rule, [`${name}_test.rego`]: itsTest }),
    opa: {},
    approverGroups: ['shop-oncall'],
    isMaskPath: () => null,
  });
  if (!shown.ok) throw new Error(shown.error.map(problemText).join('\n'));
  const scale = {
    verb: 'patch',
    group: 'apps',
    resource: 'deployments/scale',
    namespace: 'shop',
    body: 'parsed',
  } as const;
  const verdicts = await Promise.all(
    [3, 0].map((replicas) =>
      shown.value.policy.decide(inputOf({ ...scale, object: { spec: { replicas } } }, agent)),
    ),
  );
  expect(verdicts.map(({ verdict }) => verdict)).toEqual(['allow', 'hold']);
  expect(shown.value.policy.freeForm).toMatchObject([{ id: 'to-zero', tested: true }]);
  await shown.value.policy.close();
});
