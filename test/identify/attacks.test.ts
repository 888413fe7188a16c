import { beforeAll, describe, expect, test } from 'vitest';
import { confusedToken, makeIssuerKey, token, type IssuerKey } from '../support/hostile-issuer.ts';
import { identifyWorld, issuerUrl, type IdentifyWorld } from '../support/identify-world.ts';

let world: IdentifyWorld;
let stranger: IssuerKey;
let rsa: IssuerKey;
const hour = 3600;

beforeAll(async () => {
  world = await identifyWorld();
  stranger = await makeIssuerKey('ES256', 'key-1');
  rsa = await makeIssuerKey('RS256', 'rsa-1');
  world.issuer.keys = [world.key.publicJwk, rsa.publicJwk];
  world.time.advance(hour * 1000);
  await world.identify(world.token());
});

const now = () => Math.floor(world.time.clock.nowMs() / 1000);
const withHeader = (more: Record<string, unknown>) =>
  token(world.header(more), world.claims(), world.key);
const withClaims = (more: Record<string, unknown>) => world.token(more);

type Attack = {
  readonly attack: string;
  /** The rule that it breaks. */
  readonly rule: string;
  readonly make: () => string;
  readonly code: string;
  readonly says: RegExp;
};

const MALFORMED = 'HOLDGATE_IDENTIFY_TOKEN_MALFORMED';
const SIGNATURE = 'HOLDGATE_IDENTIFY_SIGNATURE_INVALID';
const CLAIMS = 'HOLDGATE_IDENTIFY_CLAIMS_INVALID';
const AUDIENCE = 'HOLDGATE_IDENTIFY_AUDIENCE_WRONG';
const EARLY = 'HOLDGATE_IDENTIFY_TOKEN_NOT_YET_VALID';

const attacks: readonly Attack[] = [
  {
    attack: 'alg none, no signature',
    rule: 'RFC 8725 §3.1, §3.2',
    make: () => token(world.header({ alg: 'none' }), world.claims(), ''),
    code: MALFORMED,
    says: /signed with "none".*RS256, ES256/,
  },
  {
    attack: 'alg None in another case',
    rule: 'RFC 8725 §3.1',
    make: () => token(world.header({ alg: 'nOnE' }), world.claims(), ''),
    code: MALFORMED,
    says: /nOnE/,
  },
  {
    attack: 'HS256 with the public key as secret',
    rule: 'RFC 8725 §2.1',
    make: () => confusedToken(world.header(), world.claims(), world.key),
    code: MALFORMED,
    says: /HS256/,
  },
  {
    attack: 'an algorithm that the issuer may not use',
    rule: 'RFC 8725 §3.1',
    make: () => withHeader({ alg: 'ES384' }),
    code: MALFORMED,
    says: /ES384/,
  },
  {
    attack: 'an allowed algorithm of another key type',
    rule: 'RFC 8725 §3.1',
    make: () => token(world.header({ alg: 'RS256' }), world.claims(), world.key),
    code: SIGNATURE,
    says: /publishes no "RS256" key with kid "key-1"/,
  },
  {
    attack: 'no alg',
    rule: 'RFC 7515 §4.1.1',
    make: () => withHeader({ alg: undefined }),
    code: MALFORMED,
    says: /no alg/,
  },
  {
    attack: "a stranger's key under the issuer's kid",
    rule: 'RFC 8725 §3.8',
    make: () => token(world.header(), world.claims(), stranger),
    code: SIGNATURE,
    says: /does not verify/,
  },
  {
    attack: 'no signature',
    rule: 'RFC 8725 §3.3',
    make: () => token(world.header(), world.claims(), ''),
    code: SIGNATURE,
    says: /does not verify/,
  },
  {
    attack: 'a changed payload',
    rule: 'RFC 8725 §3.3',
    make: () => {
      const [head, , signature] = world.token().split('.');
      const [, payload] = world.token({ sub: 'root' }).split('.');
      return [head, payload, signature].join('.');
    },
    code: SIGNATURE,
    says: /does not verify/,
  },
  {
    attack: 'a key of its own in the header (jwk)',
    rule: 'RFC 8725 §3.10',
    make: () => token(world.header({ jwk: stranger.publicJwk }), world.claims(), stranger),
    code: SIGNATURE,
    says: /does not verify/,
  },
  {
    attack: 'a key set of its own (jku), under an unknown kid',
    rule: 'RFC 8725 §3.10',
    make: () =>
      token(
        world.header({ jku: 'http://127.0.0.1:1/jwks', x5u: 'http://127.0.0.1:1/x', kid: 'mine' }),
        world.claims(),
        stranger,
      ),
    code: SIGNATURE,
    says: /publishes no "ES256" key with kid "mine"/,
  },
  {
    attack: 'a certificate of its own (x5c)',
    rule: 'RFC 8725 §3.10',
    make: () => token(world.header({ x5c: ['MIIB'] }), world.claims(), stranger),
    code: SIGNATURE,
    says: /does not verify/,
  },
  {
    attack: 'a kid that is a path',
    rule: 'RFC 8725 §3.10',
    make: () => withHeader({ kid: '../../../../dev/null' }),
    code: SIGNATURE,
    says: /publishes no/,
  },
  {
    attack: 'a kid that is SQL and terminal escapes',
    rule: 'RFC 8725 §3.10',
    make: () => withHeader({ kid: "' OR 1=1 --\u001b[2J\u009b2J" }),
    code: SIGNATURE,
    says: /\\u001b\[2J\\u009b2J/,
  },
  {
    attack: 'a kid of 100 KB would fill caches: 257 characters',
    rule: 'RFC 8725 §3.10',
    make: () => withHeader({ kid: 'k'.repeat(257) }),
    code: MALFORMED,
    says: /kid/,
  },
  {
    attack: 'a kid that is an object',
    rule: 'RFC 7515 §4.1.4',
    make: () => withHeader({ kid: { toString: 'key-1' } }),
    code: MALFORMED,
    says: /kid/,
  },
  {
    attack: 'an unknown critical extension',
    rule: 'RFC 7515 §4.1.11',
    make: () => withHeader({ crit: ['exp2'], exp2: 1 }),
    code: MALFORMED,
    says: /crit/,
  },
  {
    attack: 'a payload that is not encoded (b64)',
    rule: 'RFC 7797 §7',
    make: () => withHeader({ b64: false, crit: ['b64'] }),
    code: MALFORMED,
    says: /b64/,
  },
  ...['logout+jwt', 'dpop+jwt', 'secevent+jwt', 'kb+jwt', 'client-authentication+jwt', 'JWE'].map(
    (typ): Attack => ({
      attack: `a token for another purpose: typ ${typ}`,
      rule: 'RFC 8725 §2.8, §3.11',
      make: () => withHeader({ typ }),
      code: MALFORMED,
      says: /another purpose/,
    }),
  ),
  {
    attack: 'a typ that is a list',
    rule: 'RFC 8725 §3.11',
    make: () => withHeader({ typ: ['JWT'] }),
    code: MALFORMED,
    says: /typ/,
  },
  {
    attack: 'a nested token (cty)',
    rule: 'RFC 8725 §2.3',
    make: () => token(world.header({ cty: 'JWT' }), world.token(), world.key),
    code: MALFORMED,
    says: /nested/,
  },
  {
    attack: 'a nested token without cty',
    rule: 'RFC 8725 §3.3',
    make: () => token(world.header(), world.token(), world.key),
    code: MALFORMED,
    says: /payload/,
  },
  {
    attack: 'an encrypted token',
    rule: 'RFC 8725 §2.3',
    make: () => 'eyJhbGciOiJkaXIifQ.a.b.c.d',
    code: MALFORMED,
    says: /encrypted/,
  },
  {
    attack: 'an opaque token',
    rule: 'RFC 6750',
    make: () => 'ya29.opaque',
    code: MALFORMED,
    says: /no JWT/,
  },
  {
    attack: 'a payload that is a list',
    rule: 'RFC 7519 §7.2',
    make: () => token(world.header(), [world.claims()], world.key),
    code: MALFORMED,
    says: /payload/,
  },
  {
    attack: 'no issuer',
    rule: 'RFC 8725 §3.8',
    make: () => withClaims({ iss: undefined }),
    code: MALFORMED,
    says: /no iss/,
  },
  ...[`${issuerUrl}/`, 'https://IDP.example', 'https://idp.example.evil', ` ${issuerUrl}`].map(
    (iss): Attack => ({
      attack: `an issuer that only looks like ours: ${JSON.stringify(iss)}`,
      rule: 'RFC 8725 §3.8',
      make: () => withClaims({ iss }),
      code: 'HOLDGATE_IDENTIFY_ISSUER_UNKNOWN',
      says: /expected exactly one of "https:\/\/idp\.example"/,
    }),
  ),
  {
    attack: 'an issuer as a list that contains ours',
    rule: 'RFC 8725 §3.8',
    make: () => withClaims({ iss: [issuerUrl] }),
    code: MALFORMED,
    says: /iss/,
  },
  {
    attack: 'a token for somebody else',
    rule: 'RFC 8725 §2.7, §3.9',
    make: () => withClaims({ aud: 'other-service' }),
    code: AUDIENCE,
    says: /for audience "other-service"; expected "holdgate"/,
  },
  {
    attack: 'no audience',
    rule: 'RFC 8725 §3.9',
    make: () => withClaims({ aud: undefined }),
    code: AUDIENCE,
    says: /no aud.*"holdgate"/,
  },
  ...[[], ['holdgate', 7], { holdgate: true }, ['holdgate-people'], 'holdgate '].map(
    (aud): Attack => ({
      attack: `an audience ${JSON.stringify(aud)}`,
      rule: 'RFC 8725 §3.9',
      make: () => withClaims({ aud }),
      code: AUDIENCE,
      says: /expected "holdgate"/,
    }),
  ),
  {
    attack: 'several audiences, made for a client that is none of them',
    rule: 'OpenID Connect Core §3.1.3.7',
    make: () => withClaims({ aud: ['holdgate', 'other'], azp: 'stranger' }),
    code: AUDIENCE,
    says: /stranger.*authorizedParties/,
  },
  {
    attack: 'no expiry',
    rule: 'RFC 8725 §3.12; jose takes it',
    make: () => withClaims({ exp: undefined }),
    code: CLAIMS,
    says: /no exp/,
  },
  ...['9999999999', null, [9_999_999_999], {}, true].map((exp): Attack => ({
    attack: `an expiry that is no number: ${JSON.stringify(exp)}`,
    rule: 'RFC 7519 §4.1.4',
    make: () => withClaims({ exp }),
    code: CLAIMS,
    says: /exp/,
  })),
  {
    attack: 'an expiry of 1e999 (infinite when parsed)',
    rule: 'RFC 7519 §4.1.4',
    make: () =>
      token(
        world.header(),
        JSON.stringify(world.claims()).replace(/"exp":\d+/, '"exp":1e999'),
        world.key,
      ),
    code: CLAIMS,
    says: /exp/,
  },
  {
    attack: 'an expiry in the year 5138',
    rule: 'RFC 8725 §3.12',
    make: () => withClaims({ exp: 99_999_999_999 }),
    code: 'HOLDGATE_IDENTIFY_TOKEN_LIFETIME',
    says: /limited to 86400/,
  },
  {
    attack: 'a life of a day and a second',
    rule: 'bounded lifetime',
    make: () => withClaims({ exp: now() + 86_401 }),
    code: 'HOLDGATE_IDENTIFY_TOKEN_LIFETIME',
    says: /lives 86401 seconds/,
  },
  {
    attack: 'expired a second ago',
    rule: 'RFC 7519 §4.1.4',
    make: () => withClaims({ iat: now() - 600, exp: now() - 1 }),
    code: 'HOLDGATE_IDENTIFY_TOKEN_EXPIRED',
    says: /expired at 2026-11-20T12:59:59Z, the gateway's time is 2026-11-20T13:00:00Z/,
  },
  {
    attack: 'expires this very second',
    rule: 'RFC 7519 §4.1.4: on or after',
    make: () => withClaims({ exp: now() }),
    code: 'HOLDGATE_IDENTIFY_TOKEN_EXPIRED',
    says: /expired/,
  },
  {
    attack: 'no iat: its life cannot be bounded',
    rule: 'RFC 7519 §4.1.6',
    make: () => withClaims({ iat: undefined }),
    code: CLAIMS,
    says: /no iat/,
  },
  {
    attack: 'issued in the future, beyond the skew',
    rule: 'RFC 7519 §4.1.6; jose takes it',
    make: () => withClaims({ iat: now() + 31 }),
    code: EARLY,
    says: /iat/,
  },
  {
    attack: 'not valid yet, beyond the skew',
    rule: 'RFC 7519 §4.1.5',
    make: () => withClaims({ nbf: now() + 31 }),
    code: EARLY,
    says: /nbf/,
  },
  {
    attack: 'an nbf that is text',
    rule: 'RFC 7519 §4.1.5',
    make: () => withClaims({ nbf: 'tomorrow' }),
    code: CLAIMS,
    says: /nbf/,
  },
  ...[{ jkt: 'abc' }, { 'x5t#S256': 'abc' }, {}, null].map((cnf): Attack => ({
    attack: `a token bound to a key, without proof: cnf ${JSON.stringify(cnf)}`,
    rule: 'RFC 8705 §3.1, RFC 9449 §6',
    make: () => withClaims({ cnf }),
    code: CLAIMS,
    says: /cnf/,
  })),
  ...[undefined, '', 7, ['agent-7'], 's'.repeat(257), 'a\nb', 'a\u0000', ' a', 'a\u202eb'].map(
    (sub): Attack => ({
      attack: `a subject ${JSON.stringify(sub)?.slice(0, 20) ?? 'absent'}`,
      rule: 'RFC 8725 §3.8',
      make: () => withClaims({ sub }),
      code: CLAIMS,
      says: /sub must be a string/,
    }),
  ),
];

describe('a hostile token is refused, for its own reason', () => {
  test.each(attacks)('$attack ($rule)', async ({ make, code, says }) => {
    const bearer = make();
    const answer = await world.identify(bearer);
    expect(answer).toMatchObject({ ok: false, error: { code } });
    if (answer.ok) return;
    expect(answer.error.message).toMatch(says);
    expect(JSON.stringify([answer, world.logged])).not.toContain(bearer);
  });

  test('and the honest token beside them is let in', async () => {
    expect(await world.identify(world.token())).toMatchObject({
      ok: true,
      value: { issuer: issuerUrl, subject: 'agent-7', username: 'idp:agent-7', groups: ['team-a'] },
    });
  });

  test.each([
    { name: 'no typ', header: { typ: undefined } },
    { name: 'typ at+jwt', header: { typ: 'at+jwt' } },
    { name: 'typ application/at+jwt', header: { typ: 'application/at+jwt' } },
    { name: 'typ jwt in lower case', header: { typ: 'jwt' } },
    { name: 'RS256', header: { alg: 'RS256', kid: 'rsa-1' } },
  ])('an honest token with $name is let in', async ({ header }) => {
    const key = header.alg === 'RS256' ? rsa : world.key;
    expect((await world.identify(token(world.header(header), world.claims(), key))).ok).toBe(true);
  });

  test.each([
    { name: 'one of several audiences', claims: { aud: ['x', 'holdgate'] } },
    { name: 'a client among the audiences', claims: { aud: ['x', 'holdgate'], azp: 'x' } },
    { name: 'nbf within the skew', claims: { nbf: 0 } },
  ])('an honest token with $name is let in', async ({ claims }) => {
    const nbf = 'nbf' in claims ? { nbf: now() + 29, iat: now() + 29 } : {};
    expect((await world.identify(withClaims({ ...claims, ...nbf }))).ok).toBe(true);
  });
});
