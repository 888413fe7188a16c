import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { Http2ServerResponse } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { stringify } from 'yaml';
import { localToken } from '../../src/cli/token.ts';
import { createLog } from '../../src/base/log.ts';
import { loadConfig } from '../../src/config/index.ts';
import { startGateway, type Gateway } from '../../src/gateway.ts';
import { freePorts } from '../../src/local/free-ports.ts';
import { startFakeUpstream, type FakeUpstream } from '../support/fake-upstream.ts';

/** A watch that a fake cluster has open: written to and ended by the test. */
type Watch = { readonly url: string; readonly response: Http2ServerResponse };
type FakeCluster = FakeUpstream & { readonly name: string; readonly watches: Watch[] };

// A whole gateway with its database starts here: slow machines are given time.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });
const waitMs = 30_000;
const directory = mkdtempSync(join(tmpdir(), 'holdgate-reload-'));
const configFile = join(directory, 'holdgate.yaml');
const logs: string[] = [];
const fakes: FakeCluster[] = [];
let gateway: Gateway;
let agent: Agent;
let token = '';
let ports: readonly number[] = [];

/** An API server that answers every get with its own name and leaves every watch open. */
async function fakeCluster(name: string): Promise<FakeCluster> {
  const watches: Watch[] = [];
  const fake = await startFakeUpstream((request, response) => {
    response.setHeader('content-type', 'application/json');
    if (!request.url.includes('watch=')) {
      response.end(JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata: {}, from: name }));
      return;
    }
    response.writeHead(200);
    response.write('{"type":"BOOKMARK"}\n');
    watches.push({ url: request.url, response });
  });
  writeFileSync(join(directory, `${name}.crt`), fake.ca);
  const made = { ...fake, name, watches };
  fakes.push(made);
  return made;
}

type Behind = { readonly name: string; readonly fake: FakeCluster };

/** Saves a configuration as editors do: another file is renamed over it. */
function save(text: string): void {
  writeFileSync(`${configFile}.new`, text);
  renameSync(`${configFile}.new`, configFile);
}

const configuration = (clusters: readonly Behind[], more: object = {}): string =>
  stringify({
    dataDirectory: 'data',
    data: { port: ports[0] },
    people: { port: ports[1] },
    identity: { local: true },
    drainSeconds: 2,
    clusters: clusters.map(({ name, fake }) => ({
      name,
      server: fake.server,
      certificateAuthority: `${fake.name}.crt`,
      credential: { token: { file: 'token' } },
    })),
    ...more,
  });

function open(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    httpsRequest(url, { agent, headers }, resolve).on('error', reject).end();
  });
}

type Answer = { readonly status: number; readonly body: string };

async function get(url: string): Promise<Answer> {
  const response = await open(url);
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode ?? 0, body };
}

const pods = (cluster: string): string => `${gateway.dataUrl}/clusters/${cluster}/api/v1/pods`;

/** Asks a cluster without pause until told to stop; the answers that were not 200, and how many there were. */
function keepAsking(cluster: string) {
  const failed: string[] = [];
  let count = 0;
  let stopped = false;
  const ask = async (): Promise<void> => {
    while (!stopped) {
      const end = await get(pods(cluster)).catch((cause: unknown) => ({
        status: 0,
        body: String(cause),
      }));
      count += 1;
      if (end.status !== 200) failed.push(`${end.status} ${end.body}`);
    }
  };
  const all = Promise.all([ask(), ask(), ask(), ask()]);
  return async (): Promise<{ readonly failed: readonly string[]; readonly count: number }> => {
    stopped = true;
    await all;
    return { failed, count };
  };
}

/** Opens a watch through the gateway and collects its lines. */
async function watchPods(cluster: string) {
  const response = await open(`${pods(cluster)}?watch=true`);
  const seen = { text: '', ended: '' };
  response.on('data', (chunk: Buffer) => {
    seen.text += chunk.toString();
  });
  response.on('end', () => {
    seen.ended = 'whole';
  });
  response.on('error', () => {
    seen.ended ||= 'cut';
  });
  await vi.waitFor(() => expect(seen.text).toContain('BOOKMARK'), waitMs);
  return seen;
}

beforeAll(async () => {
  mkdirSync(join(directory, 'data'));
  writeFileSync(join(directory, 'token'), 'upstream-token');
  ports = await freePorts([0, 0]);
  save(configuration([{ name: 'one', fake: await fakeCluster('first') }]));
  const config = await loadConfig(configFile, process.env);
  if (!config.ok) throw new Error(JSON.stringify(config.error));
  gateway = await startGateway(config.value, {
    env: process.env,
    log: createLog('info', (line) => logs.push(line)),
    onFatal: () => {},
    configFile,
  });
  agent = new Agent({ keepAlive: true, ca: readFileSync(gateway.caFile ?? '') });
  ({ token } = await localToken(config.value.dataDirectory, 'agent', 'holdgate'));
});

afterAll(async () => {
  agent.destroy();
  await gateway.close();
  for (const fake of fakes) await fake.close();
  rmSync(directory, { recursive: true });
});

const first = (): Behind => ({ name: 'one', fake: fakes[0]! });

/** Lines of the log that are about clusters and configuration. */
const said = (): string => logs.filter((line) => !line.includes('"message":"request"')).join('');

describe('while requests run, no request is lost when', () => {
  test('a cluster is added', async () => {
    const stop = keepAsking('one');
    const added = await fakeCluster('added');
    expect((await get(pods('two'))).status).toBe(404);
    save(configuration([first(), { name: 'two', fake: added }]));
    await vi.waitFor(async () => expect((await get(pods('two'))).body).toMatch(/"added"/), waitMs);
    const { failed, count } = await stop();
    expect(failed).toEqual([]);
    expect(count).toBeGreaterThan(0);
  });

  test('the very cluster that they go to gets another server', async () => {
    const stop = keepAsking('two');
    const moved = await fakeCluster('moved');
    save(configuration([first(), { name: 'two', fake: moved }]));
    await vi.waitFor(() => expect(moved.seen.length).toBeGreaterThan(10), waitMs);
    const { failed } = await stop();
    expect(failed).toEqual([]);
    expect((await get(pods('two'))).body).toMatch(/"moved"/);
  });

  test('a cluster is removed: its watch goes on to its end, new requests are told what is configured', async () => {
    const fake = fakes.at(-1)!;
    const stop = keepAsking('one');
    const watch = await watchPods('two');
    save(configuration([first()]));
    await vi.waitFor(async () => {
      const { status, body } = await get(pods('two'));
      expect(status).toBe(404);
      expect(body).toContain('there is no cluster \\"two\\"; configured: one');
    }, waitMs);
    fake.watches.at(-1)?.response.end('{"type":"ADDED"}\n');
    await vi.waitFor(() => expect(watch.ended).not.toBe(''), waitMs);
    expect(watch).toEqual({ text: '{"type":"BOOKMARK"}\n{"type":"ADDED"}\n', ended: 'whole' });
    const { failed } = await stop();
    expect(failed).toEqual([]);
    await vi.waitFor(() => expect(said()).toContain('let go","name":"two","cut":0'));
  });
});

test('a watch of a removed cluster is cut when the drain is over, and nothing else is', async () => {
  const fake = await fakeCluster('short');
  save(configuration([first(), { name: 'three', fake }]));
  await gateway.reload();
  const [stays, goes] = [await watchPods('one'), await watchPods('three')];
  save(configuration([first()]));
  await gateway.reload();
  await vi.waitFor(() => expect(goes.ended).toBe('cut'), waitMs);
  expect(said()).toContain('let go","name":"three","cut":1');
  fakes[0]?.watches.at(-1)?.response.end('{"type":"ADDED"}\n');
  await vi.waitFor(() => expect(stays.ended).toBe('whole'), waitMs);
});

describe('a reload by signal or save', () => {
  const readiness = async (): Promise<string> => (await get(`${gateway.peopleUrl}/readyz`)).body;

  test('of a broken file leaves what is in force, and the readiness names file and line', async () => {
    save(`${configuration([first()])}surprise: true\n`);
    const lines = readFileSync(configFile, 'utf8').trimEnd().split('\n').length;
    const place = `${configFile}:${lines}:1: surprise: is not a known key`;
    await vi.waitFor(async () => expect(await readiness()).toContain(place), waitMs);
    expect(said()).toContain(place);
    const { status, body } = await get(`${gateway.peopleUrl}/readyz`);
    expect([status, JSON.parse(body)]).toMatchObject([200, { ready: true }]);
    expect((await get(pods('one'))).status).toBe(200);
    save(configuration([first()]));
    await vi.waitFor(async () => expect(await readiness()).not.toContain('surprise'), waitMs);
  });

  test('takes the clusters, and says which other keys need a restart', async () => {
    save(configuration([{ ...first(), name: 'renamed' }], { drainSeconds: 5, logLevel: 'debug' }));
    await gateway.reload();
    expect((await get(pods('renamed'))).status).toBe(200);
    expect(logs.filter((line) => line.includes('only a restart'))).toEqual([
      expect.stringContaining('"keys":["drainSeconds","logLevel"]'),
    ]);
  });

  test('of a CA file that a cluster is verified with opens it anew', async () => {
    save(configuration([first()]));
    await gateway.reload();
    const caFile = join(directory, 'first.crt');
    const own = readFileSync(caFile, 'utf8');
    writeFileSync(caFile, readFileSync(join(directory, 'added.crt')));
    await vi.waitFor(async () => expect((await get(pods('one'))).status).toBe(503), waitMs);
    writeFileSync(caFile, own);
    await vi.waitFor(async () => expect((await get(pods('one'))).status).toBe(200), waitMs);
  });
});
