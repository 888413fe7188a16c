import { describe, expect, test } from 'vitest';
import { claimAt } from '../../src/identify/claim-path.ts';
import { toIdentity } from '../../src/identify/claims.ts';
import { issuerConfig, issuerUrl } from '../support/identify-world.ts';

const exp = Date.parse('2026-11-20T12:10:00Z') / 1000;
const base = { iss: issuerUrl, sub: 'u-1', exp };

function map(claims: Record<string, unknown>, config: Record<string, unknown> = {}, typ = '') {
  return toIdentity({ ...base, ...claims }, issuerConfig(config), typ);
}

const username = (claim: string, prefix = '') => ({
  claimMappings: { username: { claim, prefix }, groups: { claim: 'groups', prefix: '' } },
});
const groups = (claim: string, prefix = '') => ({
  claimMappings: { username: { claim: 'sub', prefix: '' }, groups: { claim, prefix } },
});

describe('a verified token becomes an identity', () => {
  test('field by field', () => {
    const mapped = map(
      {
        groups: ['a', 'b', 'a'],
        jti: 'j-1',
        azp: 'cli',
        acr: 'urn:mfa',
        amr: ['pwd', 7, 'otp'],
        auth_time: exp - 600,
        realm_access: { roles: ['ops'] },
        oid: 'o-1',
      },
      {
        claimMappings: {
          username: { claim: 'sub', prefix: 'idp:' },
          groups: { claim: 'groups', prefix: 'idp:' },
          uid: { claim: 'oid' },
        },
        policyClaims: ['realm_access.roles', 'absent'],
      },
      'at+jwt',
    );
    expect(mapped).toEqual({
      ok: true,
      value: {
        issuer: issuerUrl,
        subject: 'u-1',
        username: 'idp:u-1',
        uid: 'o-1',
        groups: ['idp:a', 'idp:b'],
        groupsComplete: true,
        kind: 'agent',
        actor: [],
        claims: { 'realm_access.roles': ['ops'] },
        token: {
          type: 'at+jwt',
          id: 'j-1',
          expires: '2026-11-20T12:10:00Z',
          azp: 'cli',
          acr: 'urn:mfa',
          amr: ['pwd', 'otp'],
          authTime: '2026-11-20T12:00:00Z',
        },
        expiresAtMs: exp * 1000,
      },
    });
  });

  test('what the configuration does not name is not shown to policy', () => {
    const mapped = map({ secret: 'x', groups: [] });
    expect(JSON.stringify(mapped)).not.toContain('secret');
  });

  test('kind comes from the configuration, whatever the token says', () => {
    expect(map({ kind: 'human' }, { kind: undefined })).toMatchObject({
      value: { kind: 'workload' },
    });
  });

  test.each([
    { claims: { client_id: 'a' }, azp: 'a' },
    { claims: { appid: 'b' }, azp: 'b' },
    { claims: { azp: 'c', client_id: 'a', appid: 'b' }, azp: 'c' },
    { claims: {}, azp: '' },
  ])('its client is azp, else client_id, else appid: $azp', ({ claims, azp }) => {
    expect(map(claims)).toMatchObject({ value: { token: { azp } } });
  });
});

describe('claim paths', () => {
  test.each([
    { path: 'sub', value: 's' },
    { path: 'realm_access.roles', value: ['r'] },
    { path: 'https://example.com/roles', value: ['ns'] },
    { path: 'kubernetes.io.pod.name', value: 'pod-1' },
    { path: 'a.b', value: 'dotted' },
    { path: 'realm_access.missing', value: undefined },
    { path: 'sub.length', value: undefined },
    { path: 'list.0', value: undefined },
    { path: 'constructor', value: undefined },
    { path: '__proto__.polluted', value: undefined },
    { path: '', value: undefined },
  ])('$path', ({ path, value }) => {
    const claims = {
      sub: 's',
      list: ['zero'],
      realm_access: { roles: ['r'] },
      'https://example.com/roles': ['ns'],
      'kubernetes.io': { pod: { name: 'pod-1' } },
      'a.b': 'dotted',
      a: { b: 'nested' },
    };
    expect(claimAt(claims, path)).toEqual(value);
  });
});

describe('the user name', () => {
  test.each([
    { name: 'an absent claim', claims: {}, claim: 'upn' },
    { name: 'a number', claims: { upn: 7 }, claim: 'upn' },
    { name: 'an empty name', claims: { upn: '' }, claim: 'upn' },
    { name: 'a name with a line break', claims: { upn: 'a\r\nImpersonate-User: b' }, claim: 'upn' },
    { name: 'a name with a NUL', claims: { upn: 'a\u0000b' }, claim: 'upn' },
    { name: 'a name with a text-direction mark', claims: { upn: 'a\u202eb' }, claim: 'upn' },
    { name: 'a name of 257 characters', claims: { upn: 'x'.repeat(257) }, claim: 'upn' },
    { name: 'an address nobody verified', claims: { email: 'a@b.c' }, claim: 'email' },
    {
      name: 'an address verified as text',
      claims: { email: 'a@b.c', email_verified: 'true' },
      claim: 'email',
    },
    {
      name: 'an address known not to be verified',
      claims: { email: 'a@b.c', email_verified: false },
      claim: 'email',
    },
  ])('is refused: $name', ({ claims, claim }) => {
    expect(map(claims, username(claim))).toMatchObject({
      ok: false,
      error: { code: 'HOLDGATE_IDENTIFY_CLAIMS_INVALID' },
    });
  });

  test('a verified address is taken', () => {
    expect(map({ email: 'a@b.c', email_verified: true }, username('email'))).toMatchObject({
      value: { username: 'a@b.c' },
    });
  });
});

describe("the cluster's own names", () => {
  test.each([
    { name: 'a user system:admin', claims: { sub: 'system:admin' }, config: username('sub') },
    { name: 'a user eks:node', claims: { sub: 'eks:node' }, config: username('sub') },
    { name: 'a group system:masters', claims: { groups: ['system:masters'] }, config: {} },
    { name: 'a group as text', claims: { groups: 'system:nodes' }, config: {} },
    {
      name: 'made by the prefix',
      claims: { groups: ['tem:masters'] },
      config: groups('groups', 'sys'),
    },
  ])('are refused: $name', ({ claims, config }) => {
    expect(map(claims, config)).toMatchObject({
      ok: false,
      error: { code: 'HOLDGATE_IDENTIFY_NAME_RESERVED' },
    });
  });

  test('behind a prefix they are names like any other', () => {
    const sub = 'system:serviceaccount:ns:agent';
    expect(map({ sub }, username('sub', 'k8s:'))).toMatchObject({
      value: { username: `k8s:${sub}`, subject: sub },
    });
  });

  test('hidden behind a space (which a header would drop) they are refused', () => {
    expect(map({ groups: [' system:masters'] }).ok).toBe(false);
  });
});

describe('groups', () => {
  test.each([
    { name: 'a list', claims: { groups: ['a', 'b'] }, groups: ['a', 'b'] },
    { name: 'one string', claims: { groups: 'a,b' }, groups: ['a,b'] },
    { name: 'none', claims: {}, groups: [] },
    { name: 'an empty list', claims: { groups: [] }, groups: [] },
  ])('may be $name', ({ claims, groups: expected }) => {
    expect(map(claims)).toMatchObject({ value: { groups: expected, groupsComplete: true } });
  });

  test.each([
    { value: { admins: true } },
    { value: 7 },
    { value: true },
    { value: ['a', 7] },
    { value: [['a']] },
    { value: [''] },
    { value: ['a\nb'] },
  ])('of another form are refused, not skipped: $value', ({ value }) => {
    expect(map({ groups: value })).toMatchObject({
      ok: false,
      error: { code: 'HOLDGATE_IDENTIFY_CLAIMS_INVALID' },
    });
  });

  test.each([
    { name: 'Entra overage', claims: { _claim_names: { groups: 'src1' } }, config: {} },
    {
      name: 'overage beside some groups',
      claims: { groups: ['a'], _claim_names: { groups: 'src1' } },
      config: {},
    },
    {
      name: 'overage of a nested claim',
      claims: { _claim_names: { realm_access: 'src1' } },
      config: groups('realm_access.roles'),
    },
    { name: 'overage that cannot be read', claims: { _claim_names: 'groups' }, config: {} },
    { name: 'Entra implicit flow', claims: { hasgroups: true }, config: {} },
    { name: 'Entra implicit flow, as text', claims: { hasgroups: 'true' }, config: {} },
    {
      name: "Okta's hundred",
      claims: { groups: Array.from({ length: 100 }, (_, index) => `g-${index}`) },
      config: { groupsCountMax: 100 },
    },
  ])('that are known to be cut short are refused, or marked where allowed: $name', (row) => {
    expect(map(row.claims, row.config)).toMatchObject({
      ok: false,
      error: { code: 'HOLDGATE_IDENTIFY_GROUPS_INCOMPLETE' },
    });
    expect(map(row.claims, { ...row.config, allowIncompleteGroups: true })).toMatchObject({
      ok: true,
      value: { groupsComplete: false },
    });
  });

  test.each([
    { name: 'other claims kept elsewhere', claims: { _claim_names: { address: 'src1' } } },
    { name: 'hasgroups: false', claims: { hasgroups: false } },
    {
      name: '99 of at most 100',
      claims: { groups: Array.from({ length: 99 }, (_, index) => `g-${index}`) },
    },
  ])('are complete with $name', ({ claims }) => {
    expect(map(claims, { groupsCountMax: 100 })).toMatchObject({
      value: { groupsComplete: true },
    });
  });
});

describe('who acts for the subject', () => {
  test('the current actor comes first, and an actor without issuer is of the token’s', () => {
    const act = { sub: 'agent-1', act: { sub: 'service-2', iss: 'https://other.example' } };
    expect(map({ act })).toMatchObject({
      value: {
        actor: [
          { issuer: issuerUrl, subject: 'agent-1' },
          { issuer: 'https://other.example', subject: 'service-2' },
        ],
      },
    });
  });

  const deep = (depth: number): unknown =>
    depth === 0 ? { sub: 'a' } : { sub: 'a', act: deep(depth - 1) };

  test.each([
    { name: 'null', act: null },
    { name: 'text', act: 'agent-1' },
    { name: 'a list', act: [{ sub: 'agent-1' }] },
    { name: 'an object without sub', act: { client_id: 'agent-1' } },
    { name: 'a numeric issuer', act: { sub: 'a', iss: 7 } },
    { name: 'a broken inner actor', act: { sub: 'a', act: {} } },
    { name: 'eleven actors', act: deep(10) },
  ])('is refused where it cannot be read: $name', ({ act }) => {
    expect(map({ act })).toMatchObject({
      ok: false,
      error: { code: 'HOLDGATE_IDENTIFY_CLAIMS_INVALID' },
    });
  });
});

test.each([
  { what: 'text', sid: 'run-1', kept: 'run-1' },
  { what: 'longer than is kept whole', sid: 'x'.repeat(257), kept: undefined },
  { what: 'no text', sid: 7, kept: undefined },
  { what: 'empty', sid: '', kept: undefined },
])('a sid that is $what', ({ sid, kept }) => {
  const mapped = map({ sid });
  expect(mapped.ok ? mapped.value.sid : 'refused').toBe(kept);
});
