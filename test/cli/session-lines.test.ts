import { expect, test } from 'vitest';
import { sessionLines } from '../../src/cli/session-lines.ts';
import { someCommandRow } from '../support/session-rows.ts';

const delivered = 'kubectl delete pod checkout-7b9 -n payments';

test.each<{ what: string; command: Parameters<typeof someCommandRow>[0]; end: string }>([
  { what: 'held and approved', command: {}, end: 'held, approved by ann@corp.example, 200' },
  {
    what: 'held and waiting',
    command: { approval: { id: 'a', state: 'PENDING', votes: [] }, status: null },
    end: 'held, pending, no outcome yet',
  },
  {
    what: 'approved, and never executed',
    command: {
      approval: { id: 'a', state: 'EXPIRED', votes: [{ username: 'ann', vote: 'approve' }] },
      status: 403,
    },
    end: 'held, approved by ann, expired, 403',
  },
  {
    what: 'denied',
    command: { verdict: 'deny', status: 403 },
    end: 'denied by payments_pods/delete, 403',
  },
  {
    what: 'refused without a rule',
    command: { verdict: 'deny', rules: [], code: 'HOLDGATE_X', status: 400 },
    end: 'denied by HOLDGATE_X, 400',
  },
  { what: 'masked', command: { verdict: 'allow', masked: true }, end: 'masked, 200' },
  {
    what: 'an exec',
    command: { verdict: 'allow', status: 101, exitCode: 3 },
    end: '101, exit code 3',
  },
  {
    what: 'incomplete',
    command: { verdict: 'allow', status: null, incomplete: 'no outcome is on record' },
    end: 'incomplete (no outcome is on record)',
  },
])('a line says what became of a command: $what', ({ command, end }) => {
  const text = sessionLines([someCommandRow(command)], { withDate: false });
  expect(text).toBe(`12:02:31  ${delivered}   ${end}\n`);
});

test('folded requests are counted under their line', () => {
  const folded = { discovery: 7, read: 1 };
  const text = sessionLines([someCommandRow({ folded })], { withDate: false });
  expect(text).toContain('\n          +7 discovery requests, +1 read of the same object\n');
});

test('a search says when, who and where, and shows no character that a terminal acts on', () => {
  const command = someCommandRow({ username: 'eve\u001b[2J\u202e' });
  const text = sessionLines([command], { withDate: true });
  expect(text).toContain(String.raw`2026-11-20T12:02:31  eve\u001b[2J\u202e on test  kubectl`);
});
