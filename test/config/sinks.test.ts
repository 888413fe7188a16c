import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig } from '../../src/config/index.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'holdgate-sink-config-'));
  writeFileSync(join(directory, 'secret'), 'whsec_\n');
  writeFileSync(join(directory, 'ca.pem'), 'pem');
});
afterAll(() => rmSync(directory, { recursive: true }));

async function load(sinks: readonly object[], environment = {}) {
  const file = join(directory, 'config.yaml');
  writeFileSync(file, stringify({ record: { sinks } }));
  return loadConfig(file, environment);
}

const webhook = {
  kind: 'webhook',
  name: 'hook',
  url: 'https://siem.test/x',
  secret: { file: 'secret' },
};
const syslog = { kind: 'syslog', name: 'siem', url: 'tls://siem.test' };
const otlp = { kind: 'otlp', name: 'collector', url: 'http://127.0.0.1:4318' };
const opa = { kind: 'opa', name: 'decisions', url: 'https://opa.test/tenant' };

test('each kind has its defaults, and its files by absolute paths', async () => {
  const certificateAuthority = 'ca.pem';
  const loaded = await load([webhook, { ...syslog, certificateAuthority }, otlp, opa]);
  expect(loaded.ok && loaded.value.record.sinks).toEqual([
    {
      ...webhook,
      secret: { file: join(directory, 'secret') },
      format: 'records',
      body: 'ndjson',
      settleSeconds: 60,
      timeoutSeconds: 10,
    },
    {
      ...syslog,
      certificateAuthority: join(directory, 'ca.pem'),
      facility: 13,
      structuredDataId: 'holdgate@32473',
      messageBytesMax: 8192,
      timeoutSeconds: 10,
    },
    { ...otlp, resourceAttributes: {}, timeoutSeconds: 10 },
    { ...opa, settleSeconds: 60, timeoutSeconds: 10 },
  ]);
});

describe('a sink is refused', () => {
  test.each<{ name: string; sinks: readonly object[]; at: string; says: RegExp }>([
    {
      name: 'over plain http',
      sinks: [{ ...otlp, url: 'http://siem.test' }],
      at: 'record.sinks[0].url',
      says: /must be an https URL/,
    },
    {
      name: 'with a password in its URL',
      sinks: [{ ...opa, url: 'https://me:secret@siem.test' }],
      at: 'record.sinks[0].url',
      says: /must not contain a user or a password/,
    },
    {
      name: 'over plain TCP to another machine',
      sinks: [{ ...syslog, url: 'tcp://siem.test:601' }],
      at: 'record.sinks[0].url',
      says: /must be a tls URL/,
    },
    {
      name: 'with a path behind a syslog server',
      sinks: [{ ...syslog, url: 'tls://siem.test/x' }],
      at: 'record.sinks[0].url',
      says: /a host and a port only/,
    },
    {
      name: 'whose name another has',
      sinks: [otlp, { ...opa, name: 'collector' }],
      at: 'record.sinks[1].name',
      says: /the same as that of entry 0/,
    },
    {
      name: 'of no known kind',
      sinks: [{ kind: 'kafka', name: 'a', url: 'https://siem.test' }],
      at: 'record.sinks[0].kind',
      says: /none of the values.*webhook, or syslog, or otlp, or opa/,
    },
    {
      name: 'with a key of another kind, by what its own kind has',
      sinks: [{ ...otlp, facility: 3 }],
      at: 'record.sinks[0].facility',
      says: /is not a known key/,
    },
    {
      name: 'without its secret',
      sinks: [{ kind: 'webhook', name: 'hook', url: 'https://siem.test' }],
      at: 'record.sinks[0].secret',
      says: /is missing/,
    },
    {
      name: 'with a CA file that is not there',
      sinks: [{ ...opa, certificateAuthority: 'gone.pem' }],
      at: 'record.sinks[0].certificateAuthority',
      says: /gone\.pem does not exist/,
    },
    {
      name: 'with a secret in a variable that is not set',
      sinks: [{ ...opa, token: { env: 'GONE' } }],
      at: 'record.sinks[0].token.env',
      says: /GONE is not set/,
    },
    {
      name: 'with a time limit of nothing',
      sinks: [{ ...opa, timeoutSeconds: 0.5 }],
      at: 'record.sinks[0].timeoutSeconds',
      says: /1 to 60/,
    },
    {
      name: 'with messages that hold nothing',
      sinks: [{ ...syslog, messageBytesMax: 100 }],
      at: 'record.sinks[0].messageBytesMax',
      says: /2048/,
    },
  ])('$name', async ({ sinks, at, says }) => {
    const loaded = await load(sinks);
    const [problem, ...others] = loaded.ok ? [] : loaded.error;
    expect(others).toEqual([]);
    const path = problem?.path.replaceAll(/\.(\d+)/g, '[$1]');
    expect(path).toBe(at);
    expect(`${problem?.problem}; ${problem?.expected}`).toMatch(says);
  });
});
