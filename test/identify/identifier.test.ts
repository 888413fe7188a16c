import { describe, expect, test } from 'vitest';
import { Secret } from '../../src/base/secret.ts';
import { identityKey } from '../../src/identify/index.ts';
import { TokenCache } from '../../src/identify/token-cache.ts';
import { identifyWorld, issuerConfig, issuerUrl, loggedFields } from '../support/identify-world.ts';
import { token } from '../support/hostile-issuer.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('the identifier', () => {
  test('names a caller by issuer and subject together', async () => {
    const world = await identifyWorld();
    const answer = await world.identify(world.token());
    expect(answer.ok && identityKey(answer.value)).toBe(`["${issuerUrl}","agent-7"]`);
  });

  test('refuses a cached token the moment it expires', async () => {
    const world = await identifyWorld();
    const bearer = world.token({ exp: Math.floor(world.time.clock.nowMs() / 1000) + 5 });
    expect((await world.identify(bearer)).ok).toBe(true);
    world.time.advance(4_999);
    expect((await world.identify(bearer)).ok).toBe(true);
    world.time.advance(1);
    expect(await world.identify(bearer)).toMatchObject({
      ok: false,
      error: { code: 'HOLDGATE_IDENTIFY_TOKEN_EXPIRED' },
    });
  });

  test('lets a refused token in as soon as it is good: failures are not remembered', async () => {
    const world = await identifyWorld();
    const bearer = world.token({ nbf: Math.floor(world.time.clock.nowMs() / 1000) + 60 });
    expect((await world.identify(bearer)).ok).toBe(false);
    world.time.advance(60_000);
    expect((await world.identify(bearer)).ok).toBe(true);
  });

  test('refuses a token that also opens the other port', async () => {
    const world = await identifyWorld({}, { refusedAudiences: ['holdgate-people'] });
    expect((await world.identify(world.token())).ok).toBe(true);
    const both = await world.identify(world.token({ aud: ['holdgate', 'holdgate-people'] }));
    expect(both).toMatchObject({
      ok: false,
      error: { code: 'HOLDGATE_IDENTIFY_AUDIENCE_WRONG' },
    });
    expect(both.ok || both.error.message).toMatch(/also for audience "holdgate-people"/);
  });

  test("an issuer's key never speaks for another issuer", async () => {
    const other = 'https://other.example';
    const world = await identifyWorld({}, {});
    const two = await identifyWorld(
      {},
      {
        issuers: [issuerConfig(), issuerConfig({ url: other, kind: 'human' })],
        fetchJson: (request) =>
          request.url.startsWith(other)
            ? Promise.resolve({
                ok: true,
                value: {
                  value: request.url.endsWith('/jwks')
                    ? { keys: [world.key.publicJwk] }
                    : { issuer: other, jwks_uri: `${other}/jwks` },
                  cacheControl: '',
                },
              })
            : two.issuer.fetchJson(request),
      },
    );
    await settle();
    const forged = token(two.header(), two.claims({ iss: other }), two.key);
    expect(await two.identify(forged)).toMatchObject({
      ok: false,
      error: { code: 'HOLDGATE_IDENTIFY_SIGNATURE_INVALID' },
    });
    const honest = token(two.header(), two.claims({ iss: other }), world.key);
    expect(await two.identify(honest)).toMatchObject({ ok: true, value: { kind: 'human' } });
  });

  test.each([
    { name: 'the listed client', claims: { azp: 'ci' }, code: 'ok' },
    { name: 'a client by client_id', claims: { client_id: 'ci' }, code: 'ok' },
    { name: 'another client', claims: { azp: 'x' }, code: 'HOLDGATE_IDENTIFY_AUDIENCE_WRONG' },
    { name: 'no client', claims: {}, code: 'HOLDGATE_IDENTIFY_AUDIENCE_WRONG' },
    {
      name: 'a listed client_id beside another azp',
      claims: { azp: 'x', client_id: 'ci' },
      code: 'HOLDGATE_IDENTIFY_AUDIENCE_WRONG',
    },
  ])('with authorizedParties, $name: $code', async ({ claims, code }) => {
    const world = await identifyWorld({ authorizedParties: ['ci'] });
    const answer = await world.identify(world.token(claims));
    expect(answer.ok ? 'ok' : answer.error.code).toBe(code);
  });

  test.each([
    { name: 'equal', claims: { hd: 'example.com' }, code: 'ok' },
    { name: 'different', claims: { hd: 'evil.com' }, code: 'HOLDGATE_IDENTIFY_CLAIMS_INVALID' },
    { name: 'absent', claims: {}, code: 'HOLDGATE_IDENTIFY_CLAIMS_INVALID' },
    { name: 'a list', claims: { hd: ['example.com'] }, code: 'HOLDGATE_IDENTIFY_CLAIMS_INVALID' },
  ])('a required claim that is $name: $code', async ({ claims, code }) => {
    const rule = { claim: 'hd', requiredValue: 'example.com' };
    const world = await identifyWorld({ claimValidationRules: [rule] });
    const answer = await world.identify(world.token(claims));
    expect(answer.ok ? 'ok' : answer.error.code).toBe(code);
  });

  test('names ignored credentials in the log, without their values', async () => {
    const world = await identifyWorld();
    const bearer = `Bearer ${world.token()}`;
    const headers = ['Authorization', bearer, 'Cookie', 'session=hunter2', 'X-Remote-User', 'root'];
    expect((await world.identifier.identify(headers)).ok).toBe(true);
    expect(loggedFields(world.logged, 'other credentials ignored')).toMatchObject([
      { headers: ['cookie', 'x-remote-user'] },
    ]);
    expect(world.logged.join('')).not.toMatch(/hunter2|root|Bearer/);
  });

  test('refuses, and does not throw, when a dependency throws', async () => {
    const world = await identifyWorld(
      { certificateAuthority: '/ca.pem' },
      { readFile: () => Promise.reject(new Error('EACCES')) },
    );
    expect(await world.identify(world.token())).toMatchObject({
      ok: false,
      error: { code: 'HOLDGATE_IDENTIFY_ISSUER_UNAVAILABLE' },
    });
    expect(world.identifier.ready()[0]?.problem).toMatch(/\/ca\.pem could not be read: EACCES/);
    expect(world.issuer.asked).toEqual([]);
  });

  test('two entries of one issuer are a bug that stops the start', async () => {
    await expect(
      identifyWorld({}, { issuers: [issuerConfig(), issuerConfig({ kind: 'human' })] }),
    ).rejects.toThrow('configured twice');
  });
});

describe('the token cache', () => {
  const identity = async () => {
    const world = await identifyWorld();
    const answer = await world.identify(world.token());
    if (!answer.ok) throw new Error(answer.error.message);
    return answer.value;
  };

  test('keeps ten thousand successes for ten seconds, of one key set, and drops the oldest', async () => {
    let nowMs = 0;
    let version = 1;
    const cache = new TokenCache(() => nowMs);
    const keys = { version: () => version };
    const entry = { identity: await identity(), keys };
    for (let index = 0; index < 10_001; index += 1) {
      cache.set(new Secret(`t-${index}`), { ...entry, keysVersion: 1 });
    }
    expect(cache.size).toBe(10_000);
    expect(cache.get(new Secret('t-0'))).toBeNull();
    expect(cache.get(new Secret('t-1'))).not.toBeNull();
    version = 2;
    expect(cache.get(new Secret('t-1'))).toBeNull();
    cache.set(new Secret('t-1'), { ...entry, keysVersion: 2 });
    nowMs = 9_999;
    expect(cache.get(new Secret('t-1'))).not.toBeNull();
    nowMs = 10_000;
    expect(cache.get(new Secret('t-1'))).toBeNull();
    cache.set(new Secret('t-x'), { ...entry, keysVersion: 0 });
    version = 0;
    expect(cache.get(new Secret('t-x'))).toBeNull();
  });
});
