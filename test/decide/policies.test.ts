import { mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { createPolicies, type PolicySources } from '../../src/decide/index.ts';
import { findOpa } from '../../src/decide/opa.ts';
import { problemText } from '../../src/decide/problem.ts';
import {
  createdPolicies,
  heardPolicies,
  problemsOf,
  verdictOf,
} from '../support/heard-policies.ts';
import { gateFiles, inputOf, writeFiles } from '../support/policy-fixtures.ts';

const RULE = 'rules/x/x.rego';
const rule = (verb: string): string =>
  `package rules.x\n\nallow contains {"id": "${verb}", "reason": "r"} if input.request.verb == "${verb}"\n`;
const BROKEN =
  'package rules.x\n\nallow contains {"id": "a", "reason": "r"} if input.request.vreb\n';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** A path to opa that can be taken away. */
async function linkedOpa(): Promise<string> {
  const found = await findOpa({});
  if (!found.ok) throw new Error(found.error);
  const directory = await mkdtemp(join(tmpdir(), 'holdgate-test-'));
  closing.push(() => rm(directory, { recursive: true, force: true }));
  const path = join(directory, 'opa');
  await symlink(found.value.path, path);
  return path;
}

async function world(
  options: {
    readonly keep?: (sources: PolicySources) => Promise<void>;
    readonly watch?: boolean;
    readonly opa?: string;
  } = {},
) {
  const directory = await mkdtemp(join(tmpdir(), 'holdgate-test-'));
  closing.push(() => rm(directory, { recursive: true, force: true }));
  await writeFiles(directory, { ...gateFiles, [RULE]: rule('get') });
  const { options: heard, changes, lines, until } = heardPolicies(options.keep);
  const watch = options.watch ?? true;
  const opa = { configured: options.opa };
  const policies = createdPolicies(await createPolicies({ ...heard, opa, directory, watch }));
  closing.push(() => policies.close());
  const save = (text: string, name = RULE): Promise<void> =>
    writeFiles(directory, { [name]: text });
  return { directory, policies, changes, lines, until, save };
}

describe('a saved policy', () => {
  test('is in force without being asked for, and the change is told', async () => {
    const { policies, changes, until, save } = await world();
    expect(await verdictOf(policies, 'list')).toBe('deny');
    await save(rule('list'));
    await until(() => changes.length === 2);
    expect(await verdictOf(policies, 'list')).toBe('allow');
    expect(changes[1]?.previous).toEqual(changes[0]?.policy);
  });

  test('is in force when it is a new file in a new folder', async () => {
    const { policies, changes, until, save } = await world();
    await save(rule('list').replace('rules.x', 'rules.y'), 'rules/y/y.rego');
    await until(() => changes.length === 2);
    expect([await verdictOf(policies, 'get'), await verdictOf(policies, 'list')]).toEqual([
      'allow',
      'allow',
    ]);
  });

  test('is in force when an editor puts a new file in place of the old one', async () => {
    const { directory, policies, changes, until } = await world();
    await writeFile(join(directory, 'new.tmp'), rule('list'));
    await rename(join(directory, 'new.tmp'), join(directory, RULE));
    await until(() => changes.length === 2);
    expect(await verdictOf(policies, 'list')).toBe('allow');
  });

  test('that is taken back has the policy before it in force again, without opa', async () => {
    const opa = await linkedOpa();
    const { policies, changes, save } = await world({ watch: false, opa });
    await save(rule('list'));
    expect((await policies.reload()).ok).toBe(true);
    await rm(opa);
    await save(rule('get'));
    expect((await policies.reload()).ok).toBe(true);
    expect([await verdictOf(policies, 'get'), await verdictOf(policies, 'list')]).toEqual([
      'allow',
      'deny',
    ]);
    expect(changes[2]?.policy).toEqual(changes[0]?.policy);
    await save(rule('watch'));
    expect((await policies.reload()).ok).toBe(false);
  });

  test('decides nothing that was asked before', async () => {
    const { policies, changes, until, save } = await world();
    const old = policies.current();
    await save(rule('list'));
    await until(() => changes.length === 2);
    expect((await old?.decide(inputOf({ verb: 'get' })))?.verdict).toBe('allow');
    expect(await verdictOf(policies, 'get')).toBe('deny');
  });
});

describe('a broken save', () => {
  test('is reported with file and line, the running policy stays, and mending it loads', async () => {
    const { policies, changes, lines, until, save } = await world();
    await save(BROKEN);
    await until(
      () => policies.problems().length > 0 && lines.some((line) => line.includes('refused')),
    );
    expect(policies.problems().map(problemText)).toEqual([
      expect.stringMatching(
        /^rules\/x\/x\.rego:3:46: rego_type_error: undefined ref: input\.request\.vreb; it is one of/,
      ),
    ]);
    expect(lines.join('')).toContain('rules/x/x.rego:3:46');
    expect(await verdictOf(policies, 'get')).toBe('allow');
    expect(changes).toHaveLength(1);
    await save(rule('list'));
    await until(() => changes.length === 2);
    expect(policies.problems()).toEqual([]);
  });

  test('that is undone is in force again without a change', async () => {
    const { policies, changes, save } = await world({ watch: false });
    await save(BROKEN);
    expect((await policies.reload()).ok).toBe(false);
    await save(rule('get'));
    expect((await policies.reload()).ok).toBe(true);
    expect([policies.problems(), changes.length]).toEqual([[], 1]);
  });

  test('of the whole folder keeps the running policy', async () => {
    const { directory, policies } = await world({ watch: false });
    await rm(join(directory, 'gate'), { recursive: true });
    expect((await policies.reload()).ok).toBe(false);
    expect(problemsOf(policies)).toContain('no gate/decision.rego');
    expect(await verdictOf(policies, 'get')).toBe('allow');
  });
});

describe('sources', () => {
  test('are kept before anything is decided by them, once a hash', async () => {
    const kept: string[] = [];
    const { policies, save } = await world({
      watch: false,
      keep: (sources) => {
        kept.push(sources.hash);
        return Promise.resolve();
      },
    });
    await policies.reload();
    await save(rule('list'));
    await policies.reload();
    expect(kept).toHaveLength(2);
    expect(kept[1]).toBe(policies.current()?.identity.sources);
  });

  test('that cannot be kept keep their policy out of force, until they can', async () => {
    let broken = true;
    const { policies, changes, until } = await world({
      keep: () => (broken ? Promise.reject(new Error('database down')) : Promise.resolve()),
    });
    expect([policies.current(), changes.length]).toEqual([null, 0]);
    expect(problemsOf(policies)).toContain('database down');
    broken = false;
    await until(() => changes.length === 1);
    expect(await verdictOf(policies, 'get')).toBe('allow');
  });
});

test('without opa nothing is created, and the message says where it was sought', async () => {
  const created = await createPolicies({
    ...heardPolicies().options,
    directory: '/nonexistent',
    opa: { configured: '/nonexistent/opa' },
  });
  const said = created.ok ? [] : created.error.map(problemText);
  expect(said.join()).toContain('/nonexistent/opa does not run');
});
