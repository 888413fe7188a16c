import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { formatConfigProblem, loadConfig, type Config } from '../../src/config/index.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const text = (file: string): string => readFileSync(join(root, file), 'utf8');

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdgate-examples-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Loads an example as its reader would have it: at a place of its own, with the files that it names. */
async function load(example: string, files: readonly string[]): Promise<Config> {
  for (const file of files) {
    mkdirSync(dirname(join(directory, file)), { recursive: true });
    writeFileSync(join(directory, file), 'content');
  }
  const config = join(directory, 'holdgate.yaml');
  writeFileSync(config, text(example).replaceAll('/run/secrets/', 'run-secrets/'));
  const loaded = await loadConfig(config, { DATABASE_URL: 'postgres://localhost/holdgate' });
  if (!loaded.ok) throw new Error(loaded.error.map((one) => formatConfigProblem(one)).join('\n'));
  return loaded.value;
}

const examples = [
  {
    example: 'deploy/examples/holdgate.yaml',
    files: [
      'tls/tls.crt',
      'tls/tls.key',
      'clusters/prod-ca.crt',
      'clusters/prod-token',
      'clusters/staging-ca.crt',
      'clusters/staging.crt',
      'clusters/staging.key',
    ],
  },
  {
    example: 'deploy/compose/holdgate.yaml',
    files: ['run-secrets/database-url', 'run-secrets/cluster-ca', 'run-secrets/cluster-token'],
  },
];

describe.each(examples)('$example', ({ example, files }) => {
  test('loads', async () => {
    expect((await load(example, files)).clusters.length).toBeGreaterThan(0);
  });

  test('has a member for each group that the starter rules name as approvers', async () => {
    const { approverGroups } = await load(example, files);
    const { namespaces } = z
      .object({ namespaces: z.record(z.string(), z.object({ approvers: z.array(z.string()) })) })
      .parse(parse(text('policies/protected/data.yaml')));
    const named = Object.values(namespaces).flatMap(({ approvers }) => approvers);
    expect(named.length).toBeGreaterThan(0);
    expect(Object.keys(approverGroups)).toEqual(expect.arrayContaining(named));
  });

  test('tells editors its schema', () => {
    const [first] = text(example).split('\n');
    const schema = /\$schema=(\S+)/.exec(first!)![1]!;
    expect(() => text(join(dirname(example), schema))).not.toThrow();
  });
});

describe('compose.yaml', () => {
  const compose = z
    .object({
      services: z.record(
        z.string(),
        z.looseObject({
          ports: z.array(z.string()).default([]),
          secrets: z.array(z.string()).default([]),
          depends_on: z.record(z.string(), z.unknown()).default({}),
        }),
      ),
      secrets: z.record(z.string(), z.object({ file: z.string() })),
    })
    .parse(parse(text('deploy/compose/compose.yaml')));

  test('publishes on loopback only', () => {
    const ports = Object.values(compose.services).flatMap((service) => service.ports);
    expect(ports.length).toBe(2);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  test('names no service and no secret that it does not have', () => {
    for (const service of Object.values(compose.services)) {
      for (const secret of service.secrets) expect(compose.secrets).toHaveProperty(secret);
      for (const other of Object.keys(service.depends_on)) {
        expect(compose.services).toHaveProperty(other);
      }
    }
  });

  test('gives the gateway each secret that its configuration names', () => {
    const wanted = [...text('deploy/compose/holdgate.yaml').matchAll(/\/run\/secrets\/([\w-]+)/g)];
    expect(wanted.length).toBeGreaterThan(0);
    for (const [, secret] of wanted) expect(compose.services['gateway']!.secrets).toContain(secret);
  });
});

describe('the Dockerfile', () => {
  const copied = text('deploy/Dockerfile')
    .split('\n')
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from'))
    .flatMap((line) => line.split(' ').slice(1, -1));

  test('copies nothing that its ignore file keeps from the engine', () => {
    const letIn = text('deploy/Dockerfile.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    expect(copied.length).toBeGreaterThan(5);
    for (const file of copied) expect(letIn).toContain(file);
  });

  test('does not run as root', () => {
    expect(text('deploy/Dockerfile')).toMatch(/^USER node$/m);
  });
});
