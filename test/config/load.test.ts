import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  configSchema,
  formatConfigProblem,
  loadConfig,
  shippedPoliciesDirectory,
} from '../../src/config/index.ts';

let directory: string;
let count = 0;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdgate-config-'));
  writeFileSync(join(directory, 'token'), 'secret\n');
  writeFileSync(join(directory, 'ca.pem'), 'pem');
  mkdirSync(join(directory, 'rules'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function file(text: string): string {
  count += 1;
  const path = join(directory, `config-${count}.yaml`);
  writeFileSync(path, text);
  return path;
}

const load = (text: string, environment = {}) => loadConfig(file(text), environment);

/** The problems of a configuration as a terminal shows them, without the folder. */
async function problems(text: string, environment = {}): Promise<string[]> {
  const loaded = await load(text, environment);
  if (loaded.ok) return [];
  return loaded.error.map((problem) =>
    formatConfigProblem(problem)
      .replace(/^.*config-\d+\.yaml/, 'FILE')
      .replaceAll(directory, 'DIR'),
  );
}

const issuer = (more = '') => `identity:
  issuers:
    - url: https://idp.example
      audiences: [holdgate]
      claimMappings:
        username: {claim: sub, prefix: ''}
${more}`;

const cluster = (more: string) => `clusters:
  - name: prod
    server: https://10.0.0.1:6443
    credential: {token: {file: token}}
${more}`;

describe('a configuration without mistakes', () => {
  test('no file at all gives every default, with absolute paths', async () => {
    const loaded = await loadConfig(null, {});
    expect(loaded).toEqual({
      ok: true,
      value: {
        ...configSchema.parse({}),
        dataDirectory: resolve('.holdgate'),
        policies: { directory: shippedPoliciesDirectory, unsigned: false },
      },
    });
  });

  test.each([{ text: '' }, { text: '# only a comment\n' }, { text: '{}' }])(
    'an empty file is the defaults: $text',
    async ({ text }) => {
      const loaded = await load(text);
      expect(loaded).toMatchObject({
        ok: true,
        value: { data: { port: 8443, address: '127.0.0.1' }, people: { port: 8444 } },
      });
    },
  );

  test('a bundle takes the place of the folder, and its paths count from the file too', async () => {
    const loaded = await load(`
policies:
  bundle: {url: "https://x.example/b.tar.gz", certificateAuthority: ca.pem, token: {file: token}}
  verification: {keys: {ci: {publicKey: ca.pem, algorithm: ES256}}}
`);
    expect(loaded).toMatchObject({
      ok: true,
      value: {
        policies: {
          bundle: {
            pollSeconds: 30,
            certificateAuthority: join(directory, 'ca.pem'),
            token: { file: join(directory, 'token') },
          },
          verification: {
            keys: { ci: { publicKey: join(directory, 'ca.pem') } },
            scope: '',
            excludeFiles: [],
          },
        },
      },
    });
    expect(loaded.ok && loaded.value.policies.directory).toBeUndefined();
  });

  test('paths count from the file, not from where the gateway was started', async () => {
    const loaded = await load(`
dataDirectory: ./state
policies: {directory: rules, opa: opa}
${cluster('    certificateAuthority: ca.pem')}`);
    expect(loaded).toMatchObject({
      ok: true,
      value: {
        dataDirectory: join(directory, 'state'),
        policies: { directory: join(directory, 'rules'), opa: 'opa' },
        clusters: [
          {
            certificateAuthority: join(directory, 'ca.pem'),
            credential: { token: { file: join(directory, 'token') } },
          },
        ],
      },
    });
  });

  test('some roles may be named without the others', async () => {
    const loaded = await load('people: {roles: {admin: [ops]}}');
    expect(loaded).toMatchObject({ ok: true, value: { people: { roles: { admin: ['ops'] } } } });
  });

  test('anchors and merges of YAML work where they are not abused', async () => {
    const loaded = await load(`
clusters:
  - name: a
    server: https://a.example
    credential: &key {token: {file: token}}
  - name: b
    server: https://b.example
    credential: *key`);
    expect(loaded.ok).toBe(true);
  });
});

describe('each mistake is named with file, line, column, path, what was expected and what to do', () => {
  test.each([
    {
      name: 'an unknown key',
      text: 'logLevel: info\ndata:\n  adress: 127.0.0.1\n',
      says: [
        'FILE:3:3: data.adress: is not a known key; expected one of address, port, tls, hostnames, publicUrl; did you mean address?',
      ],
    },
    {
      name: 'a wrong type',
      text: 'holds:\n  waitSeconds: soon\n',
      says: ['FILE:2:3: holds.waitSeconds: is a string; expected a number; change the value'],
    },
    {
      name: 'a value that is none of the list',
      text: 'logLevel: loud\n',
      says: [
        'FILE:1:1: logLevel: is none of the values that may stand here; expected one of error, warn, info, debug; change the value',
      ],
    },
    {
      name: 'an empty section',
      text: 'drainSeconds: 5\nholds:\n',
      says: [
        'FILE:2:1: holds: is empty (null); expected a mapping with waitSeconds, decideWithinSeconds, spendWithinSeconds, leaseSeconds; fill the key or remove it',
      ],
    },
    {
      name: 'missing keys, in the order of the file',
      text: 'clusters:\n  - name: a\n    server: https://a.example\n  - kubeconfig: {file: x}\n    name: b\n',
      says: [
        'FILE:2:5: clusters[0].credential: is missing; expected a mapping with token, or a mapping with clientCertificate, or a mapping with serviceAccount; add the key',
        'FILE:4:5: clusters[1].kubeconfig.context: is missing; expected a string; add the key',
      ],
    },
    {
      name: 'a union with none of its keys',
      text: 'database: {url: {path: x}}\n',
      says: [
        'FILE:1:12: database.url: has none of the keys that belong here; expected a mapping with file, or a mapping with env; write exactly one of these forms',
      ],
    },
    {
      name: 'two forms at once',
      text: 'database: {url: {file: token, env: X}}\n',
      says: [
        'FILE:1:31: database.url.env: is not a known key; expected one of file, env; did you mean env?',
      ],
    },
    {
      name: 'a plain-http API server',
      text: 'clusters:\n  - name: a\n    server: http://a.example\n    credential: {token: {file: token}}\n',
      says: [
        'FILE:3:5: clusters[0].server: must be an https URL; expected a URL; change the value',
      ],
    },
    {
      name: 'a plain-http issuer',
      text: issuer().replace('https://idp', 'http://idp'),
      says: [
        'FILE:3:7: identity.issuers[0].url: must be an https URL (http is taken for loopback addresses only); expected a URL; change the value',
      ],
    },
    {
      name: "the cluster's own prefix",
      text: issuer().replace("prefix: ''", "prefix: 'system:'"),
      says: [
        'FILE:6:32: identity.issuers[0].claimMappings.username.prefix: must not begin with system: or eks:; expected a string; change the value',
      ],
    },
    {
      name: 'missing files and variables',
      text: cluster(
        '    certificateAuthority: none.pem\ndatabase: {url: {env: PG_URL}}\npolicies: {directory: token}',
      ),
      says: [
        'FILE:5:5: clusters[0].certificateAuthority: DIR/none.pem does not exist; expected a file that can be read; correct the path (relative ones count from the configuration file), or make it readable',
        'FILE:6:18: database.url.env: environment variable PG_URL is not set; expected the name of a variable that holds the secret; set it before the gateway starts, or name another',
        'FILE:7:12: policies.directory: DIR/token is no directory; expected a directory that can be read; correct the path (relative ones count from the configuration file), or make it readable',
      ],
    },
    {
      name: 'a duplicate key',
      text: 'drainSeconds: 5\ndrainSeconds: 6\n',
      says: [
        'FILE:2:1: Map keys must be unique; expected one YAML document; mend the file at this place',
      ],
    },
    {
      name: 'two clusters of one name, and a default that is none',
      text: `${cluster('')}  - {name: prod, server: 'https://b.example', credential: {token: {file: token}}}\ndefaultCluster: dev\n`,
      says: [
        'FILE:5:6: clusters[1].name: is the same as that of entry 0; expected each name once; rename or merge the entries',
        'FILE:6:1: defaultCluster: names no configured cluster; expected one of prod; correct the name, or add the cluster',
      ],
    },
  ])('$name', async ({ text, says }) => {
    expect(await problems(text)).toEqual(says);
  });

  test.each([
    { name: 'broken YAML', text: 'data: [1,\n', says: /^FILE:\d+:\d+: Flow sequence/ },
    { name: 'a tab', text: 'data:\n\taddress: x\n', says: /^FILE:2:1: / },
    { name: 'two documents', text: 'logLevel: info\n---\nlogLevel: info\n', says: /^FILE:2:\d+: / },
    { name: 'an unknown tag', text: 'logLevel: !!js/function x\n', says: /^FILE:1:11: .*tag/ },
    { name: 'an unknown anchor', text: 'logLevel: *x\n', says: /^FILE:1:11: .*alias/i },
    { name: 'a list for a file', text: '- a\n', says: /^FILE:1:1: is a list; expected a mapping/ },
    {
      name: 'text for a file',
      text: 'hello\n',
      says: /^FILE:1:1: is a string; expected a mapping/,
    },
  ])('$name has a line', async ({ text, says }) => {
    const [first = ''] = await problems(text);
    expect(first).toMatch(says);
  });

  test('a small file cannot be blown up by aliases of aliases', async () => {
    const line = (name: string, of: string) => `${name}: &${name} [${`*${of},`.repeat(9)}]\n`;
    const names = 'bcdefghi'.split('');
    const bomb = names.map((name, index) =>
      line(name, index === 0 ? 'a' : (names[index - 1] ?? 'a')),
    );
    const said = await problems(`a: &a [x,x,x,x,x,x,x,x,x]\n${bomb.join('')}`);
    expect(said.join()).toMatch(/alias/i);
  });

  test('a value is never repeated: it might be a password', async () => {
    const said = await problems('database:\n  url: postgres://u:hunter2@db/x\nlogLevel: hunter2\n');
    expect(said).toHaveLength(2);
    expect(said.join()).not.toContain('hunter2');
  });

  test('a file that cannot be read is named', async () => {
    const loaded = await loadConfig(join(directory, 'nowhere.yaml'), {});
    expect(loaded.ok).toBe(false);
    const [problem] = loaded.ok ? [] : loaded.error;
    expect(problem === undefined ? '' : formatConfigProblem(problem)).toMatch(
      /nowhere\.yaml: could not be read: ENOENT.*; expected a YAML file of configuration; correct the path/,
    );
  });

  test.each([
    { name: 'a folder', make: () => directory, says: /could not be read: EISDIR/ },
    { name: 'no text', make: () => binary(), says: /could not be read: .*encod/i },
    { name: 'a huge file', make: () => file('#'.repeat(1024 * 1024 + 1)), says: /is larger than/ },
  ])('$name is no configuration', async ({ make, says }) => {
    const loaded = await loadConfig(make(), {});
    expect(loaded.ok ? '' : loaded.error[0]?.problem).toMatch(says);
  });

  function binary(): string {
    const path = file('');
    writeFileSync(path, Buffer.from([0xff, 0xfe, 0x00]));
    return path;
  }

  test('the key files of bundle signatures are looked for, the bundle itself may come later', async () => {
    const said = await problems(
      'policies:\n  bundle: {file: later.tar.gz}\n  verification: {keys: {ci.2: {publicKey: nokey.pem, algorithm: ES256}}}\n',
    );
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/^FILE:3:.*publicKey: DIR\/nokey\.pem does not exist/);
  });

  test('a program without permission is named', async () => {
    const said = await problems('policies: {opa: ./ca.pem}');
    expect(said.join()).toMatch(/policies\.opa: DIR\/ca\.pem may not be executed/);
  });
});

/** The configuration's own folder has this file. */
const KEYS = '{keys: {ci: {publicKey: ca.pem, algorithm: ES256}}}';

describe('fields that contradict each other', () => {
  const people = (more: string) => `identity:
  people:
    - url: https://idp.example
      claimMappings: {username: {claim: sub, prefix: ''}}
${more}`;

  test.each([
    {
      name: "an agent's issuer with the people's audience",
      text: issuer().replace('[holdgate]', '[holdgate, holdgate-people]'),
      says: /identity\.issuers\[0\]\.audiences: contains holdgate-people/,
    },
    {
      name: "a people's issuer of another kind",
      text: people('      audiences: [holdgate-people]'),
      says: /identity\.people\[0\]\.kind: is workload/,
    },
    {
      name: "a people's issuer with the data port's audience",
      text: people('      kind: human\n      audiences: [holdgate-people, holdgate]'),
      says: /identity\.people\[0\]\.audiences: contains another audience/,
    },
    {
      name: 'an approver who could never log in',
      text: 'approverGroups: {ops: {members: [{issuer: "https://x.example", subject: a}]}}',
      says: /approverGroups\.ops\.members\[0\]\.issuer: .*could never vote/,
    },
    {
      name: 'one issuer twice',
      text: `${issuer()}    - url: https://idp.example\n      audiences: [b]\n      claimMappings: {username: {claim: sub, prefix: ''}}\n`,
      says: /identity\.issuers\[1\]\.url: is the same as that of entry 0/,
    },
    {
      name: 'a local issuer that others could reach',
      text: 'identity: {local: true}\npeople: {address: 0.0.0.0}',
      says: /FILE:2:10: people\.address: is no loopback address/,
    },
    {
      name: 'rules in a folder and in a bundle',
      text: 'policies: {directory: ., bundle: {file: b}, unsigned: true}',
      says: /policies\.bundle: stands beside policies\.directory/,
    },
    {
      name: 'a bundle that nobody vouches for',
      text: 'policies: {bundle: {file: b}}',
      says: /policies\.bundle: says nothing of who must have signed it/,
    },
    {
      name: 'a bundle over plain http',
      text: 'policies: {bundle: {url: "http://x/b.tar.gz"}, unsigned: true}',
      says: /policies\.bundle\.url: must be an https URL/,
    },
    {
      name: 'a bundle signed and unsigned',
      text: `policies: {bundle: {file: b}, unsigned: true, verification: ${KEYS}}`,
      says: /policies\.unsigned: is true beside verification/,
    },
    {
      name: 'a signature without a bundle',
      text: `policies: {verification: ${KEYS}}`,
      says: /policies\.verification: is about a bundle, and there is none/,
    },
    {
      name: 'a signature by a key that is not there',
      text: `policies: {bundle: {file: b}, verification: ${KEYS.replace('{', '{keyid: x, ')}}`,
      says: /policies\.verification\.keyid: is none of the keys/,
    },
    {
      name: 'a signature by no key at all',
      text: 'policies: {bundle: {file: b}, verification: {keys: {}}}',
      says: /policies\.verification\.keys: names no key/,
    },
    {
      name: 'a public key with the algorithm of a secret',
      text: `policies: {bundle: {file: b}, verification: ${KEYS.replace('ES256', 'HS256')}}`,
      says: /policies\.verification\.keys\.ci\.algorithm: is none of the values/,
    },
  ])('are refused: $name', async ({ text, says }) => {
    const said = await problems(text);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(says);
  });
});

test('whatever a file says, loading it gives a configuration or problems with a place, and never throws', async () => {
  const keys = fc.constantFrom(
    'data',
    'people',
    'identity',
    'clusters',
    'holds',
    'database',
    'port',
    'x',
  );
  const { node } = fc.letrec((tie) => ({
    node: fc.oneof(
      { maxDepth: 4 },
      fc.jsonValue({ maxDepth: 1 }),
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(keys, tie('node'), { maxKeys: 4 }),
    ),
  }));
  const text = fc.oneof(
    fc.string(),
    node.map((value) => JSON.stringify(value)),
  );
  await fc.assert(
    fc.asyncProperty(text, async (yaml) => {
      const loaded = await load(yaml);
      const found = loaded.ok ? [] : loaded.error;
      expect(loaded.ok || found.length > 0).toBe(true);
      for (const problem of found) {
        expect(problem.line).toBeGreaterThan(0);
        expect(problem.problem).not.toBe('');
        expect(problem.fix).not.toBe('');
      }
    }),
    { numRuns: 300 },
  );
});
