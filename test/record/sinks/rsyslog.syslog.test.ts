import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { ok } from '../../../src/base/result.ts';
import { syslogSink, type RecordEntry } from '../../../src/record/index.ts';
import { someDecision, someOutcome } from '../../support/record-entries.ts';
import { rsyslogPrograms, startRsyslog, type Rsyslog } from '../../support/rsyslog.ts';
import { batchOf, patient } from '../../support/sink-entries.ts';
import { leafAt } from '../../support/sink-world.ts';

/** The judge: Debian's rsyslog reads what the sink sends over TLS, and writes down what it understood. */
let judge: Rsyslog;
beforeAll(async () => {
  const programs = rsyslogPrograms(process.env);
  if (programs === null) throw new Error('rsyslog is not there: this tier cannot run');
  judge = await startRsyslog(programs);
}, 60_000);
afterAll(() => judge.stop());

const hostile = 'a"b\\c]d\n<13>1 - forged - - - - ü😀\u001b[31m';
const entries: RecordEntry[] = [
  someDecision(),
  someDecision({ verdict: 'deny', message: hostile }, { name: hostile }, { username: hostile }),
  someOutcome({ endedBy: 'bug' }),
  ...Array.from({ length: 300 }, (_, id) => someDecision({ requestId: `request-${id}` })),
];
const leaves = entries.map((entry, seq) => leafAt(seq, entry));

test('rsyslog reads every message, in order, with its fields, structured data and text', async () => {
  const sink = syslogSink({
    name: 'siem',
    server: () =>
      ok({
        host: '127.0.0.1',
        port: judge.port,
        tls: { certificateAuthority: judge.ca, serverName: null, client: null },
      }),
    form: { facility: 13, structuredDataId: 'holdgate@32473', messageBytesMax: 8192 },
    clock: systemClock,
  });
  const rows = leaves.map((leaf) => ({ leaf, outcome: null }));
  expect(await sink.deliver(await batchOf(sink, rows), patient())).toMatchObject({ ok: true });
  await expect.poll(() => judge.lines().length, { timeout: 20_000 }).toBe(leaves.length);
  const lines = judge.lines();
  expect(lines.map(({ message = '' }) => message.replace(/^\ufeff/, ''))).toEqual(leaves);
  expect(lines.map(({ version }) => version)).toEqual(leaves.map(() => '1'));
  expect(lines[0]).toMatchObject({
    pri: '110',
    app: 'holdgate',
    proc: 'stream-1',
    id: 'decision',
  });
  expect(new Date(lines[0]?.['timestamp'] ?? '').toISOString()).toBe('2026-11-20T11:59:50.000Z');
  expect(lines.slice(1, 3).map(({ pri, id }) => [pri, id])).toEqual([
    ['108', 'decision'],
    ['107', 'outcome'],
  ]);
  const { data = '' } = lines[1] ?? {};
  expect(data).toMatch(/^\[holdgate@32473 stream="stream-1" seq="1" .*\]$/);
  expect(data).toContain(String.raw`name="a\"b\\c\]d`);
}, 60_000);
