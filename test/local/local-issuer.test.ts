import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { randomIds } from '../../src/base/ids.ts';
import { silentLog } from '../../src/base/log.ts';
import { err } from '../../src/base/result.ts';
import { createIdentifier, requirePerson, requireRole } from '../../src/identify/index.ts';
import {
  localIdentities,
  openLocalIssuer,
  type LocalIssuer,
} from '../../src/local/local-issuer.ts';
import { localDataAudience, localProfile } from '../../src/local/local-profile.ts';
import { createManualTime } from '../support/manual-time.ts';

const peopleUrl = 'https://127.0.0.1:8444';
let dataDirectory: string;
const time = createManualTime();

beforeEach(() => {
  dataDirectory = mkdtempSync(join(tmpdir(), 'holdgate-local-'));
});
afterEach(() => rmSync(dataDirectory, { recursive: true }));

const open = (url: string | null = peopleUrl) =>
  openLocalIssuer({ dataDirectory, peopleUrl: url, clock: time.clock, ids: randomIds });

async function opened(url: string | null = peopleUrl): Promise<LocalIssuer> {
  const issuer = await open(url);
  if (!issuer.ok) throw new Error(issuer.error);
  return issuer.value;
}

/** The two ports of a gateway with the local profile, their issuers asked in process only. */
function ports(issuer: LocalIssuer) {
  const config = localProfile({ dataDirectory, clusters: [], approverGroups: ['oncall'] });
  const common = {
    clockSkewSeconds: config.identity.clockSkewSeconds,
    jwksMaxStaleSeconds: config.identity.jwksMaxStaleSeconds,
    clock: time.clock,
    log: silentLog,
    schedule: time.schedule,
    fetchJson: issuer.fetchJson(() => Promise.resolve(err('the network must not be asked'))),
  };
  const refusedAudiences = [config.people.audience];
  return {
    config,
    data: createIdentifier({ ...common, refusedAudiences, issuers: config.identity.issuers }),
    people: createIdentifier({ ...common, issuers: config.identity.people }),
  };
}

const headers = (bearer: string) => ['authorization', `Bearer ${bearer}`];

describe('the two example identities, by the ordinary way of verification', () => {
  test.each([
    { identity: 'agent', kind: 'agent', username: 'local-agent', groups: ['local-agents'] },
    { identity: 'person', kind: 'human', username: 'local-person', groups: ['local-people'] },
  ] as const)('$identity passes the data port as $kind', async ({ identity, ...expected }) => {
    const issuer = await opened();
    const { data } = ports(issuer);
    const audience = localDataAudience;
    const minted = await issuer.mintToken({ identity, audience, lifetimeSeconds: 600 });
    expect(await data.identify(headers(minted.reveal()))).toMatchObject({
      ok: true,
      value: { ...expected, actor: [], groupsComplete: true },
    });
  });

  test("the person passes the people's port and is an administrator there", async () => {
    const issuer = await opened();
    const { people, config } = ports(issuer);
    const { audience, roles } = config.people;
    const minted = await issuer.mintToken({ identity: 'person', audience, lifetimeSeconds: 600 });
    const person = await people.identify(headers(minted.reveal()));
    expect(person.ok && requirePerson(person.value).ok).toBe(true);
    expect(person.ok && requireRole(person.value, roles, 'admin').ok).toBe(true);
    expect(person.ok && config.approverGroups['oncall']?.members).toEqual([
      { issuer: issuer.urls.people, subject: localIdentities.person.subject },
    ]);
  });

  test.each([
    { identity: 'agent', audience: 'holdgate-people', port: 'people', code: 'ISSUER_UNKNOWN' },
    { identity: 'agent', audience: 'holdgate', port: 'people', code: 'ISSUER_UNKNOWN' },
    { identity: 'person', audience: 'holdgate', port: 'people', code: 'AUDIENCE_WRONG' },
    { identity: 'person', audience: 'holdgate-people', port: 'data', code: 'AUDIENCE_WRONG' },
  ] as const)('$identity for $audience does not pass the $port port', async (row) => {
    const { identity, audience, port, code } = row;
    const issuer = await opened();
    const minted = await issuer.mintToken({ identity, audience, lifetimeSeconds: 600 });
    expect(await ports(issuer)[port].identify(headers(minted.reveal()))).toMatchObject({
      ok: false,
      error: { code: `HOLDGATE_IDENTIFY_${code}` },
    });
  });
});

describe('the issuer itself', () => {
  test('serves public keys only, and a discovery document of its own address', async () => {
    const issuer = await opened();
    for (const realm of ['agents', 'people'] as const) {
      expect(issuer.discoveryDocument(realm)).toMatchObject({
        issuer: `${peopleUrl}/local-issuer/${realm}`,
        jwks_uri: `${peopleUrl}/local-issuer/${realm}/jwks`,
      });
      const { keys } = issuer.jwks(realm);
      expect(keys).toHaveLength(1);
      expect(Object.keys(keys[0] ?? {}).sort()).toEqual([
        'alg',
        'crv',
        'kid',
        'kty',
        'use',
        'x',
        'y',
      ]);
    }
    expect(issuer.jwks('agents')).not.toEqual(issuer.jwks('people'));
  });

  test('keeps its keys over restarts, readable by their owner only', async () => {
    const first = (await opened()).jwks('agents');
    expect((await opened()).jwks('agents')).toEqual(first);
    for (const name of ['agents.jwk.json', 'people.jwk.json', 'people-url']) {
      expect(statSync(join(dataDirectory, 'local-issuer', name)).mode & 0o777).toBe(0o600);
    }
    expect(statSync(join(dataDirectory, 'local-issuer')).mode & 0o777).toBe(0o700);
  });

  test('two processes that start at once end with the same keys', async () => {
    const both = await Promise.all([opened(), opened(), opened()]);
    const kids = new Set(both.map((issuer) => issuer.jwks('people').keys[0]?.kid));
    expect(kids.size).toBe(1);
  });

  test('takes the address that the gateway wrote down, in another process', async () => {
    expect((await open(null)).ok).toBe(false);
    await opened();
    expect((await opened(null)).urls.agents).toBe(`${peopleUrl}/local-issuer/agents`);
  });

  test('bounds the life of its tokens, and gives each an id', async () => {
    const issuer = await opened();
    const request = { identity: 'agent', audience: 'holdgate', lifetimeSeconds: 1e9 } as const;
    const one = decodeJwt((await issuer.mintToken(request)).reveal());
    const other = decodeJwt((await issuer.mintToken(request)).reveal());
    expect((one.exp ?? 0) - (one.iat ?? 0)).toBe(12 * 3600);
    expect(one.jti).not.toBe(other.jti);
  });

  test.each([{ url: 'https://10.0.0.5:8444' }, { url: 'https://holdgate.example' }, { url: 'x' }])(
    'refuses to speak for $url: loopback only',
    async ({ url }) => {
      const issuer = await open(url);
      expect(issuer.ok || issuer.error).toMatch(/loopback only/);
    },
  );

  test.each([
    {
      name: 'readable by others',
      spoil: (file: string) => chmodSync(file, 0o644),
      says: /mode 644/,
    },
    {
      name: 'not JSON',
      spoil: (file: string) => writeFileSync(file, '{'),
      says: /no private P-256/,
    },
    {
      name: 'a public key',
      spoil: (file: string) => {
        writeFileSync(file, readFileSync(file, 'utf8').replace('"d"', '"e"'));
      },
      says: /no private P-256/,
    },
  ])('refuses a key that is $name, and says to remove it', async ({ spoil, says }) => {
    await opened();
    const file = join(dataDirectory, 'local-issuer', 'people.jwk.json');
    spoil(file);
    const issuer = await open();
    expect(issuer.ok || issuer.error).toMatch(says);
    expect(issuer.ok || issuer.error).toContain('remove the file');
  });
});
