import { afterEach, describe, expect, test } from 'vitest';
import { loadBundle } from '../../../src/decide/bundle/load-bundle.ts';
import { openBundle } from '../../../src/decide/bundle/open-bundle.ts';
import { findOpa, type Policy } from '../../../src/decide/index.ts';
import { problemText } from '../../../src/decide/problem.ts';
import {
  buildBundle,
  repack,
  unpack,
  type Archive,
  type Files,
} from '../../support/opa-bundles.ts';
import { inputOf } from '../../support/policy-fixtures.ts';

const found = await findOpa({});
if (!found.ok) throw new Error(found.error);
const opa = found.value;

const open: Policy[] = [];
afterEach(async () => {
  for (const policy of open.splice(0)) await policy.close();
});

const RULE = 'rules/x/x.rego';
const good: Files = {
  [RULE]: `package rules.x

allow contains {"id": "a", "reason": "r"} if input.request.verb in data.owned.verbs

hold contains {"id": "b", "reason": "r", "approvers": data.owned.approvers} if input.request.verb == "delete"
`,
  'owned/data.json': '{"verbs": ["get"], "approvers": ["oncall"]}',
};

type Options = { readonly withOpa?: boolean; readonly change?: (archive: Archive) => unknown };

/** What comes of a bundle: its policy, or why there is none. */
async function load(bundle: Buffer, { withOpa = true, change }: Options = {}) {
  const archive = await unpack(bundle);
  change?.(archive);
  const opened = await openBundle(await repack(archive), { verification: null, excludeFiles: [] });
  if (!opened.ok) return { problems: [opened.error] };
  const loaded = await loadBundle(opened.value, {
    approverGroups: ['oncall'],
    isMaskPath: () => null,
    opa: withOpa ? opa : null,
    cache: new Map(),
  });
  if (!loaded.ok) return { problems: loaded.error.map(problemText) };
  open.push(loaded.value.policy);
  return { problems: [], bundle: opened.value, ...loaded.value };
}

async function taken(bundle: Buffer, options: Options = {}) {
  const loaded = await load(bundle, options);
  if (!('policy' in loaded)) throw new Error(loaded.problems.join('\n'));
  return loaded;
}

const withoutRego = (archive: Archive): void => {
  for (const name of archive.keys()) if (name.endsWith('.rego')) archive.delete(name);
};

const verdictOf = async (policy: Policy, verb: 'get' | 'list' | 'delete'): Promise<string> =>
  (await policy.decide(inputOf({ verb }))).verdict;

describe('a bundle of opa build decides', () => {
  test('as its rules and data say, under its hashes and its revision', async () => {
    const { policy, bundle } = await taken(await buildBundle(good, { revision: 'abc123' }));
    expect([
      await verdictOf(policy, 'get'),
      await verdictOf(policy, 'list'),
      await verdictOf(policy, 'delete'),
    ]).toEqual(['allow', 'deny', 'hold']);
    expect(policy.identity).toEqual({
      wasm: bundle.compiled.hash,
      sources: bundle.sources.hash,
      compiler: 'bundle',
      revision: 'abc123',
    });
    expect((await policy.decide(inputOf())).policy).toEqual(policy.identity);
    expect(policy.approverGroups).toEqual(['oncall']);
  });

  test('with the sources kept at their places of the folder, whatever folder name opa put before', async () => {
    const plain = await buildBundle(good);
    const moved = (archive: Archive): void => {
      const rego = [...archive].filter(([name]) => name.endsWith('.rego'));
      for (const [name, bytes] of rego) {
        archive.delete(name);
        archive.set(`policies/${name}`, bytes);
      }
    };
    const first = await taken(plain);
    const second = await taken(plain, { change: moved });
    expect([...first.bundle.sources.files.keys()]).toEqual([
      'gate/decision.rego',
      'owned/data.json',
      RULE,
    ]);
    expect(second.policy.identity).toEqual(first.policy.identity);
  });

  test('and gets everything that a rule may read: nothing of that is taken from its sources', async () => {
    const { policy } = await taken(await buildBundle(good));
    expect([policy.readsObject, policy.readsLive, policy.fetches]).toEqual([true, true, true]);
    expect(await policy.fetchesLive(inputOf())).toBe(false);
  });
});

describe('what was not checked is said', () => {
  test('with sources: tests and schemas, which opa build leaves out', async () => {
    const { leftToBuilder } = await taken(await buildBundle(good));
    expect(leftToBuilder).toEqual([
      'that the module was compiled from the sources',
      'the tests (the bundle has none)',
      'whether data may be undefined (no schema.json of owned)',
    ]);
  });

  test('with schemas beside the sources: data is checked against them', async () => {
    const schema = (required: string): Buffer =>
      Buffer.from(
        `{"type": "object", "required": ["${required}"], "properties": {"verbs": {"type": "array", "items": {"type": "string"}}, "approvers": {"type": "array", "minItems": 1, "items": {"type": "string"}}}, "additionalProperties": false}`,
      );
    const bundle = await buildBundle(good);
    const { problems } = await load(bundle, {
      change: (archive) => archive.set('owned/schema.json', schema('verbs')),
    });
    expect(problems.join('\n')).toMatch(/data\.owned\.approvers may be undefined/);
    const stale = await load(bundle, {
      change: (archive) => archive.set('gone/schema.json', schema('verbs')),
    });
    expect(stale.problems.join('\n')).toContain('data.gone has a schema and no data');
  });

  test.each([
    { what: 'without opa', options: { withOpa: false }, why: '(no opa is here)' },
    {
      what: 'without sources',
      options: { change: withoutRego },
      why: '(the bundle has no sources)',
    },
  ])('$what: all checks of the sources', async ({ options, why }) => {
    const { policy, leftToBuilder } = await taken(await buildBundle(good), options);
    expect(leftToBuilder).toEqual([`all checks of the Rego sources ${why}`]);
    expect(await verdictOf(policy, 'get')).toBe('allow');
  });
});

describe('a bundle is refused', () => {
  const rule = (text: string): Files => ({ ...good, [RULE]: `package rules.x\n\n${text}\n` });

  test.each([
    {
      what: 'where an approver group of its data is not configured',
      files: { ...good, 'owned/data.json': '{"verbs": [], "approvers": ["nobody"]}' },
      says: /^owned\/data\.json:1:\d+: data\.owned\.approvers\.0 .*"nobody" is not configured/,
    },
    {
      what: 'where a constant can never apply',
      files: rule('allow contains {"id": "a", "reason": "r"} if input.request.verb == "dleete"'),
      says: /^rules\/x\/x\.rego:3:.*input\.request\.verb is never "dleete"/,
    },
    {
      what: 'where the input has no such name',
      files: rule('allow contains {"id": "a", "reason": "r"} if input.request.vreb'),
      says: /undefined ref: input\.request\.vreb/,
    },
    {
      what: 'where an element has an unknown field',
      files: rule('allow contains {"id": "a", "reason": "r", "opaqe": true} if input.request.verb'),
      says: /^rules\/x\/x\.rego:3:.*opaqe/,
    },
    {
      what: 'where a package is not the one of its file',
      files: { ...good, 'rules/y/y.rego': 'package rules.z\n\n_a := 1\n' },
      says: /^rules\/y\/y\.rego:1:.*rules\.y, not rules\.z/,
    },
    {
      what: 'where data does not exist',
      files: rule('allow contains {"id": "a", "reason": "r"} if data.nothing.a'),
      says: /data\.nothing\.a: there is no such data/,
    },
    {
      what: 'where a rule could ask for the clock',
      files: rule('allow contains {"id": "a", "reason": "r"} if time.now_ns() > 1'),
      says: /time\.now_ns/,
    },
    {
      what: 'where data would stand in for rules',
      files: { ...good, 'lib/data.json': '{"x": 1}' },
      says: /data\.json: "lib" is no name for a topic of data/,
    },
  ])('$what', async ({ files, says }) => {
    const { problems } = await load(await buildBundle(files));
    expect(problems.join('\n')).toMatch(says);
  });

  test.each([
    {
      what: 'whose fold gives no decision',
      files: {
        [RULE]: good[RULE] ?? '',
        'owned/data.json': good['owned/data.json'] ?? '',
        'gate/decision.rego':
          'package gate\n\ndecision := {"verdict": "yes"}\n\nfetch := {"live": false}\n',
      },
      says: 'a trial evaluation failed: gate/decision.rego: the decision is malformed',
    },
    {
      what: 'that fails for a sort of request',
      files: rule(`allow contains {"id": "a", "reason": "r"} if _f(input.request.verb)

_f(x) := true if x == "deletecollection"

_f(x) := false if startswith(x, "delete")`),
      says: 'a trial evaluation failed: ',
    },
    {
      what: 'that asks its host for what is not there',
      files: rule('allow contains {"id": "a", "reason": "r"} if time.now_ns() > 1'),
      says: 'time.now_ns',
    },
  ])('without sources too: $what', async ({ files, says }) => {
    const { problems } = await load(await buildBundle(files), { change: withoutRego });
    expect(problems.join('\n')).toContain(says);
  });

  test('where the module has an entrypoint more, or the manifest says so', async () => {
    const more = await buildBundle(good, { args: ['--entrypoint', 'gate/_live'] });
    expect((await load(more)).problems).toEqual([
      '.manifest: its entrypoints are gate/_live, gate/decision, gate/fetch, not gate/decision, gate/fetch',
    ]);
    const plain = await unpack(await buildBundle(good));
    const forged = await load(more, {
      withOpa: false,
      change: (archive) => archive.set('.manifest', plain.get('.manifest') ?? Buffer.alloc(0)),
    });
    expect(forged.problems.join()).toContain('the compiled policy has the entrypoints');
  });

  test.each([
    { what: 'no module', file: 'policy.wasm', text: null, says: 'the bundle has no policy.wasm' },
    {
      what: 'a module of garbage',
      file: 'policy.wasm',
      text: 'x',
      says: 'trial evaluation failed',
    },
    { what: 'no manifest', file: '.manifest', text: null, says: '.manifest: line 1' },
    { what: 'a delta', file: 'patch.json', text: '{}', says: 'the bundle is a delta' },
    { what: 'data in two places', file: 'a/data.yaml', text: 'b: 1', says: 'a/data.yaml: data is' },
    {
      what: 'data that is a list',
      file: 'data.json',
      text: '[]',
      says: 'data.json: it is no object',
    },
    {
      what: 'no gate among its sources',
      file: 'gate/decision.rego',
      text: null,
      says: 'no gate/decision.rego',
    },
    {
      what: 'data outside its roots',
      file: '.manifest',
      text: '{"roots": ["owned/verbs"], "wasm": [{"entrypoint": "gate/decision", "module": "/policy.wasm"}, {"entrypoint": "gate/fetch", "module": "/policy.wasm"}]}',
      says: 'data.json: owned/approvers is outside the roots',
    },
    {
      what: 'a revision that could forge a line of a log',
      file: '.manifest',
      text: '{"revision": "a\\nb", "wasm": []}',
      says: '.manifest: revision: has control characters',
    },
  ])('that has $what', async ({ file, text, says }) => {
    const { problems } = await load(await buildBundle(good), {
      change: (archive) =>
        text === null ? archive.delete(file) : archive.set(file, Buffer.from(text)),
    });
    expect(problems.join('\n')).toContain(says);
  });
});
