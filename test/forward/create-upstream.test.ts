import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { ok } from '../../src/base/result.ts';
import { Secret } from '../../src/base/secret.ts';
import type { ClusterConfig } from '../../src/config/index.ts';
import { createUpstream } from '../../src/forward/index.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdgate-open-'));
afterAll(() => rmSync(directory, { recursive: true }));

const write = (name: string, text: string): string => {
  const file = join(directory, name);
  writeFileSync(file, text);
  return file;
};
const ca = write('ca.crt', 'one CA');
type ServerConfig = Extract<ClusterConfig, { server: string }>;
const base: ServerConfig = {
  name: 'one',
  server: 'https://one.test:6443',
  certificateAuthority: ca,
  labels: {},
  credential: { token: { env: 'TOKEN' } },
};

function open(config: ClusterConfig) {
  const opened = createUpstream(config, {
    clock: systemClock,
    log: silentLog,
    secret: () => ok(new Secret('planted-secret')),
    path: '',
  });
  if (!opened.ok) throw new Error(opened.error);
  return opened.value;
}

/** A kubeconfig file with one context, `here`. */
function kubeconfig(user: object, cluster: object = {}): ClusterConfig {
  const text = JSON.stringify({
    clusters: [
      {
        name: 'c',
        cluster: { server: 'https://one.test', 'certificate-authority': 'ca.crt', ...cluster },
      },
    ],
    users: [
      { name: 'u', user },
      { name: 'someone else', user: { token: 'other' } },
    ],
    contexts: [{ name: 'here', context: { cluster: 'c', user: 'u' } }],
  });
  const file = write('kubeconfig', text);
  return { name: 'one', kubeconfig: { file, context: 'here', allowExec: false }, labels: {} };
}

describe('two openings of a cluster have the same fingerprint', () => {
  test.each<{ name: string; change: Partial<ServerConfig>; same: boolean }>([
    { name: 'with nothing changed', change: {}, same: true },
    {
      name: 'with another name and labels',
      change: { name: 'two', labels: { a: 'b' } },
      same: true,
    },
    { name: 'not with another server', change: { server: 'https://two.test' }, same: false },
    { name: 'not with another TLS name', change: { tlsServerName: 'two.test' }, same: false },
    {
      name: 'not with another credential',
      change: { credential: { token: { env: 'OTHER' } } },
      same: false,
    },
    {
      name: 'not with another CA in another file',
      change: { certificateAuthority: write('other.crt', 'other CA') },
      same: false,
    },
    {
      name: 'with the same CA in another file',
      change: { certificateAuthority: write('copy.crt', 'one CA') },
      same: true,
    },
  ])('$name', ({ change, same }) => {
    expect(open({ ...base, ...change }).fingerprint === open(base).fingerprint).toBe(same);
  });

  test('not where the CA file was written anew', () => {
    const before = open(base).fingerprint;
    write('ca.crt', 'new CA');
    const after = open(base).fingerprint;
    write('ca.crt', 'one CA');
    expect(after).not.toBe(before);
  });

  test.each<{ name: string; user: object; cluster?: object; same: boolean }>([
    { name: 'with the same kubeconfig', user: { token: 'planted-secret' }, same: true },
    { name: 'not with another token in it', user: { token: 'new-secret' }, same: false },
    {
      name: 'not with another server in it',
      user: { token: 'planted-secret' },
      cluster: { server: 'https://two.test' },
      same: false,
    },
    {
      name: 'not with another CA in it',
      user: { token: 'planted-secret' },
      cluster: { 'certificate-authority-data': Buffer.from('another CA').toString('base64') },
      same: false,
    },
  ])('$name', ({ user, cluster, same }) => {
    const before = open(kubeconfig({ token: 'planted-secret' })).fingerprint;
    expect(open(kubeconfig(user, cluster)).fingerprint === before).toBe(same);
  });
});

test('the files that were read once are named: the CA, the kubeconfig and the CA that it names', () => {
  expect(open(base).files).toEqual([ca]);
  const { certificateAuthority: _, ...systemCas } = base;
  expect(open(systemCas).files).toEqual([]);
  expect(open(kubeconfig({ token: 'x' })).files).toEqual([join(directory, 'kubeconfig'), ca]);
});

test('neither fingerprint nor description holds the secret', () => {
  const { fingerprint, credential } = open(kubeconfig({ token: 'planted-secret' }));
  expect(fingerprint).toMatch(/^[0-9a-f]{64}$/);
  expect(credential).not.toContain('planted-secret');
});
