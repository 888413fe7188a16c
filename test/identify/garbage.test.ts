import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { token } from '../support/hostile-issuer.ts';
import { identifyWorld, issuerUrl } from '../support/identify-world.ts';

const base64url = fc
  .uint8Array({ maxLength: 60 })
  .map((bytes) => Buffer.from(bytes).toString('base64url'));

test('whatever stands in header, payload and signature, nothing unsigned is let in and nothing throws', async () => {
  const world = await identifyWorld();
  await world.identify(world.token());
  const header = fc.oneof(
    fc.json(),
    fc
      .record(
        {
          alg: fc.oneof(fc.constantFrom('ES256', 'RS256', 'none', 'HS256'), fc.jsonValue()),
          kid: fc.oneof(fc.constant('key-1'), fc.jsonValue()),
          typ: fc.oneof(fc.constant('JWT'), fc.jsonValue()),
          crit: fc.jsonValue(),
        },
        { requiredKeys: [] },
      )
      .map((value) => JSON.stringify(value)),
  );
  const payload = fc.oneof(
    fc.json(),
    fc
      .record({ iss: fc.oneof(fc.constant(issuerUrl), fc.jsonValue()), sub: fc.jsonValue() })
      .map((value) => JSON.stringify({ ...world.claims(), ...value })),
  );
  const parts = fc
    .tuple(header, payload, base64url)
    .map(([head, body, signature]) => token(head, body, signature));
  const bearer = fc.oneof(
    parts,
    fc.array(base64url, { maxLength: 6 }).map((all) => all.join('.')),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(bearer, async (text) => {
      const answer = await world.identify(text);
      expect(answer.ok ? 'let in' : answer.error.code).toMatch(/^HOLDGATE_IDENTIFY_/);
    }),
    { numRuns: 500 },
  );
});

test('whatever claims a trusted issuer signs, nothing throws, and who is let in has a plain name of its issuer', async () => {
  const world = await identifyWorld({ policyClaims: ['extra', '__proto__', 'constructor'] });
  const garbage = fc.jsonValue();
  const mostly = (valid: fc.Arbitrary<unknown>) =>
    fc.oneof({ weight: 9, arbitrary: valid }, { weight: 1, arbitrary: garbage });
  const claims = fc.record(
    {
      sub: mostly(fc.string({ minLength: 1 })),
      aud: mostly(fc.constant('holdgate')),
      groups: mostly(fc.array(fc.oneof(fc.string(), fc.constant('system:masters')))),
      act: mostly(fc.record({ sub: fc.stringMatching(/^[a-z]+$/) })),
      hasgroups: mostly(fc.constant(false)),
      auth_time: mostly(fc.double()),
      amr: garbage,
      jti: garbage,
      azp: garbage,
      extra: garbage,
      nbf: mostly(fc.constant(0)),
      exp: mostly(fc.constant(world.claims()['exp'])),
      ['__proto__']: garbage,
    },
    { requiredKeys: ['sub', 'aud', 'exp'] },
  );
  let letIn = 0;
  await fc.assert(
    fc.asyncProperty(claims, async (more) => {
      const answer = await world.identify(world.token(more));
      const refused = answer.ok ? 'HOLDGATE_IDENTIFY_' : answer.error.code;
      expect(refused).toMatch(/^HOLDGATE_IDENTIFY_/);
      expect(answer.ok ? '' : answer.error.message).toMatch(/^[\x20-\x7e…]*$/);
      if (!answer.ok) return;
      letIn += 1;
      const { username, subject, groups, expiresAtMs } = answer.value;
      expect(username).toBe(`idp:${subject}`);
      for (const name of [username, ...groups])
        expect(name).not.toMatch(/^(system|eks):|[\p{Cc}]/u);
      expect(expiresAtMs).toBeGreaterThan(world.time.clock.nowMs());
    }),
    { numRuns: 400 },
  );
  expect(letIn).toBeGreaterThan(0);
});
