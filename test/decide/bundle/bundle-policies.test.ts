import { copyFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ok } from '../../../src/base/result.ts';
import { Secret } from '../../../src/base/secret.ts';
import { createBundlePolicies, type BundlePoliciesOptions } from '../../../src/decide/index.ts';
import { bundleFetcher } from '../../../src/decide/bundle/fetch-bundle.ts';
import { problemText } from '../../../src/decide/problem.ts';
import { startFakeUpstream, type FakeUpstream } from '../../support/fake-upstream.ts';
import {
  createdPolicies,
  heardPolicies,
  problemsOf,
  verdictOf,
} from '../../support/heard-policies.ts';
import { createManualTime } from '../../support/manual-time.ts';
import {
  buildBundle,
  keyPair,
  repack,
  signFiles,
  unpack,
  type Files,
} from '../../support/opa-bundles.ts';

const rsa = keyPair('rsa');
const signing = { key: rsa.privateKey, algorithm: 'RS256' };
const trust: BundlePoliciesOptions['trust'] = () =>
  ok({
    verification: {
      keys: new Map([['ci', { publicKey: rsa.publicKey, algorithm: 'RS256' } as const]]),
      keyId: 'ci',
      scope: '',
    },
    excludeFiles: [],
  });
const rule = (verb: string): Files => ({
  'rules/x/x.rego': `package rules.x\n\nallow contains {"id": "a", "reason": "r"} if input.request.verb == "${verb}"\n`,
});

/** Without sources: these tests are about where bundles come from, and opa takes its time to check them. */
async function bare(verb: string, revision: string): Promise<Map<string, Buffer>> {
  const parts = await unpack(await buildBundle(rule(verb), { revision }));
  for (const name of parts.keys()) if (name.endsWith('.rego')) parts.delete(name);
  return parts;
}

async function signed(parts: Map<string, Buffer>): Promise<Buffer> {
  return repack(new Map(parts).set('.signatures.json', await signFiles(parts, signing)));
}

let get: Buffer;
let list: Buffer;
let unsigned: Buffer;
beforeAll(async () => {
  get = await signed(await bare('get', 'one'));
  list = await signed(await bare('list', 'two'));
  unsigned = await repack(await bare('list', 'two'));
});

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** Policies from a bundle, the changes that were told, and the lines that were logged. */
async function start(from: BundlePoliciesOptions['from'], keep?: () => Promise<void>) {
  const { options, ...heard } = heardPolicies(keep);
  const policies = createdPolicies(await createBundlePolicies({ ...options, from, trust }));
  closing.push(() => policies.close());
  return { policies, ...heard };
}

describe('a bundle in a file', () => {
  async function inFile(content: Buffer | null) {
    const folder = await mkdtemp(join(tmpdir(), 'holdgate-bundle-'));
    closing.push(() => rm(folder, { recursive: true, force: true }));
    const file = join(folder, 'bundle.tar.gz');
    if (content !== null) await writeFile(file, content);
    return { folder, file, ...(await start({ file })) };
  }

  test('is in force, and the next one after it when it is put in its place', async () => {
    const { folder, file, policies, changes, lines, until } = await inFile(get);
    expect([await verdictOf(policies, 'get'), policies.problems()]).toEqual(['allow', []]);
    expect(lines.join('')).toContain('left to its builder');
    await writeFile(join(folder, 'new'), list);
    await rename(join(folder, 'new'), file);
    await until(() => changes.length === 2);
    expect(await verdictOf(policies, 'list')).toBe('allow');
    expect(changes.map(({ policy, previous }) => [previous?.revision, policy.revision])).toEqual([
      [undefined, 'one'],
      ['one', 'two'],
    ]);
    expect(changes[1]?.previous).toEqual(changes[0]?.policy);
  });

  test('that is not signed changes nothing, and is said until a good one is there', async () => {
    const { folder, file, policies, changes, until } = await inFile(get);
    await writeFile(join(folder, 'new'), unsigned);
    await rename(join(folder, 'new'), file);
    await until(() => policies.problems().length > 0);
    expect(problemsOf(policies)).toContain('the bundle is not signed');
    expect([await verdictOf(policies, 'get'), changes.length]).toEqual(['allow', 1]);
    await writeFile(join(folder, 'list'), list);
    await copyFile(join(folder, 'list'), file);
    await until(() => changes.length === 2);
    expect(policies.problems()).toEqual([]);
  });

  test('that is not there yet is no policy, and in force as soon as it comes', async () => {
    const { file, policies, changes, until } = await inFile(null);
    expect([policies.current(), changes.length]).toEqual([null, 0]);
    expect(problemsOf(policies)).toContain(`the bundle ${file} cannot be read`);
    await writeFile(file, get);
    await until(() => changes.length === 1);
    expect([await verdictOf(policies, 'get'), policies.problems()]).toEqual(['allow', []]);
  });

  test('with another revision of the same rules is another policy', async () => {
    const { file, policies, changes } = await inFile(get);
    await writeFile(file, await signed(await bare('get', 'three')));
    await policies.reload();
    expect(changes.map(({ policy }) => policy.revision).at(-1)).toBe('three');
    expect(changes.at(-1)?.policy.wasm).toBe(changes[0]?.policy.wasm);
  });
});

type Answer = { readonly status?: number; readonly body?: Buffer; readonly etag?: string };

describe('a bundle behind a URL', () => {
  /** A server that says `answer`, and 304 to whom has its entity tag already. */
  async function world(first: Answer, keep?: () => Promise<void>) {
    let answer = first;
    const server = await startFakeUpstream((request, response) => {
      const { status = 200, body, etag } = answer;
      if (etag !== undefined) response.setHeader('etag', etag);
      if (status >= 300 && status < 400) response.setHeader('location', '/elsewhere');
      const known = etag !== undefined && request.headers['if-none-match'] === etag;
      response.writeHead(known ? 304 : status);
      response.end(known || body === undefined ? '' : body);
    }, 'h1');
    closing.push(() => server.close());
    const time = createManualTime();
    let polled = (): void => {};
    const delays: number[] = [];
    const started = await start(
      {
        server: () =>
          ok({
            url: `${server.server}/bundle.tar.gz`,
            certificateAuthority: server.ca,
            token: new Secret('t0ken'),
          }),
        pollMs: 30_000,
        random: () => 0.75,
        // The next poll is scheduled when the one before has ended.
        schedule: (delayMs, run) => {
          delays.push(delayMs);
          polled();
          return time.schedule(delayMs, run);
        },
      },
      keep,
    );
    const poll = async (next?: Answer): Promise<void> => {
      answer = next ?? answer;
      const done = new Promise<void>((resolve) => {
        polled = resolve;
      });
      time.advance(40_000);
      await done;
    };
    return { ...started, server, poll, delays, time };
  }

  const tags = ({ seen }: FakeUpstream): unknown[] =>
    seen.map(({ headers }) => headers['if-none-match']);

  test('is in force, asked for with token and entity tag, and 304 changes nothing', async () => {
    const { policies, changes, server, poll, delays } = await world({ body: get, etag: '"1"' });
    expect(await verdictOf(policies, 'get')).toBe('allow');
    await poll();
    await poll({ body: list, etag: '"2"' });
    await poll();
    expect(tags(server)).toEqual([undefined, '"1"', '"1"', '"2"']);
    expect(server.seen.map(({ headers }) => headers['authorization'])).toEqual(
      server.seen.map(() => 'Bearer t0ken'),
    );
    expect(changes.map(({ policy }) => policy.revision)).toEqual(['one', 'two']);
    expect(policies.problems()).toEqual([]);
    // 30 s, and three quarters of the way from a tenth less to a tenth more.
    expect([...new Set(delays)]).toEqual([31_500]);
  });

  test.each<{ what: string; answer: () => Answer; says: string }>([
    { what: 'a failing server', answer: () => ({ status: 500 }), says: 'status 200, got 500' },
    {
      what: 'a redirect',
      answer: () => ({ status: 302 }),
      says: 'got 302 (redirects are not followed)',
    },
    { what: 'no signature', answer: () => ({ body: unsigned }), says: 'the bundle is not signed' },
    { what: 'half a bundle', answer: () => ({ body: list.subarray(0, 900) }), says: 'is no gzip' },
    {
      what: 'too large an answer',
      answer: () => ({ body: Buffer.alloc(16 * 1024 * 1024 + 1) }),
      says: 'larger than 16777216 bytes',
    },
    { what: 'an answer to a question not asked', answer: () => ({ status: 304 }), says: 'got 304' },
  ])('keeps the running policy through $what, and takes the next good one', async (one) => {
    const { policies, changes, server, poll, lines } = await world({ body: get });
    await poll(one.answer());
    expect(problemsOf(policies)).toContain(one.says);
    expect(lines.join('')).toContain('the running one stays');
    expect([await verdictOf(policies, 'get'), changes.length]).toEqual(['allow', 1]);
    expect(server.seen.map(({ url }) => url)).not.toContain('/elsewhere');
    await poll({ body: list, etag: '"2"' });
    expect([await verdictOf(policies, 'list'), policies.problems()]).toEqual(['allow', []]);
  });

  test('is fetched anew after it was refused: an entity tag stands for what is in force', async () => {
    const { policies, server, poll } = await world({ body: get, etag: '"1"' });
    await poll({ body: unsigned, etag: '"2"' });
    await poll();
    expect(tags(server)).toEqual([undefined, '"1"', undefined]);
    expect(problemsOf(policies)).toContain('the bundle is not signed');
    await poll({ body: list, etag: '"3"' });
    expect([await verdictOf(policies, 'list'), policies.problems()]).toEqual(['allow', []]);
  });

  test('is known to be unchanged again after the server was away', async () => {
    const { policies, server, poll } = await world({ body: get, etag: '"1"' });
    await poll({ status: 503 });
    expect(problemsOf(policies)).toContain('got 503');
    await poll({ body: get, etag: '"1"' });
    expect([policies.problems(), tags(server)]).toEqual([[], [undefined, '"1"', '"1"']]);
  });

  test('that cannot be had at the start is no policy until it can', async () => {
    const { policies, changes, poll } = await world({ status: 404 });
    expect([policies.current(), changes.length]).toEqual([null, 0]);
    expect(problemsOf(policies)).toContain('got 404');
    await poll({ body: get });
    expect([await verdictOf(policies, 'get'), changes.length]).toEqual(['allow', 1]);
  });

  test('whose sources could not be kept is fetched again', async () => {
    let isBroken = true;
    const keep = (): Promise<void> =>
      isBroken ? Promise.reject(new Error('database down')) : Promise.resolve();
    const { policies, server, poll } = await world({ body: get, etag: '"1"' }, keep);
    expect(problemsOf(policies)).toContain('database down');
    isBroken = false;
    await poll();
    expect([await verdictOf(policies, 'get'), tags(server)]).toEqual([
      'allow',
      [undefined, undefined],
    ]);
  });

  test('is not asked for any more after closing', async () => {
    const { policies, server, time } = await world({ body: get });
    await policies.close();
    time.advance(100_000);
    expect([time.pending(), server.seen.length]).toEqual([[], 1]);
  });
});

describe('the server of a bundle', () => {
  const fetchFrom = (url: string, certificateAuthority: string | null, timeoutMs?: number) =>
    bundleFetcher(() => ok({ url, certificateAuthority, token: null }), timeoutMs)('');

  test('must have a certificate of the named authority', async () => {
    const server = await startFakeUpstream((_, response) => response.end('x'), 'h1');
    closing.push(() => server.close());
    expect((await fetchFrom(server.server, server.ca)).ok).toBe(true);
    const refused = await fetchFrom(server.server, null);
    expect(refused.ok ? 'accepted' : refused.error).toMatch(/certificate/);
    expect(server.seen).toHaveLength(1);
  });

  test('has one deadline for the whole answer', async () => {
    const server = await startFakeUpstream((_, response) => {
      response.write('the beginning');
    }, 'h1');
    closing.push(() => server.close());
    expect(await fetchFrom(server.server, server.ca, 200)).toEqual({
      ok: false,
      error: `GET ${server.server}: no complete answer within 200 ms`,
    });
  });

  test('is never asked without TLS', async () => {
    const refused = await fetchFrom('http://127.0.0.1:1/x', null);
    expect(refused.ok ? 'accepted' : refused.error).toMatch(/http:/);
  });
});

test('a program that is configured as opa and is none is an error', async () => {
  const wrong = await createBundlePolicies({
    ...heardPolicies().options,
    from: { file: '/nonexistent' },
    trust,
    opa: { configured: '/nonexistent/opa' },
  });
  expect(wrong.ok ? '' : wrong.error.map(problemText).join()).toContain('does not run');
});
