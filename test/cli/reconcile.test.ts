import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { someAuditEvent } from '../support/audit-events.ts';
import { openPeoplePort, type PeoplePort } from '../support/people-port.ts';
import { someDecision, someOutcome } from '../support/record-entries.ts';

let port: PeoplePort;
beforeAll(async () => {
  port = await openPeoplePort();
  await port.record([someDecision(), someOutcome()], '2026-11-20T12:00:30.000Z');
}, 120_000);
afterAll(() => port.close());

const lines = (...events: readonly object[]): string =>
  events.map((event) => `${JSON.stringify(someAuditEvent(event))}\n`).join('');
const direct = { auditID: 'direct', user: { username: 'mallory\u001b[31m' } };

async function reconcile(log: string | Buffer, ...args: readonly string[]) {
  const file = join(port.directory, 'audit.log');
  writeFileSync(file, log);
  return port.holdgate('reconcile', file, ...args);
}

describe('holdgate reconcile', () => {
  test('is 0 where log and record agree, and says what it left out', async () => {
    const { code, out } = await reconcile(lines({}));
    expect(code).toBe(0);
    expect(out).toContain('1 calls, 1 of them on record');
    expect(out).toContain('ignored users (system:*)');
  });

  test('is 1 where a call went round the gateway, and shows it without the escapes of its user', async () => {
    const { code, out } = await reconcile(lines({}, direct));
    expect(code).toBe(1);
    expect(out).toMatch(/mallory\\u001b\[31m +delete +pods payments\/checkout-7b9/);
  });

  test('reads a packed log, and tells programs in JSON', async () => {
    const { code, out } = await reconcile(gzipSync(lines({}, direct)), '--json');
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      findings: [{ kind: 'unrecorded', auditId: 'direct' }],
      gatewayUsers: ['gateway'],
      counts: { explained: 1 },
    });
  });

  test('ignores the users that it is told to', async () => {
    const { code, out } = await reconcile(lines({}, direct), '--ignore-user', 'mal*');
    expect(code).toBe(0);
    expect(out).toContain('1 calls of ignored users (mal*)');
  });

  test.each([
    { name: 'a file that is no log', log: 'hello\n', says: 'line 1 is no JSON' },
    { name: 'a log without an event', log: '', says: 'no event' },
    {
      name: 'a packed file that is cut',
      log: gzipSync(lines({})).subarray(0, 60),
      says: 'cannot be read',
    },
    {
      name: 'a time that is none',
      log: lines({}),
      args: ['--since', 'yesterday'],
      says: '--since',
    },
  ])('is 2 for $name', async ({ log, args = [], says }) => {
    const { code, errors } = await reconcile(log, ...args);
    expect(code).toBe(2);
    expect(errors).toContain(says);
  });

  test('is 2 for a file that is not there', async () => {
    const file = join(port.directory, 'absent.log');
    const absent = await port.holdgate('reconcile', file);
    expect([absent.code, absent.errors.includes('ENOENT')]).toEqual([2, true]);
  });
});
