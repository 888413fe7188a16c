import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readAuditLog } from '../../../src/record/index.ts';
import { someAuditEvent } from '../../support/audit-events.ts';

/** Kinds of items, events by their Audit-ID; the text comes in chunks of a size. */
async function read(text: string, chunkBytes = 65_536): Promise<readonly string[]> {
  const bytes = Buffer.from(text);
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      yield await Promise.resolve(bytes.subarray(at, at + chunkBytes));
    }
  }
  const items: string[] = [];
  for await (const item of readAuditLog(chunks())) {
    if (item.kind === 'event') items.push(item.event.auditID);
    else items.push(item.kind === 'problem' ? `problem: ${item.message}` : item.kind);
  }
  return items;
}

const event = (auditID: string): Record<string, unknown> => someAuditEvent({ auditID });
const text = (auditID: string): string => JSON.stringify(event(auditID));
const list = { kind: 'EventList', apiVersion: 'audit.k8s.io/v1', metadata: {} };

describe('an audit log is read', () => {
  test.each([
    { name: 'as lines', log: `${text('a')}\n${text('b')}\n`, found: ['a', 'b'] },
    { name: 'without a last line break', log: `${text('a')}\n${text('b')}`, found: ['a', 'b'] },
    { name: 'with empty lines and CRLF', log: `\r\n${text('a')}\r\n\r\n`, found: ['a'] },
    {
      name: 'as lists, whose items have no kind',
      log: `${JSON.stringify({ ...list, items: [{ ...event('a'), kind: undefined, apiVersion: undefined }, event('b')] })}\n`,
      found: ['a', 'b'],
    },
    {
      name: 'as a list over many lines',
      log: JSON.stringify({ ...list, items: [event('a'), event('b')] }, null, 2),
      found: ['a', 'b'],
    },
    {
      name: 'as an export of CloudWatch',
      log: `${JSON.stringify({ logEvents: [{ message: text('a') }, { message: 'time="x" level=info' }] })}\n`,
      found: ['a', 'other'],
    },
    {
      name: "as what AWS's command line prints",
      log: JSON.stringify({ events: [{ message: text('a'), eventId: '1' }] }, null, 4),
      found: ['a'],
    },
    {
      name: 'as lines with a message',
      log: `${JSON.stringify({ message: text('a') })}\n${JSON.stringify({ message: event('b') })}\n`,
      found: ['a', 'b'],
    },
    {
      name: 'as lines with a time before',
      log: `2026-11-20T12:00:00.000Z ${text('a')}\n`,
      found: ['a'],
    },
    {
      name: 'and events of objects are none of calls',
      log: '{"kind":"Event","apiVersion":"v1"}\n',
      found: ['other'],
    },
    {
      name: 'to a last line that is still being written',
      log: `${text('a')}\n${text('b').slice(0, 50)}`,
      found: ['a', 'truncated'],
    },
  ])('$name', async ({ log, found }) => {
    expect(await read(log)).toEqual(found);
  });

  test('wherever its bytes are cut into chunks', async () => {
    const log = `${JSON.stringify({ ...event('a'), userAgent: 'ü😀' })}\n${text('b')}\n`;
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 2000 }), async (chunkBytes) => {
        expect(await read(log, chunkBytes)).toEqual(['a', 'b']);
      }),
      { numRuns: 30 },
    );
  });

  test.each([
    {
      name: 'a line that is no JSON',
      log: `${text('a')}\nhello\n${text('b')}\n`,
      says: 'line 2 is no JSON',
    },
    { name: 'text that is no log', log: 'hello\n', says: 'line 1 is no JSON' },
    {
      name: 'another version',
      log: JSON.stringify({ ...event('a'), apiVersion: 'audit.k8s.io/v2' }),
      says: 'only v1',
    },
    {
      name: 'an event without its id',
      log: JSON.stringify({ ...event('a'), auditID: undefined }),
      says: 'auditID',
    },
    {
      name: 'a stage that is none',
      log: JSON.stringify({ ...event('a'), stage: 'X' }),
      says: 'stage',
    },
  ])('not beyond $name', async ({ log, says }) => {
    const items = await read(log);
    expect(items.at(-1)).toContain('problem: ');
    expect(items.at(-1)).toContain(says);
  });
});
