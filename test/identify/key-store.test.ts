import { describe, expect, test } from 'vitest';
import { err, ok } from '../../src/base/result.ts';
import type { FetchJson } from '../../src/identify/index.ts';
import { makeIssuerKey, token } from '../support/hostile-issuer.ts';
import { identifyWorld, issuerUrl, type IdentifyWorld } from '../support/identify-world.ts';

const minute = 60_000;
const jwks = `${issuerUrl}/jwks`;
const UNAVAILABLE = 'HOLDGATE_IDENTIFY_ISSUER_UNAVAILABLE';
const SIGNATURE = 'HOLDGATE_IDENTIFY_SIGNATURE_INVALID';

/** Lets everything that waits on promises run. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

const tokenOfKid = (world: IdentifyWorld, kid: string) =>
  token(world.header({ kid }), world.claims(), world.key);

async function codes(world: IdentifyWorld, bearers: readonly string[]): Promise<Set<string>> {
  const answers = await Promise.all(bearers.map((bearer) => world.identify(bearer)));
  return new Set(answers.map((answer) => (answer.ok ? 'ok' : answer.error.code)));
}

async function warmWorld(): Promise<IdentifyWorld> {
  const world = await identifyWorld();
  await settle();
  world.issuer.asked.length = 0;
  return world;
}

/** A world whose issuer has published these keys for a while. */
async function worldWithKeys(
  keys: (world: IdentifyWorld) => readonly unknown[],
  config = {},
): Promise<IdentifyWorld> {
  const world = await identifyWorld(config);
  await settle();
  world.issuer.keys = keys(world);
  world.time.advance(10 * minute);
  await settle();
  return world;
}

describe('an issuer that is down', () => {
  test('from the start: its tokens are refused, and it is not ready', async () => {
    const world = await identifyWorld(
      {},
      { fetchJson: () => Promise.resolve(err('ECONNREFUSED')) },
    );
    const bearers = Array.from({ length: 1000 }, (_, index) => tokenOfKid(world, `kid-${index}`));
    expect(await codes(world, bearers)).toEqual(new Set([UNAVAILABLE]));
    expect(world.identifier.ready()).toEqual([
      { issuer: issuerUrl, ready: false, problem: 'ECONNREFUSED' },
    ]);
  });

  test('1000 concurrent requests with 1000 unknown kids cause at most one fetch, and so do the next 1000', async () => {
    const world = await warmWorld();
    world.time.advance(20_000);
    world.issuer.up = false;
    const bearers = Array.from({ length: 1000 }, (_, index) => tokenOfKid(world, `kid-${index}`));
    expect(await codes(world, bearers)).toEqual(new Set([UNAVAILABLE]));
    expect(world.issuer.asked).toEqual([jwks]);
    expect(await codes(world, bearers)).toEqual(new Set([UNAVAILABLE]));
    expect(world.issuer.asked).toEqual([jwks]);
  });

  test('never loaded: 1000 concurrent requests share the one fetch of the start', async () => {
    let asked = 0;
    const fetchJson: FetchJson = () => {
      asked += 1;
      return Promise.resolve(err('ECONNREFUSED'));
    };
    const world = await identifyWorld({}, { fetchJson });
    const bearers = Array.from({ length: 1000 }, () => world.token());
    expect(await codes(world, bearers)).toEqual(new Set([UNAVAILABLE]));
    expect(asked).toBe(1);
    world.time.advance(1000);
    await settle();
    expect(asked).toBe(2);
  });

  test('its known keys serve on, until they are too stale; then everything is refused', async () => {
    const world = await warmWorld();
    world.issuer.up = false;
    for (let passed = 0; passed < 69; passed += 1) {
      world.time.advance(minute);
      await settle();
    }
    expect(await codes(world, [world.token()])).toEqual(new Set(['ok']));
    expect(world.identifier.ready()).toMatchObject([
      { ready: true, problem: 'connection refused' },
    ]);
    world.time.advance(minute);
    expect(await codes(world, [world.token()])).toEqual(new Set([UNAVAILABLE]));
    expect(world.identifier.ready()).toMatchObject([{ ready: false }]);
  });

  test('a token that was let in a moment ago is refused too when the keys become too stale', async () => {
    const world = await warmWorld();
    world.issuer.up = false;
    world.time.advance(70 * minute - 1000);
    await settle();
    const bearer = world.token();
    expect(await codes(world, [bearer])).toEqual(new Set(['ok']));
    world.time.advance(1000);
    expect(await codes(world, [bearer])).toEqual(new Set([UNAVAILABLE]));
  });

  test('is asked again at doubling intervals, up to a minute, and serves as soon as it is back', async () => {
    const world = await warmWorld();
    world.issuer.up = false;
    world.time.advance(10 * minute);
    const waits: number[] = [];
    for (let turn = 0; turn < 8; turn += 1) {
      await settle();
      const [next = 0] = world.time.pending();
      waits.push(next);
      world.time.advance(next);
    }
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    world.issuer.up = true;
    await settle();
    world.time.advance(60_000);
    await settle();
    expect(await codes(world, [world.token()])).toEqual(new Set(['ok']));
    expect(world.identifier.ready()).toEqual([{ issuer: issuerUrl, ready: true, problem: '' }]);
  });

  test('says why only to the operator', async () => {
    const fetchJson: FetchJson = () =>
      Promise.resolve(err('GET https://10.0.0.7/internal: refused'));
    const world = await identifyWorld({}, { fetchJson });
    const answer = await world.identify(world.token());
    expect(answer.ok || answer.error.detail).toMatch(/10\.0\.0\.7/);
    expect(answer.ok || answer.error.message).not.toContain('10.0.0.7');
  });
});

describe('key rotation', () => {
  test('a new key is taken at once, when the last fetch is ten seconds old', async () => {
    const world = await warmWorld();
    const next = await makeIssuerKey('ES256', 'key-2');
    world.issuer.keys = [world.key.publicJwk, next.publicJwk];
    const bearer = token(world.header({ kid: 'key-2' }), world.claims(), next);
    world.time.advance(9_999);
    expect(await codes(world, [bearer])).toEqual(new Set([SIGNATURE]));
    expect(world.issuer.asked).toEqual([]);
    world.time.advance(1);
    expect(await codes(world, [bearer, bearer, bearer])).toEqual(new Set(['ok']));
    expect(world.issuer.asked).toEqual([jwks]);
  });

  test('an unknown kid causes one fetch, and the same kid none for a minute', async () => {
    const world = await warmWorld();
    world.time.advance(20_000);
    for (let turn = 0; turn < 5; turn += 1) {
      expect(await codes(world, [tokenOfKid(world, 'invented')])).toEqual(new Set([SIGNATURE]));
      world.time.advance(11_000);
    }
    expect(world.issuer.asked).toEqual([jwks]);
  });

  test('invented kids, each another, cause at most one fetch in ten seconds', async () => {
    const world = await warmWorld();
    world.time.advance(20_000);
    for (let second = 0; second < 60; second += 1) {
      await codes(world, [tokenOfKid(world, `a-${second}`), tokenOfKid(world, `b-${second}`)]);
      world.time.advance(1000);
    }
    expect(world.issuer.asked.length).toBeLessThanOrEqual(6);
  });

  test('a key that was withdrawn stops working with the next refresh, also for a token of the cache', async () => {
    const world = await warmWorld();
    const bearer = world.token();
    world.time.advance(10 * minute - 1);
    const fresh = world.token();
    expect(await codes(world, [fresh])).toEqual(new Set(['ok']));
    const next = await makeIssuerKey('ES256', 'key-2');
    world.issuer.keys = [next.publicJwk];
    world.time.advance(1);
    await settle();
    expect(await codes(world, [fresh])).toEqual(new Set([SIGNATURE]));
    expect(bearer).not.toBe(fresh);
  });

  test('an empty key set is obeyed: nothing verifies, and the issuer is not ready', async () => {
    const world = await warmWorld();
    world.issuer.keys = [];
    world.time.advance(10 * minute);
    await settle();
    expect(await codes(world, [world.token()])).toEqual(new Set([SIGNATURE]));
    const [status] = world.identifier.ready();
    expect(status?.ready).toBe(false);
    expect(status?.problem).toMatch(/no key/);
  });

  test.each([
    { cacheControl: '', refreshMs: 10 * minute },
    { cacheControl: 'public, max-age=1800, must-revalidate', refreshMs: 30 * minute },
    { cacheControl: 'max-age=0', refreshMs: minute },
    { cacheControl: 'max-age=86400', refreshMs: 60 * minute },
    { cacheControl: 'no-store', refreshMs: minute },
    { cacheControl: 'max-age=1800, no-cache', refreshMs: minute },
    { cacheControl: 'x-max-age=7, max-age=banana', refreshMs: 10 * minute },
  ])('with Cache-Control "$cacheControl" is looked for after $refreshMs ms', async (row) => {
    const world = await warmWorld();
    world.issuer.cacheControl = row.cacheControl;
    world.time.advance(10 * minute);
    await settle();
    expect(world.time.pending()).toEqual([row.refreshMs]);
  });

  test('steps of the wall clock neither age the keys nor keep them', async () => {
    const world = await warmWorld();
    world.issuer.up = false;
    world.time.stepWallClock(5 * 3600_000);
    expect(await codes(world, [world.token()])).toEqual(new Set(['ok']));
    world.time.stepWallClock(-10 * 3600_000);
    world.time.advance(70 * minute);
    expect(await codes(world, [world.token()])).toEqual(new Set([UNAVAILABLE]));
  });

  test('ends with the identifier: no timer is left', async () => {
    const world = await warmWorld();
    world.identifier.close();
    expect(world.time.pending()).toEqual([]);
  });
});

describe('which key', () => {
  test('a token without kid is verified where the issuer has one key for it', async () => {
    const world = await warmWorld();
    const bearer = token(world.header({ kid: undefined }), world.claims(), world.key);
    expect(await codes(world, [bearer])).toEqual(new Set(['ok']));
  });

  test.each([
    { name: 'no kid and two keys', kids: ['key-1', 'key-2'], kid: undefined },
    { name: 'a kid that two keys have', kids: ['key-1', 'key-1'], kid: 'key-1' },
  ])('a token with $name is refused: keys are not tried out', async ({ kids, kid }) => {
    const other = await makeIssuerKey('ES256', kids[1]);
    const world = await worldWithKeys(({ key }) => [key.publicJwk, other.publicJwk]);
    const answer = await world.identify(token(world.header({ kid }), world.claims(), world.key));
    expect(answer.ok || answer.error.code).toBe(SIGNATURE);
    expect(answer.ok || answer.error.message).toMatch(/which of several keys/);
  });

  test('a key whose private part the issuer publishes is not used', async () => {
    const key = await makeIssuerKey('ES256', 'key-1');
    const jwk = { ...key.publicJwk, d: key.privateKey.export({ format: 'jwk' }).d };
    const fetchJson: FetchJson = ({ url }) =>
      Promise.resolve(
        ok({
          value: url === jwks ? { keys: [jwk] } : { issuer: issuerUrl, jwks_uri: jwks },
          cacheControl: '',
        }),
      );
    const world = await identifyWorld({}, { fetchJson });
    const bearer = token(world.header(), world.claims(), key);
    expect(await codes(world, [bearer])).toEqual(new Set([SIGNATURE]));
  });

  test('a key for encryption, and an RSA key that is too short, verify nothing', async () => {
    const short = await makeIssuerKey('RS256', 'short', 1024);
    const world = await worldWithKeys(({ key }) => [
      { ...key.publicJwk, use: 'enc' },
      short.publicJwk,
    ]);
    const weak = token(world.header({ alg: 'RS256', kid: 'short' }), world.claims(), short);
    expect(await codes(world, [world.token(), weak])).toEqual(new Set([SIGNATURE]));
  });

  test('EdDSA is taken where the configuration says so, and only there', async () => {
    const key = await makeIssuerKey('EdDSA', 'ed');
    for (const [algorithms, expected] of [
      [['EdDSA'], 'ok'],
      [['RS256'], 'HOLDGATE_IDENTIFY_TOKEN_MALFORMED'],
    ] as const) {
      const world = await worldWithKeys(() => [key.publicJwk], { algorithms });
      const bearer = token(world.header({ alg: 'EdDSA', kid: 'ed' }), world.claims(), key);
      expect(await codes(world, [bearer])).toEqual(new Set([expected]));
    }
  });
});
