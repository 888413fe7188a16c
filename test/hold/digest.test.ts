import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { requestDigest, type DigestParts } from '../../src/hold/digest.ts';

const text = fc.string({ maxLength: 6 });
const person = fc.record({ issuer: text, subject: text });
const pair = fc.record({
  // Short names and values: collisions of joined fields must have a chance to show.
  name: fc.constantFrom('command', 'stdin', 'dryRun', 'a', 'ab'),
  value: fc.string({ maxLength: 3 }),
});

const parts: fc.Arbitrary<DigestParts> = fc
  .record({
    cluster: text,
    server: text,
    identity: fc.record({ issuer: text, subject: text, actor: fc.array(person, { maxLength: 2 }) }),
    method: fc.constantFrom('POST', 'PUT', 'PATCH', 'DELETE'),
    segments: fc.array(text, { maxLength: 3 }),
    query: fc.array(pair, { maxLength: 4 }),
    contentType: text,
    body: fc.uint8Array({ maxLength: 6 }),
    uids: fc.array(text, { maxLength: 2 }),
  })
  .map(({ segments, query, body, ...rest }) => ({
    ...rest,
    body: Buffer.from(body),
    target: { segments, query, rebuilt: '' },
  }));

/** All that an approval binds, as one value: by name for the query, in order among equal names. */
const bound = ({ target, body, ...rest }: DigestParts): string =>
  JSON.stringify([
    rest.cluster,
    rest.server,
    rest.identity.issuer,
    rest.identity.subject,
    rest.identity.actor.map((one) => [one.issuer, one.subject]),
    rest.method,
    target.segments,
    ['command', 'stdin', 'dryRun', 'a', 'ab'].map((name) =>
      target.query.filter((one) => one.name === name).map((one) => one.value),
    ),
    rest.contentType,
    body.toString('hex'),
    rest.uids,
  ]);

describe('the digest of a request', () => {
  test('is equal exactly where all that it binds is equal', () => {
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        expect(requestDigest(one) === requestDigest(other)).toBe(bound(one) === bound(other));
      }),
      { numRuns: 1000 },
    );
  });

  test('changes with every single part, wherever a border between two fields is moved', () => {
    fc.assert(
      fc.property(parts, fc.string({ minLength: 1, maxLength: 3 }), (one, more) => {
        const { identity, target } = one;
        const changed: readonly DigestParts[] = [
          { ...one, cluster: one.cluster + more },
          { ...one, server: one.server + more },
          { ...one, identity: { ...identity, issuer: identity.issuer + more } },
          { ...one, identity: { ...identity, subject: identity.subject + more } },
          {
            ...one,
            identity: { ...identity, actor: [...identity.actor, { issuer: more, subject: '' }] },
          },
          { ...one, method: one.method + more },
          { ...one, target: { ...target, segments: [...target.segments, more] } },
          { ...one, target: { ...target, query: [...target.query, { name: 'a', value: more }] } },
          { ...one, contentType: one.contentType + more },
          { ...one, body: Buffer.concat([one.body, Buffer.from(more)]) },
          { ...one, uids: [...one.uids, more] },
        ];
        const digests = [one, ...changed].map(requestDigest);
        expect(new Set(digests).size).toBe(digests.length);
      }),
    );
  });

  test.each([
    { name: "the client's timeout is no part of it", path: ['api', 'v1', 'pods'], same: true },
    {
      name: 'a parameter called timeout of what stands behind a proxy is',
      path: ['api', 'v1', 'namespaces', 'x', 'services', 'y', 'proxy', 'admin'],
      same: false,
    },
  ])('$name', ({ path, same }) => {
    const digestOf = (timeout: string): string =>
      requestDigest({
        cluster: '',
        server: '',
        identity: { issuer: '', subject: '', actor: [] },
        method: 'POST',
        target: { segments: path, query: [{ name: 'timeout', value: timeout }], rebuilt: '' },
        contentType: '',
        body: Buffer.alloc(0),
        uids: [],
      });
    expect(digestOf('1s') === digestOf('2s')).toBe(same);
  });
});
