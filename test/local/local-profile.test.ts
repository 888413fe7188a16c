import { describe, expect, test } from 'vitest';
import { configSchema, shippedPoliciesDirectory } from '../../src/config/index.ts';
import { localProfile, withLocalIdentities } from '../../src/local/local-profile.ts';

const options = { dataDirectory: '/state', clusters: [], approverGroups: ['a', 'b'] };

describe('the local profile', () => {
  test('listens on loopback only, with the shipped policies', () => {
    const config = localProfile(options);
    expect([config.data.address, config.people.address]).toEqual(['127.0.0.1', '127.0.0.1']);
    expect(config.policies.directory).toBe(shippedPoliciesDirectory);
    expect(config.identity.local).toBe(true);
  });

  test('is a configuration that a file could hold: it passes its own schema', () => {
    const config = localProfile(options);
    expect(configSchema.parse(structuredClone(config))).toEqual(config);
  });

  test('gives each approver group exactly one member: the local person', () => {
    const { approverGroups } = localProfile(options);
    const member = {
      issuer: 'https://127.0.0.1:8444/local-issuer/people',
      subject: 'local-person',
    };
    expect(approverGroups).toEqual({ a: { members: [member] }, b: { members: [member] } });
  });

  test('names the address where the people’s port really answers', () => {
    const config = localProfile({
      ...options,
      dataPort: 0,
      peoplePort: 0,
      peopleUrl: 'https://127.0.0.1:40123',
    });
    expect(config.data.port).toBe(0);
    expect(config.identity.people.map((issuer) => issuer.url)).toEqual([
      'https://127.0.0.1:40123/local-issuer/people',
    ]);
  });

  test("the data port's issuers never have the people's audience", () => {
    const { identity, people } = localProfile(options);
    const audiences = identity.issuers.flatMap((issuer) => issuer.audiences);
    expect(audiences).not.toContain(people.audience);
    expect(identity.people.map((issuer) => issuer.kind)).toEqual(['human']);
  });
});

describe('local identities beside a configuration of one’s own', () => {
  test('are added only where they are asked for', () => {
    const config = configSchema.parse({});
    expect(withLocalIdentities(config, 'https://127.0.0.1:8444', ['a'])).toBe(config);
  });

  test('keep roles and groups that are configured', () => {
    const mine = { members: [{ issuer: 'https://idp.example', subject: 'x' }] };
    const config = configSchema.parse({
      identity: { local: true },
      people: { roles: { admin: ['ops'], viewer: ['all'] } },
      approverGroups: { a: mine },
    });
    const local = withLocalIdentities(config, 'https://127.0.0.1:8444', ['a', 'b']);
    expect(local.people.roles).toEqual({ admin: ['ops', 'local-people'], viewer: ['all'] });
    expect(local.approverGroups['a']).toEqual(mine);
    expect(local.approverGroups['b']?.members).toHaveLength(1);
  });
});
