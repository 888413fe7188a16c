import { describe, expect, test } from 'vitest';
import { DependencyError } from '../../src/base/errors.ts';
import { createLog } from '../../src/base/log.ts';
import { err, ok, type Result } from '../../src/base/result.ts';
import { configSchema, type Config } from '../../src/config/index.ts';
import { createClusters } from '../../src/gateway/clusters.ts';
import { createReload, takeClusters } from '../../src/gateway/reload.ts';
import type { OpenUpstream, Upstream } from '../../src/forward/index.ts';
import type { RecordEntry } from '../../src/record/index.ts';
import { createManualTime } from '../support/manual-time.ts';

type ClusterLine = {
  readonly name: string;
  readonly server?: string;
  readonly ca?: string;
  readonly labels?: Readonly<Record<string, string>>;
};

const config = (clusters: readonly ClusterLine[], more: object = {}): Config =>
  configSchema.parse({
    ...more,
    clusters: clusters.map(({ name, server, ca, labels }) => ({
      name,
      server: server ?? `https://${name}.test`,
      ...(ca === undefined ? {} : { certificateAuthority: ca }),
      ...(labels === undefined ? {} : { labels }),
      credential: { token: { file: `/token/${name}` } },
    })),
  });

/** A gateway's clusters over upstreams that only remember what became of them. */
async function world(running: Config) {
  const time = createManualTime();
  const logs: string[] = [];
  const log = createLog('debug', (line) => logs.push(line));
  const records: RecordEntry[] = [];
  const closed: string[] = [];
  const broken = { recorder: false };
  const saved: { now: Result<Config, readonly string[]> } = { now: ok(running) };
  const open = (one: Config['clusters'][number]): Result<OpenUpstream, string> => {
    if (!('server' in one)) return err('no kubeconfigs in this test');
    const { server, certificateAuthority: ca = '' } = one;
    if (ca === '/broken') return err(`cluster "${one.name}" cannot be used: no such file`);
    const upstream: Upstream = {
      send: () => Promise.reject(new Error('nothing is sent in this test')),
      upgrade: () => Promise.reject(new Error('nothing is sent in this test')),
      close: () => {
        closed.push(`${server} ${ca}`.trim());
        return Promise.resolve();
      },
    };
    const files = ca === '' ? [] : [ca];
    return ok({ upstream, server, credential: 'a token', fingerprint: server + ca, files });
  };
  const clusters = createClusters({ open, schedule: time.schedule, log, drainMs: 1000 });
  /** What was in force when an entry was appended. */
  const inForceAtAppend: string[][] = [];
  const names = (): string[] => ['a', 'b', 'c'].filter((name) => clusters.find(name).ok);
  const recorder = {
    append: (entry: RecordEntry): Promise<void> => {
      if (broken.recorder) {
        return Promise.reject(new DependencyError('HOLDGATE_RECORD_UNAVAILABLE', 'database down'));
      }
      inForceAtAppend.push(names());
      records.push(entry);
      return Promise.resolve();
    },
  };
  const prepared = clusters.prepare(running);
  if (!prepared.ok) throw new Error(prepared.error.join());
  await takeClusters(prepared.value, 'start', { recorder, log });
  const reload = createReload({
    load: () => Promise.resolve(saved.now),
    clusters,
    recorder,
    running,
    log,
  });
  const cluster = (name: string | null) => {
    const found = clusters.find(name);
    if (!found.ok) throw new Error(found.error.message);
    return found.value;
  };
  return {
    clusters,
    cluster,
    names,
    reload,
    logs,
    records,
    closed,
    broken,
    inForceAtAppend,
    save: (now: Config) => {
      saved.now = ok(now);
      return reload.now();
    },
    saveBroken: (...problems: string[]) => {
      saved.now = err(problems);
      return reload.now();
    },
  };
}

const facts = (name: string, more: object = {}) => ({
  name,
  server: `https://${name}.test`,
  credential: 'a token',
  labels: {},
  ...more,
});
/** How many lines of the log say so. */
const count = (logs: readonly string[], text: string): number =>
  logs.filter((line) => line.includes(text)).length;

describe('a saved configuration', () => {
  test('adds and removes clusters, on record before they are in force', async () => {
    const one = await world(config([{ name: 'a' }, { name: 'b' }]));
    expect(await one.save(config([{ name: 'b' }, { name: 'c' }]))).toBe('taken');
    expect(one.names()).toEqual(['b', 'c']);
    expect(one.records).toEqual([
      {
        kind: 'clusters',
        requestId: '',
        cluster: '',
        occasion: 'start',
        added: [facts('a'), facts('b')],
        removed: [],
        changed: [],
        defaultCluster: 'a',
      },
      {
        kind: 'clusters',
        requestId: '',
        cluster: '',
        occasion: 'reload',
        added: [facts('c')],
        removed: [facts('a')],
        changed: [],
        defaultCluster: 'b',
      },
    ]);
    expect(one.inForceAtAppend).toEqual([[], ['a', 'b']]);
    expect(one.clusters.find('a')).toMatchObject({
      ok: false,
      error: {
        code: 'HOLDGATE_LISTEN_CLUSTER_UNKNOWN',
        message: 'there is no cluster "a"; configured: b, c',
      },
    });
  });

  test('leaves an unchanged cluster its very upstream, and closes only what is gone', async () => {
    const one = await world(config([{ name: 'a' }, { name: 'b' }]));
    const { upstream } = one.cluster('a');
    await one.save(config([{ name: 'a' }]));
    await Promise.resolve();
    expect(one.cluster('a').upstream).toBe(upstream);
    // The first of `a` was opened to be compared; what is in force is open.
    expect(one.closed.toSorted()).toEqual(['https://a.test', 'https://b.test']);
    await one.clusters.close();
    expect(one.closed.filter((server) => server === 'https://a.test')).toHaveLength(2);
  });

  test.each<{ name: string; now: ClusterLine; what: string; sameUpstream: boolean }>([
    {
      name: 'another server',
      now: { name: 'a', server: 'https://elsewhere.test' },
      what: 'server',
      sameUpstream: false,
    },
    { name: 'another CA', now: { name: 'a', ca: '/ca' }, what: 'connection', sameUpstream: false },
    {
      name: 'other labels',
      now: { name: 'a', labels: { environment: 'production' } },
      what: 'labels',
      sameUpstream: true,
    },
  ])('$name is in force at the next lookup', async ({ now, what, sameUpstream }) => {
    const one = await world(config([{ name: 'a' }]));
    const before = one.cluster('a');
    expect(await one.save(config([now]))).toBe('taken');
    const after = one.cluster('a');
    expect(after.server).toBe(now.server ?? 'https://a.test');
    expect(after.labels).toEqual(now.labels ?? {});
    expect(after.upstream === before.upstream).toBe(sameUpstream);
    expect(one.records.at(-1)).toMatchObject({ changed: [{ what: [what] }] });
    expect(one.clusters.files()).toEqual(now.ca === undefined ? [] : [now.ca]);
  });

  test('moves the default cluster, with a record of its own', async () => {
    const clusters = [{ name: 'a' }, { name: 'b' }];
    const one = await world(config(clusters));
    expect(one.cluster(null).name).toBe('a');
    expect(await one.save(config(clusters, { defaultCluster: 'b' }))).toBe('taken');
    expect(one.cluster(null).name).toBe('b');
    expect(one.records.at(-1)).toMatchObject({ defaultCluster: 'b', added: [], changed: [] });
  });

  test('that is saved as it was changes and records nothing', async () => {
    const one = await world(config([{ name: 'a' }]));
    expect(await one.save(config([{ name: 'a' }]))).toBe('unchanged');
    expect(one.records).toHaveLength(1);
  });

  test('may remove every cluster', async () => {
    const one = await world(config([{ name: 'a' }]));
    expect(await one.save(config([]))).toBe('taken');
    expect(one.clusters.find(null)).toMatchObject({
      error: { message: 'no cluster is configured; configured: none' },
    });
  });
});

describe('what cannot be taken leaves everything as it was', () => {
  const PROBLEM = '/etc/holdgate.yaml:3:5: clusters[0].server: is missing';

  test('an invalid file: every problem is logged, and stands in the readiness until it is mended', async () => {
    const one = await world(config([{ name: 'a' }]));
    const { upstream } = one.cluster('a');
    expect(await one.saveBroken(PROBLEM, 'another')).toBe('refused');
    expect(one.reload.problem()).toBe(`${PROBLEM}; another`);
    expect(count(one.logs, PROBLEM)).toBe(1);
    expect(count(one.logs, 'another')).toBe(1);
    expect(one.cluster('a').upstream).toBe(upstream);
    expect(one.records).toHaveLength(1);
    await one.save(config([{ name: 'a' }]));
    expect(one.reload.problem()).toBe('');
  });

  test('a cluster that cannot be opened: the others of that save are not taken either', async () => {
    const one = await world(config([{ name: 'a' }]));
    expect(await one.save(config([{ name: 'c' }, { name: 'b', ca: '/broken' }]))).toBe('refused');
    expect(one.names()).toEqual(['a']);
    expect(one.reload.problem()).toBe('cluster "b" cannot be used: no such file');
    expect(one.closed).toEqual(['https://c.test']);
  });

  test('a change that cannot be recorded: said once, and taken when the record is back', async () => {
    const one = await world(config([{ name: 'a' }]));
    one.broken.recorder = true;
    const next = config([{ name: 'b' }]);
    expect(await one.save(next)).toBe('not-recorded');
    expect(await one.save(next)).toBe('not-recorded');
    expect(one.names()).toEqual(['a']);
    expect(one.reload.problem()).toMatch(/could not be recorded: database down/);
    expect(count(one.logs, 'could not be recorded')).toBe(1);
    one.broken.recorder = false;
    expect(await one.save(next)).toBe('taken');
    expect(one.names()).toEqual(['b']);
    expect(one.reload.problem()).toBe('');
  });
});

describe('what a reload does not apply', () => {
  test('is named once for as long as it is the same, beside what is taken', async () => {
    const one = await world(config([{ name: 'a' }]));
    const more = { data: { port: 9443 }, drainSeconds: 30 };
    expect(await one.save(config([{ name: 'b' }], more))).toBe('taken');
    await one.save(config([{ name: 'b' }], more));
    expect(one.logs.filter((line) => line.includes('only a restart'))).toEqual([
      expect.stringContaining('"keys":["data.port","drainSeconds"]'),
    ]);
  });
});

test('no secret of a server URL gets into log or record', async () => {
  const server = 'https://someone:planted-password@a.test:6443';
  const one = await world(config([{ name: 'a', server }]));
  const written = JSON.stringify(one.records) + one.logs.join('');
  expect(written).toContain('https://a.test:6443/');
  expect(written).not.toContain('planted-password');
});
