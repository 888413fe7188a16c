import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { programCacheDirectory } from '../../src/local/control-plane-programs.ts';
import { currentOpaVersion } from '../support/current-opa.ts';
import { countsLine } from '../support/run-command.ts';
import { tiersOf, type Machine } from '../support/tiers.ts';

const programs = [
  'etcd',
  'kube-apiserver',
  'kubectl',
  'kube-controller-manager',
  'kube-scheduler',
  'kwok',
  'nodestub',
].map((name) => `${programCacheDirectory({}, '/home/ann')}/${name}`);

const machine = (over: Partial<Machine> & { files?: readonly string[] }): Machine => ({
  env: { PATH: '/usr/bin:/bin' },
  homeDirectory: '/home/ann',
  isProgram: (file) => (over.files ?? []).includes(file),
  namesIn: () => ['15'],
  currentOpa: null,
  ...over,
});

const missing = (over: Parameters<typeof machine>[0]): string[] =>
  tiersOf(machine(over))
    .filter((tier) => tier.missing !== null)
    .map(({ name }) => name);

test('with Node alone no tier can be run, and each says what it needs', () => {
  expect(missing({})).toEqual(['postgres', 'cluster', 'opa', 'syslog']);
  const texts = tiersOf(machine({})).map((tier) => tier.missing);
  expect(texts[0]).toContain('DATABASE_URL');
  expect(texts[1]).toContain('test/cluster/build.sh');
  expect(texts[2]).toContain('HOLDGATE_OPA_CURRENT');
  expect(texts[3]).toContain('HOLDGATE_RSYSLOG');
});

test.each([
  { by: 'a URL', over: { env: { DATABASE_URL: 'postgres://x' } } },
  { by: 'programs on the PATH', over: { files: ['/bin/initdb', '/bin/postgres'] } },
  {
    by: "Debian's programs",
    over: {
      files: ['/usr/lib/postgresql/15/bin/initdb', '/usr/lib/postgresql/15/bin/postgres'],
    },
  },
])('the postgres tier can be run by $by', ({ over }) => {
  expect(missing(over)).toEqual(['cluster', 'opa', 'syslog']);
});

test('half of PostgreSQL is none', () => {
  expect(missing({ files: ['/bin/postgres'] })).toContain('postgres');
});

test('the cluster tier needs every program', () => {
  expect(missing({ files: programs })).toEqual(['postgres', 'opa', 'syslog']);
  expect(missing({ files: programs.slice(1) })).toContain('cluster');
  expect(missing({ files: programs.slice(0, -1) })).toContain('cluster');
});

test('the closing line is the one that CI reads', () => {
  expect(countsLine({ passed: 3, failed: 0 })).toBe('3 passed, 0 failed');
  expect(countsLine({ passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped');
});

test('CI installs the OPA that the tier looks for', () => {
  const script = readFileSync(new URL('../../.ci/run', import.meta.url), 'utf8');
  expect(/^opa_version=(\S+)$/m.exec(script)?.[1]).toBe(currentOpaVersion);
});

test('the syslog tier needs rsyslog and its TLS', () => {
  const modules = '/opt/rsyslog/usr/lib/x86_64-linux-gnu/rsyslog';
  const arm = modules.replace('x86_64', 'aarch64');
  const over = {
    env: { PATH: '', HOLDGATE_RSYSLOG: '/opt/rsyslog' },
    files: ['/opt/rsyslog/usr/sbin/rsyslogd'],
  };
  const namesIn = (directory: string) =>
    [modules, arm].includes(directory) ? ['lmnsd_ossl.so'] : [];
  expect(missing({ ...over, namesIn })).not.toContain('syslog');
  expect(missing(over)).toContain('syslog');
  expect(missing({ env: over.env, namesIn })).toContain('syslog');
});
