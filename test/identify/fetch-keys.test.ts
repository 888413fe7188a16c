import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ok } from '../../src/base/result.ts';
import { discover, discoveryUrlOf, fetchKeys } from '../../src/identify/discover.ts';
import { fetchJson } from '../../src/identify/index.ts';
import {
  json,
  makeIssuerKey,
  startHostileIssuer,
  type HostileIssuer,
} from '../support/hostile-issuer.ts';

let issuer: HostileIssuer;

beforeAll(async () => {
  issuer = await startHostileIssuer();
});
afterAll(() => issuer.close());
beforeEach(() => {
  issuer.keys = [];
  issuer.metadata = {};
  issuer.answers.clear();
  issuer.asked.length = 0;
});

const ports = { fetchJson, readFile: () => Promise.reject(new Error('not asked for')) };
const source = () => ({
  issuerUrl: issuer.url,
  discoveryUrl: discoveryUrlOf(issuer.url),
  certificateAuthorityFile: null,
});
const request = (path: string) => ({
  url: `${issuer.url}${path}`,
  certificateAuthority: null,
  timeoutMs: 2_000,
  bytesMax: 1000,
});

describe('discovery over the network', () => {
  test("gives the issuer's jwks_uri", async () => {
    expect(await discover(ports, source())).toEqual(ok(`${issuer.url}/jwks`));
  });

  test.each([
    { name: 'another issuer', metadata: { issuer: 'https://evil.example' }, says: /must be equal/ },
    { name: 'the issuer with a slash', metadata: { issuer: 'SLASH' }, says: /must be equal/ },
    { name: 'no jwks_uri', metadata: { jwks_uri: undefined }, says: /lacks issuer or jwks_uri/ },
    {
      name: 'keys over plain http',
      metadata: { jwks_uri: 'http://idp.example/jwks' },
      says: /https/,
    },
    {
      name: 'keys of another service on this machine',
      metadata: { jwks_uri: 'http://127.0.0.1:1/jwks' },
      says: /another origin/,
    },
    { name: 'keys in a file', metadata: { jwks_uri: 'file:///etc/passwd' }, says: /https/ },
    {
      name: 'keys behind a password',
      metadata: { jwks_uri: 'https://u:p@x.example/' },
      says: /password/,
    },
    { name: 'keys nowhere', metadata: { jwks_uri: 'nowhere' }, says: /no URL/ },
  ])('refuses a document with $name', async ({ metadata, says }) => {
    issuer.metadata = metadata.issuer === 'SLASH' ? { issuer: `${issuer.url}/` } : metadata;
    const answer = await discover(ports, source());
    expect(answer.ok).toBe(false);
    expect(answer.ok || answer.error).toMatch(says);
  });

  test('refuses to be pointed at its own machine by an issuer elsewhere', async () => {
    const answer = await discover(
      {
        ...ports,
        fetchJson: () =>
          Promise.resolve(
            ok({
              value: { issuer: 'https://idp.example', jwks_uri: 'https://localhost:6443/jwks' },
              cacheControl: '',
            }),
          ),
      },
      {
        issuerUrl: 'https://idp.example',
        discoveryUrl: discoveryUrlOf('https://idp.example'),
        certificateAuthorityFile: null,
      },
    );
    expect(answer.ok || answer.error).toMatch(/gateway's own machine/);
  });

  test.each([
    { url: 'https://a.example', expected: 'https://a.example/.well-known/openid-configuration' },
    {
      url: 'https://a.example/t/',
      expected: 'https://a.example/t/.well-known/openid-configuration',
    },
  ])('looks for $url where the standard says', ({ url, expected }) => {
    expect(discoveryUrlOf(url)).toBe(expected);
  });
});

describe('key sets', () => {
  const keysUrl = () => `${issuer.url}/jwks`;

  test('a hundred keys are taken, a hundred and one refused', async () => {
    const { publicJwk } = await makeIssuerKey();
    issuer.keys = Array.from({ length: 100 }, () => publicJwk);
    const taken = await fetchKeys(ports, source(), keysUrl());
    expect(taken.ok && taken.value.keys.keys).toHaveLength(100);
    issuer.keys = [...issuer.keys, publicJwk];
    expect((await fetchKeys(ports, source(), keysUrl())).ok).toBe(false);
  });

  test.each([
    { name: 'text', keys: ['key'] },
    { name: 'null', keys: [null] },
    { name: 'a key without kty', keys: [{ kid: 'a' }] },
  ])('a set with $name is refused as a whole', async ({ keys }) => {
    issuer.keys = keys;
    expect((await fetchKeys(ports, source(), keysUrl())).ok).toBe(false);
  });

  test('published private and symmetric keys are left out and counted', async () => {
    const { publicJwk } = await makeIssuerKey();
    issuer.keys = [{ ...publicJwk, d: 'AAAA' }, { kty: 'oct', k: 'AAAA' }, publicJwk];
    expect(await fetchKeys(ports, source(), keysUrl())).toMatchObject({
      ok: true,
      value: { keys: { keys: [publicJwk] }, leakedCount: 2 },
    });
  });
});

describe('one document over the network', () => {
  test('is read with its Cache-Control', async () => {
    issuer.answers.set('/doc', (_, response) => {
      response.setHeader('cache-control', 'max-age=60');
      json(response, { a: 1 });
    });
    expect(await fetchJson(request('/doc'))).toEqual(
      ok({ value: { a: 1 }, cacheControl: 'max-age=60' }),
    );
  });

  test('a redirect is not followed', async () => {
    issuer.answers.set('/doc', (_, response) => {
      response.writeHead(302, { location: '/jwks' }).end();
    });
    const answer = await fetchJson(request('/doc'));
    expect(answer.ok || answer.error).toMatch(/got 302 \(redirects are not followed\)/);
    expect(issuer.asked).toEqual(['/doc']);
  });

  test.each([
    { name: 'an error', status: 500, body: '{}', says: /expected status 200, got 500/ },
    { name: 'no JSON', status: 200, body: '<html>', says: /not JSON/ },
    { name: 'an empty answer', status: 200, body: '', says: /not JSON/ },
    { name: 'too much', status: 200, body: 'x'.repeat(1001), says: /larger than 1000 bytes/ },
  ])('$name is an error that names the URL', async ({ status, body, says }) => {
    issuer.answers.set('/doc', (_, response) => response.writeHead(status).end(body));
    const answer = await fetchJson(request('/doc'));
    expect(answer.ok || answer.error).toMatch(says);
    expect(answer.ok || answer.error).toContain(`${issuer.url}/doc`);
  });

  test.each([
    { name: 'never answers', answer: () => {} },
    {
      name: 'never ends',
      answer: (
        _: unknown,
        response: { writeHead: (status: number) => { write: (text: string) => void } },
      ) => response.writeHead(200).write('{'),
    },
  ])('a server that $name is given up', async ({ answer }) => {
    issuer.answers.set('/doc', answer);
    const given = await fetchJson({ ...request('/doc'), timeoutMs: 50 });
    expect(given.ok || given.error).toMatch(/no complete answer within 50 ms/);
  });

  test.each([
    { name: 'nobody listens', url: 'http://127.0.0.1:1/' },
    { name: 'the URL is none', url: 'x' },
  ])('an error, not an exception, where $name', async ({ url }) => {
    expect((await fetchJson({ ...request('/'), url })).ok).toBe(false);
  });
});
