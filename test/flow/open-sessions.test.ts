import { expect, test } from 'vitest';
import { sessionsPerCallerMax } from '../../src/base/limits.ts';
import { OpenSessions } from '../../src/flow/open-sessions.ts';
import { agent } from '../support/flow-world.ts';

test('a caller has so many sessions and no more; another caller, and a session that ended, are not counted', () => {
  const open = new OpenSessions();
  const other = { ...agent, subject: 'agent-2' };
  const entered = Array.from({ length: sessionsPerCallerMax }, () => open.enter(agent));
  expect(entered.every((one) => one.ok)).toBe(true);
  const refused = open.enter(agent);
  expect(refused.ok ? '' : refused.error.code).toBe('HOLDGATE_FORWARD_SESSIONS_TOO_MANY');
  expect(open.enter(other).ok).toBe(true);
  const [first] = entered;
  if (first?.ok === true) first.value();
  expect(open.enter(agent).ok).toBe(true);
  expect(open.enter(agent).ok).toBe(false);
});
