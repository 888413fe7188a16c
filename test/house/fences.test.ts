import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkFences, countSources, type FenceReport } from '../support/fences.ts';

/** One file a case: what it says, and the rule that must fire on it (null: none may). A circle is reported on one of its files. */
const cases: readonly { file: string; text: string; rule: string | null }[] = [
  { file: 'base/result.ts', text: 'export const ok = 1;', rule: null },
  { file: 'base/up.ts', text: "export * from '../kube/table.ts';", rule: 'base-is-the-bottom' },
  { file: 'base/third.ts', text: "export { z } from 'zod';", rule: 'base-is-the-bottom' },
  { file: 'base/node.ts', text: "export { join } from 'node:path';", rule: null },
  { file: 'kube/table.ts', text: "export { ok } from '../base/result.ts';", rule: null },
  { file: 'kube/up.ts', text: "export * from '../mask/index.ts';", rule: 'kube-stands-on-base' },
  {
    file: 'mask/index.ts',
    text: "export type { Mask } from './mask.ts';\nexport { mask } from './mask.ts';",
    rule: null,
  },
  {
    file: 'mask/mask.ts',
    text: "import { ok } from '../base/result.ts';\nexport type Mask = string;\nexport const mask = ok;",
    rule: null,
  },
  {
    file: 'record/types.ts',
    text: "import type { Mask } from '../mask/index.ts';\nexport type Entry = Mask;",
    rule: null,
  },
  {
    file: 'record/values.ts',
    text: "import { mask } from '../mask/index.ts';\nexport const entry = mask;",
    rule: 'stages-share-types-only',
  },
  {
    file: 'record/back-door.ts',
    text: "import type { Mask } from '../mask/mask.ts';\nexport type Entry = Mask;",
    rule: 'by-the-door',
  },
  { file: 'record/up.ts', text: "export * from '../flow.ts';", rule: 'stage-order' },
  { file: 'flow.ts', text: "export { mask } from './mask/index.ts';", rule: null },
  {
    file: 'flow/step.ts',
    text: "export { mask } from '../mask/mask.ts';",
    rule: 'by-the-door',
  },
  { file: 'flow/up.ts', text: "export * from '../gateway.ts';", rule: 'flow-order' },
  {
    file: 'gateway.ts',
    text: "export * from './flow.ts';\nexport * from './mask/index.ts';\nexport * from './cli/options.ts';",
    rule: 'gateway-order',
  },
  { file: 'gateway-door.ts', text: "export * from './mask/mask.ts';", rule: 'by-the-door' },
  { file: 'cli/options.ts', text: "export { ok } from '../base/result.ts';", rule: null },
  { file: 'config/index.ts', text: "export { ok } from '../base/result.ts';", rule: null },
  { file: 'local/profile.ts', text: "export * from '../config/index.ts';", rule: null },
  {
    file: 'local/mask.ts',
    text: "export * from '../mask/index.ts';",
    rule: 'local-uses-config-only',
  },
  { file: 'cli/serve.ts', text: "export * from '../gateway.ts';", rule: null },
  { file: 'cli/up.ts', text: "export * from '../main.ts';", rule: 'main-is-the-top' },
  { file: 'main.ts', text: "import './cli/serve.ts';", rule: null },
  {
    file: 'hold/circle-a.ts',
    text: "export { b } from './circle-b.ts';\nexport const a = 1;",
    rule: 'no-circular',
  },
  {
    file: 'hold/circle-b.ts',
    text: "export { a } from './circle-a.ts';\nexport const b = 1;",
    rule: null,
  },
  { file: 'hold/alone.ts', text: 'export const alone = 1;', rule: 'no-orphans' },
  { file: 'hold/lost.ts', text: "export * from './nowhere.ts';", rule: 'no-unresolvable' },
  {
    file: 'hold/tested.ts',
    text: "export * from '../../test/support/fake.ts';",
    rule: 'no-test-code-in-src',
  },
  { file: 'hold/dev.ts', text: "export * from 'fast-check';", rule: 'no-dev-dependencies-in-src' },
  { file: 'hold/slack/app.ts', text: "export * from '@slack/bolt';", rule: null },
  { file: 'hold/app.ts', text: "export * from '@slack/bolt';", rule: 'slack-only-in-hold' },
  { file: 'forward/credentials/eks.ts', text: "export * from '@aws-sdk/client-sts';", rule: null },
  {
    file: 'forward/eks.ts',
    text: "export * from '@aws-sdk/client-sts';",
    rule: 'aws-only-in-credentials-and-store',
  },
  {
    file: 'forward/sign.ts',
    text: "export * from '@smithy/signature-v4';",
    rule: 'aws-only-in-credentials-and-store',
  },
  {
    file: 'store/schema.ts',
    text: "export * from 'drizzle-orm';\nexport { default as p } from 'postgres';",
    rule: null,
  },
  { file: 'record/query.ts', text: "export * from 'drizzle-orm';", rule: 'database-only-in-store' },
  {
    file: 'record/connect.ts',
    text: "export { default as p } from 'postgres';",
    rule: 'database-only-in-store',
  },
  {
    file: 'record/embed.ts',
    text: "export * from '@electric-sql/pglite';",
    rule: 'database-only-in-store',
  },
  { file: 'identify/verify.ts', text: "export * from 'jose';", rule: null },
  { file: 'local/issuer.ts', text: "export * from 'jose';", rule: null },
  { file: 'console/login.ts', text: "export * from 'jose';", rule: 'jose-only-in-identify' },
  { file: 'decide/bundle/signature.ts', text: "export * from 'jose';", rule: null },
  { file: 'decide/bundle/archive.ts', text: "export * from 'tar-stream';", rule: null },
  { file: 'decide/token.ts', text: "export * from 'jose';", rule: 'jose-only-in-identify' },
  { file: 'console/archive.ts', text: "export * from 'tar-stream';", rule: 'tar-only-in-decide' },
  { file: 'decide/engine.ts', text: "export * from '@open-policy-agent/opa-wasm';", rule: null },
  {
    file: 'mask/engine.ts',
    text: "export * from '@open-policy-agent/opa-wasm';",
    rule: 'opa-only-in-decide',
  },
  { file: 'console/app.ts', text: "export * from 'hono';", rule: null },
  { file: 'cli/app.ts', text: "export * from 'hono';", rule: 'hono-only-in-listen-and-console' },
  {
    file: 'hold/serve.ts',
    text: "export * from '@hono/node-server';",
    rule: 'hono-only-in-listen-and-console',
  },
  { file: 'forward/pool.ts', text: "export * from 'undici';", rule: null },
  {
    file: 'identify/fetch.ts',
    text: "export * from 'undici';",
    rule: 'undici-only-in-forward-and-cli',
  },
];

let directory: string;
let found: FenceReport;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'holdgate-fences-'));
  const root = fileURLToPath(new URL('../..', import.meta.url));
  for (const name of ['node_modules', 'package.json', 'tsconfig.json']) {
    symlinkSync(join(root, name), join(directory, name));
  }
  const write = (file: string, text: string): void => {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), `${text}\n`);
  };
  for (const { file, text } of cases) write(`src/${file}`, text);
  write('test/support/fake.ts', 'export const fake = 1;');
  found = await checkFences(directory);
}, 60_000);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const rulesOn = (file: string): string[] =>
  found.violations.filter(({ from }) => from === `src/${file}`).map(({ rule }) => rule);

describe('each fence fires on what crosses it, and on nothing else', () => {
  test.each(cases.filter(({ rule }) => rule !== null))('$file: $rule', ({ file, rule }) => {
    expect(rulesOn(file)).toContain(rule);
  });

  // Packages that are not installed here are unresolvable as well: that is another rule's case.
  test.each(cases.filter(({ rule }) => rule === null))('$file is lawful', ({ file }) => {
    expect(rulesOn(file).filter((rule) => rule !== 'no-unresolvable')).toEqual([]);
  });

  test('the composition root may use every door', () => {
    expect(rulesOn('gateway.ts')).toEqual(['gateway-order']);
  });

  test('every fence has a case', () => {
    const config = readFileSync(new URL('../../.dependency-cruiser.mjs', import.meta.url), 'utf8');
    const named = [...config.matchAll(/(?:name: |fence\(\s*)'([a-z-]+)'/g)].map(
      (match) => match[1]!,
    );
    expect(named.length).toBeGreaterThan(15);
    const tested = new Set(cases.map(({ rule }) => rule));
    expect(named.filter((name) => !tested.has(name))).toEqual([]);
  });
});

test('every file of the tree is seen', () => {
  expect(found.modules).toBeGreaterThanOrEqual(countSources(directory));
  expect(countSources(directory)).toBe(cases.length);
});
