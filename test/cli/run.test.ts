import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { randomIds } from '../../src/base/ids.ts';
import { json, safeText, table } from '../../src/cli/output.ts';
import { commands, run } from '../../src/cli/run.ts';
import { humanLine } from '../../src/cli/start-log.ts';
import { openLocalIssuer } from '../../src/local/index.ts';
import { bundleOf, honestWorld } from '../support/evidence-world.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdgate-cli-'));
const place = ['--data-directory', directory];

beforeAll(async () => {
  const peopleUrl = 'https://127.0.0.1:1';
  const opened = await openLocalIssuer({
    dataDirectory: directory,
    peopleUrl,
    clock: systemClock,
    ids: randomIds,
  });
  if (!opened.ok) throw new Error(opened.error);
  const facts = {
    dataUrl: 'https://127.0.0.1:2',
    peopleUrl,
    caFile: join(directory, 'ca.crt'),
    peopleAudience: 'holdgate-people',
    dataAudience: 'holdgate',
  };
  writeFileSync(join(directory, 'gateway.json'), JSON.stringify(facts));
  writeFileSync(join(directory, 'ca.crt'), 'the CA');
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function holdgate(...args: string[]) {
  let out = '';
  let errors = '';
  const code = await run(args, {
    out: (text) => (out += text),
    err: (text) => (errors += text),
    env: { PATH: process.env['PATH'] },
    stop: new AbortController().signal,
    onHangup: () => {},
  });
  return { code, out, errors };
}

describe('help', () => {
  test.each(commands.map((one) => one.name))(
    'holdgate %s --help says how it is used',
    async (name) => {
      const { code, out } = await holdgate(name, '--help');
      expect(code).toBe(0);
      expect(out).toContain(`usage: holdgate ${name}`);
    },
  );

  test('the list names every command', async () => {
    const { out } = await holdgate('--help');
    for (const { name } of commands) expect(out).toContain(`  ${name} `);
  });
});

describe('wrong usage is exit code 2 and one line, never a stack', () => {
  test.each([
    { args: ['dance'], says: 'there is no command "dance"' },
    { args: ['serve'], says: '--config is missing' },
    { args: ['serve', '--confg', 'x'], says: '--confg' },
    { args: ['approvals'], says: 'list, show, approve or deny' },
    { args: ['approvals', 'show', ...place], says: 'an argument is missing' },
    { args: ['decisions', 'list', 'x', ...place], says: 'one argument too many' },
    { args: ['token', '--identity', 'root', ...place], says: 'use agent or person' },
    { args: ['token', '--lifetime-seconds', '0', ...place], says: '1 to 43200' },
    { args: ['kubeconfig', '--agent', '--person', ...place], says: 'not both' },
    { args: ['decisions', 'list', '--server', 'https://x'], says: '--token-file' },
    { args: ['start', '--data-port', 'x'], says: 'port number' },
    { args: ['explain', 'DANCE /api'], says: 'is no request' },
    { args: ['explain', 'GET /api/../x'], says: 'is no request' },
  ])('$args', async ({ args, says }) => {
    const { code, errors } = await holdgate(...args);
    expect(code).toBe(2);
    expect(errors).toContain(says);
    expect(errors).not.toMatch(/\n\s+at /);
  });
});

describe('failures say what to do', () => {
  test.each([
    { args: ['serve', '--config', '/nonexistent.yaml'], says: '/nonexistent.yaml' },
    { args: ['decisions', 'list', '--data-directory', '/nonexistent'], says: 'start it' },
    { args: ['approvals', 'list', ...place], says: 'is the gateway running' },
    { args: ['check', '--policies', '/nonexistent'], says: '/nonexistent' },
  ])('$args', async ({ args, says }) => {
    const { code, errors } = await holdgate(...args);
    expect(code).toBe(1);
    expect(errors).toContain(says);
    expect(errors).not.toMatch(/\n\s+at /);
  });
});

describe('token and kubeconfig', () => {
  test('an ExecCredential is one line of JSON, ending before its token does', async () => {
    const { out } = await holdgate('token', '--exec-credential', ...place);
    expect(out.trim().split('\n')).toHaveLength(1);
    const credential = JSON.parse(out) as {
      kind: string;
      status: { token: string; expirationTimestamp: string };
    };
    const [, payload = ''] = credential.status.token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as {
      exp: number;
      aud: string;
      sub: string;
    };
    expect(credential.kind).toBe('ExecCredential');
    expect(claims).toMatchObject({ aud: 'holdgate', sub: 'local-agent' });
    expect(Date.parse(credential.status.expirationTimestamp)).toBeLessThan(claims.exp * 1000);
  });

  test('a kubeconfig holds the gateway and its CA, and nothing else', async () => {
    const { out } = await holdgate('kubeconfig', '--person', '--cluster', 'prod', ...place);
    expect(out).toContain('server: https://127.0.0.1:2/clusters/prod');
    expect(out).toContain(Buffer.from('the CA').toString('base64'));
    expect(out.match(/https:\/\//g)).toHaveLength(1);
  });
});

describe('check and explain work offline', () => {
  test('the shipped policies are in order', async () => {
    const { code, out } = await holdgate('check');
    expect(out).toContain('are in order');
    expect(code).toBe(0);
  });

  test('a request line is decided, with file and line', async () => {
    const { code, out } = await holdgate(
      'explain',
      'DELETE /api/v1/namespaces/payments/pods/checkout-7b9',
    );
    expect(code).toBe(0);
    expect(out).toMatch(/^hold\n/);
    expect(out).toMatch(/at rules\/protected\/protected\.rego:\d+/);
  });

  test('a rule that needs the object is not guessed at', async () => {
    const { code, out, errors } = await holdgate('explain', 'POST /api/v1/namespaces/shop/pods');
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(errors).toContain('--object');
  });

  test('with the object there is a verdict', async () => {
    const file = join(directory, 'pod.json');
    writeFileSync(
      file,
      JSON.stringify({
        kind: 'Pod',
        apiVersion: 'v1',
        metadata: { name: 'x' },
        spec: { hostPID: true, containers: [] },
      }),
    );
    const { code, out } = await holdgate(
      'explain',
      'POST /api/v1/namespaces/shop/pods',
      '--object',
      file,
    );
    expect(code).toBe(0);
    expect(out).toMatch(/^deny\n/);
    expect(out).toContain('surfaces/');
  });
});

describe('text from elsewhere cannot act on the terminal', () => {
  const attack = 'x\u001b[2J\u202e\u0007\u200b';
  test.each([
    { name: 'a table', text: table([['NAME'], [attack]]) },
    { name: 'JSON', text: json({ attack }) },
    { name: 'a line', text: safeText(attack) },
    {
      name: 'a log line',
      text:
        humanLine(
          JSON.stringify({
            time: '2026-11-20T12:00:00Z',
            level: 'warn',
            message: 'm',
            cause: attack,
          }),
        ) ?? '',
    },
  ])('$name', ({ text }) => {
    // oxlint-disable-next-line no-control-regex -- what must not be there
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b\u202e]/);
  });
});

describe('holdgate verify', () => {
  const world = honestWorld([
    { id: 'one', openedAt: '2026-11-20T10:00:00.000Z', batches: [1, 2], isClosed: false },
  ]);
  const file = (name: string, content: string | Buffer): string => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };

  test('says what was verified, and which streams have no end', async () => {
    const bundle = file('good.tar', await bundleOf(world));
    const key = file('deployment.vkey', `${world.key.vkey}\n`);
    const anchor = file('anchors', world.anchors.join('\n'));
    const { code, out, errors } = await holdgate(
      'verify',
      bundle,
      '--key',
      key,
      '--anchor',
      anchor,
    );
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    expect(out).toMatch(/records +4 in 1 streams/);
    expect(out).toMatch(/anchors found in it/);
    expect(out).toMatch(/one runs on or was cut off: last record 3/);
    expect(out).toMatch(/\nVERIFIED/);
  });

  test('names the first record that was changed', async () => {
    const [stream] = world.streams;
    const row = stream?.rows[2];
    if (row === undefined) throw new Error('no record');
    const bytes = row.bytes;
    row.bytes = Buffer.from(bytes.toString('utf8').replace('prod', 'test'));
    const bundle = file('bad.tar', await bundleOf(world));
    row.bytes = bytes;
    const text = await holdgate('verify', bundle, '--key', world.key.vkey);
    expect(text.code).toBe(1);
    expect(text.out).toMatch(
      /TAMPERED: 1 findings, the first of them record-edited, stream one, record 2/,
    );
    const machine = await holdgate('verify', bundle, '--key', world.key.vkey, '--json');
    expect(machine.code).toBe(1);
    expect(JSON.parse(machine.out)).toMatchObject({
      verdict: 'tampered',
      findings: [{ kind: 'record-edited', stream: 'one', seq: 2 }],
    });
  });

  test.each([
    { name: 'a bundle that is cut off', length: 5000, key: world.key.vkey, says: /too early/ },
    { name: 'a wrong key', length: -1, key: 'hello', says: /the key cannot be read/ },
  ])('cannot say for $name', async ({ length, key, says }) => {
    const bundle = file('cut.tar', (await bundleOf(world)).subarray(0, length));
    const { code, out, errors } = await holdgate('verify', bundle, '--key', key);
    expect(code).toBe(2);
    expect(out + errors).toMatch(says);
  });

  test('cannot say for a file that is not there', async () => {
    const { code, errors } = await holdgate('verify', '/nonexistent.tar', '--key', world.key.vkey);
    expect(code).toBe(2);
    expect(errors).toMatch(/ENOENT/);
  });
});
