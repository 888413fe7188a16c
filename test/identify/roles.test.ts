import { describe, expect, test } from 'vitest';
import { requirePerson, requireRole, rolesOf, type Identity } from '../../src/identify/index.ts';
import type { RoleName } from '../../src/config/index.ts';

const person: Identity = {
  issuer: 'https://idp.example',
  subject: 'p-1',
  username: 'ada',
  uid: '',
  groups: ['ops'],
  groupsComplete: true,
  kind: 'human',
  actor: [],
  claims: {},
  token: { type: '', id: '', expires: '', azp: '', acr: '', amr: [], authTime: '' },
  expiresAtMs: 0,
};

describe("only people themselves pass the people's port", () => {
  test('a person does', () => {
    expect(requirePerson(person)).toEqual({ ok: true, value: person });
  });

  test.each([
    { name: 'an agent', change: { kind: 'agent' }, says: /of kind agent/ },
    { name: 'a workload', change: { kind: 'workload' }, says: /of kind workload/ },
    {
      name: 'an agent that acts for a person',
      change: { actor: [{ issuer: 'https://idp.example', subject: 'agent-7' }] },
      says: /"agent-7" acts for "ada"/,
    },
  ] as const)('$name does not', ({ change, says }) => {
    const answer = requirePerson({ ...person, ...change });
    expect(answer).toMatchObject({ ok: false, error: { code: 'HOLDGATE_IDENTIFY_NOT_A_PERSON' } });
    expect(answer.ok || answer.error.message).toMatch(says);
  });
});

describe('roles', () => {
  const all: readonly RoleName[] = ['viewer', 'auditor', 'approver', 'admin'];

  test.each([
    { role: 'viewer', has: ['viewer'] },
    { role: 'auditor', has: ['viewer', 'auditor'] },
    { role: 'approver', has: ['viewer', 'approver'] },
    { role: 'admin', has: ['viewer', 'auditor', 'approver', 'admin'] },
  ] as const)('$role includes exactly $has', ({ role, has }) => {
    const groups = { [role]: ['ops'] };
    expect(new Set(rolesOf(person, groups))).toEqual(new Set(has));
    for (const wanted of all) {
      const answer = requireRole(person, groups, wanted);
      expect(answer.ok).toBe(has.some((one) => one === wanted));
      if (answer.ok) continue;
      expect(answer.error.code).toBe('HOLDGATE_IDENTIFY_ROLE_MISSING');
      expect(answer.error.message).toContain(wanted);
    }
  });

  test.each([
    { name: 'without configured roles', groups: undefined },
    { name: 'with roles of other groups', groups: { admin: ['OPS', 'ops '] } },
    { name: 'with empty roles', groups: { admin: [] } },
  ])('nobody has one $name', ({ groups }) => {
    expect(rolesOf(person, groups).size).toBe(0);
    expect(requireRole(person, groups, 'viewer').ok).toBe(false);
  });
});
