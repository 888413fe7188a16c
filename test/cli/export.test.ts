import { appendFileSync, readFileSync, renameSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPeoplePort, type PeoplePort } from '../support/people-port.ts';
import { someDecision, someOutcome } from '../support/record-entries.ts';

let port: PeoplePort;
let calls = 0;
const recordCalls = async (count: number): Promise<void> => {
  for (let index = 0; index < count; index += 1) {
    const requestId = `request-${(calls += 1)}`;
    await port.record([someDecision({ requestId }), someOutcome({ requestId })]);
  }
};
const allIds = (): readonly string[] =>
  Array.from({ length: calls }, (_, index) => `request-${index + 1}`);
/** The decisions of NDJSON, in their order. */
const idsIn = (text: string): readonly string[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { decision: { requestId: string } }).decision.requestId);

beforeAll(async () => {
  port = await openPeoplePort();
  await recordCalls(5);
}, 120_000);
afterAll(() => port.close());

const fileOf = (name: string): string => join(port.directory, name);
const resumable = (name: string): readonly string[] => [
  'export',
  '--cursor',
  fileOf(`${name}.cursor`),
  '-o',
  fileOf(name),
];

describe('holdgate export', () => {
  test('prints everything, page by page', async () => {
    const { code, out } = await port.holdgate('export');
    expect([code, idsIn(out)]).toEqual([0, allIds()]);
  });

  test('prints CSV with one head line', async () => {
    const { out } = await port.holdgate('export', '--format', 'csv');
    expect(out.match(/^time,/gm)).toHaveLength(1);
    expect(out.trimEnd().split('\r\n')).toHaveLength(calls + 1);
  });

  test('goes on where the last run ended', async () => {
    const args = resumable('on');
    await port.holdgate(...args);
    await recordCalls(3);
    expect((await port.holdgate(...args)).code).toBe(0);
    expect(idsIn(readFileSync(fileOf('on'), 'utf8'))).toEqual(allIds());
  });

  test('writes each record once, also after a run that was killed between its rows and its cursor', async () => {
    const args = resumable('killed');
    await port.holdgate(...args);
    appendFileSync(fileOf('killed'), '{"decision":{"requestId":"half a pa');
    await recordCalls(2);
    await port.holdgate(...args);
    expect(idsIn(readFileSync(fileOf('killed'), 'utf8'))).toEqual(allIds());
  });

  test('writes each record once, also after a run that was killed before its first cursor', async () => {
    const output = fileOf('early');
    writeFileSync(`${output}.cursor`, JSON.stringify({ cursor: '', output, bytes: 0 }));
    writeFileSync(output, '{"decision":{"requestId":"request-1"}}\n');
    await port.holdgate(...resumable('early'));
    expect(idsIn(readFileSync(output, 'utf8'))).toEqual(allIds());
  });

  test('begins a new file where the last one was moved away, and repeats nothing', async () => {
    const args = resumable('moved');
    await port.holdgate(...args);
    renameSync(fileOf('moved'), fileOf('moved.1'));
    await recordCalls(1);
    await port.holdgate(...args);
    expect(idsIn(readFileSync(fileOf('moved'), 'utf8'))).toEqual(allIds().slice(-1));
  });

  test.each([
    {
      name: "a file that is somebody else's",
      prepare: (file: string) => writeFileSync(file, 'precious'),
      says: 'not from a run with this cursor file',
    },
    {
      name: 'a cursor file that is none',
      prepare: (file: string) => writeFileSync(`${file}.cursor`, 'hello'),
      says: 'is no cursor',
    },
  ])('leaves $name alone', async ({ name, prepare, says }) => {
    const file = fileOf(name);
    prepare(file);
    const { code, errors } = await port.holdgate(...resumable(name));
    expect(code).toBe(1);
    expect(errors).toContain(says);
  });

  test('says so where the file is shorter than it was', async () => {
    const args = resumable('short');
    await port.holdgate(...args);
    truncateSync(fileOf('short'), 10);
    const { code, errors } = await port.holdgate(...args);
    expect(code).toBe(1);
    expect(errors).toContain('has 10 bytes');
  });

  test('of another time than its cursor began with is refused', async () => {
    const args = resumable('time');
    await port.holdgate(...args);
    const { code, errors } = await port.holdgate(...args, '--since', '2026-01-01T00:00:00Z');
    expect(code).toBe(1);
    expect(errors).toContain('since');
  });

  test('in a format that is none is refused', async () => {
    const { code, errors } = await port.holdgate('export', '--format', 'xml');
    expect(code).toBe(1);
    expect(errors).toContain('format');
  });
});
