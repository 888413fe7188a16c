import { describe, expect, test } from 'vitest';
import type { FrameStream, StreamType } from '../../../src/forward/streams/frames.ts';
import { readExit, summaryTap } from '../../../src/forward/streams/session-summary.ts';
import type { Frame } from '../../../src/forward/streams/tap.ts';

const failure = (more: object): string =>
  JSON.stringify({ metadata: {}, status: 'Failure', message: 'it failed', ...more });
const exit = (code: unknown, reason = 'NonZeroExitCode'): string =>
  failure({ reason, details: { causes: [{ reason: 'ExitCode', message: code }] } });

describe('the Status at the end of a command', () => {
  const failed = { exitCode: null, failure: 'it failed' };
  const cases: readonly {
    readonly name: string;
    readonly text: string;
    readonly read: ReturnType<typeof readExit>;
  }[] = [
    { name: 'none', text: '', read: { exitCode: null, failure: '' } },
    { name: 'success', text: '{"status":"Success"}', read: { exitCode: 0, failure: '' } },
    { name: 'an exit code', text: exit('137'), read: { exitCode: 137, failure: '' } },
    { name: 'the exit code of Windows', text: exit('-1'), read: { exitCode: -1, failure: '' } },
    {
      name: 'an exit code behind another cause',
      text: failure({
        reason: 'NonZeroExitCode',
        details: {
          causes: [1, { reason: 'Other', message: '9' }, { reason: 'ExitCode', message: '2' }],
        },
      }),
      read: { exitCode: 2, failure: '' },
    },
    { name: 'a failure to start', text: failure({ reason: 'InternalError' }), read: failed },
    { name: 'an exit code without its reason', text: exit('1', 'InternalError'), read: failed },
    { name: 'an exit code that is no number', text: exit('1e3'), read: failed },
    { name: 'an exit code that is too long', text: exit('1'.repeat(10)), read: failed },
    { name: 'an exit code that is no text', text: exit(1), read: failed },
    { name: 'causes that are none', text: failure({ details: { causes: 'x' } }), read: failed },
    { name: 'details that are none', text: failure({ details: null }), read: failed },
    { name: 'plain text', text: 'not found', read: { exitCode: null, failure: 'not found' } },
    { name: 'a list', text: '[1]', read: { exitCode: null, failure: '[1]' } },
    {
      name: 'a long text, cut',
      text: 'x'.repeat(5000),
      read: { exitCode: null, failure: 'x'.repeat(1000) },
    },
    {
      name: 'a long message, cut',
      text: failure({ message: 'x'.repeat(5000) }),
      read: { exitCode: null, failure: 'x'.repeat(1000) },
    },
  ];
  test.each(cases)('$name', ({ text, read }) => {
    expect(readExit(Buffer.from(text))).toEqual(read);
  });
});

describe('the tap', () => {
  const stream = (type: StreamType, port: number | null = null): FrameStream => ({
    type,
    port,
    requestId: '',
  });
  const frame = (direction: 'up' | 'down', one: FrameStream, text: string): Frame => ({
    direction,
    stream: one,
    kind: 'data',
    bytes: Buffer.from(text),
  });

  test('counts bytes by stream and direction, and changes nothing', () => {
    const { tap, summary } = summaryTap();
    const frames = [
      frame('up', stream('stdin'), 'abc'),
      frame('down', stream('stdout'), 'de'),
      frame('down', stream('stdout'), ''),
      frame('down', stream('stdout'), 'f'),
      frame('down', stream('error'), '{"status":'),
      frame('down', stream('error'), '"Success"}'),
    ];
    for (const one of frames) expect(tap(one)).toBe(one.bytes);
    void tap({ ...frame('up', stream('stdin'), ''), kind: 'finish' });
    expect(summary()).toEqual({
      bytes: { 'up/stdin': 3, 'down/stdout': 3, 'down/error': 20 },
      exitCode: 0,
      failure: '',
      ports: [],
      connections: 0,
    });
  });

  test('believes only the cluster about how a command ended', () => {
    const { tap, summary } = summaryTap();
    void tap(frame('up', stream('error'), '{"status":"Success"}'));
    void tap(frame('down', stream('error', 80), '{"status":"Success"}'));
    expect(summary().exitCode).toBeNull();
  });

  test('counts connections, and tells up to 100 ports', () => {
    const { tap, summary } = summaryTap();
    for (let at = 0; at < 150; at += 1) {
      const port = 1000 + (at % 120);
      void tap({ ...frame('up', stream('error', port), ''), kind: 'open' });
      void tap({ ...frame('up', stream('data', port), ''), kind: 'open' });
    }
    expect(summary().connections).toBe(150);
    expect(summary().ports).toEqual(Array.from({ length: 100 }, (_, at) => 1000 + at));
  });

  test('takes a Status of any length in parts of a byte', () => {
    const { tap, summary } = summaryTap();
    const chunk = Buffer.alloc(100_000, 'x');
    for (let at = 0; at < 100_000; at += 1) {
      const bytes = chunk.subarray(at, at + 1);
      void tap({ ...frame('down', stream('error'), ''), bytes });
    }
    expect(summary().bytes['down/error']).toBe(100_000);
    expect(summary().failure).toBe('x'.repeat(1000));
  });
});
