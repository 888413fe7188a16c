import * as fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { ok } from '../../../src/base/result.ts';
import type { RecordEntry } from '../../../src/record/index.ts';
import { syslogSink, type SyslogServer } from '../../../src/record/index.ts';
import { syslogMessage } from '../../../src/record/sinks/syslog-message.ts';
import { loopbackCertificates } from '../../support/http-receiver.ts';
import { someDecision, someOutcome } from '../../support/record-entries.ts';
import { batchOf, patient } from '../../support/sink-entries.ts';
import { leafAt, someLeaves } from '../../support/sink-world.ts';
import {
  framesOf,
  readSyslogMessage,
  startSyslogReceiver,
  type SyslogReceiver,
} from '../../support/syslog-receiver.ts';

const bom = '\ufeff';
const form = {
  facility: 13,
  structuredDataId: 'holdgate@32473',
  messageBytesMax: 8192,
  hostname: 'gate-1',
};
const messageOf = (entry: RecordEntry, more: Partial<typeof form> = {}) =>
  readSyslogMessage(syslogMessage({ leaf: leafAt(7, entry) }, { ...form, ...more }));

describe('a message', () => {
  test('names stream, kind and time, and is the leaf byte for byte', () => {
    const entry = someDecision({ message: 'ü " \\ ] 😀' });
    expect(messageOf(entry)).toMatchObject({
      timestamp: '2026-11-20T11:59:50.000Z',
      hostname: 'gate-1',
      appName: 'holdgate',
      procId: 'stream-1',
      msgId: 'decision',
      dataId: 'holdgate@32473',
      message: `${bom}${leafAt(7, entry)}`,
    });
    expect([...messageOf(entry).data]).toEqual([
      ['stream', 'stream-1'],
      ['seq', '7'],
      ['request', 'request-1'],
      ['cluster', 'prod'],
      ['verdict', 'allow'],
      ['user', 'agent:seven'],
      ['source', '192.0.2.7'],
      ['verb', 'delete'],
      ['resource', 'pods'],
      ['namespace', 'payments'],
      ['name', 'checkout-7b9'],
    ]);
  });

  test.each<{ name: string; entry: RecordEntry; severity: number }>([
    { name: 'an allowed call', entry: someDecision(), severity: 6 },
    { name: 'a held call', entry: someDecision({ verdict: 'hold' }), severity: 5 },
    { name: 'a denied call', entry: someDecision({ verdict: 'deny' }), severity: 4 },
    { name: 'an outcome', entry: someOutcome(), severity: 6 },
    {
      name: 'a refused outcome',
      entry: someOutcome({ code: 'HOLDGATE_HOLD_DENIED' }),
      severity: 5,
    },
    { name: 'a bug', entry: someOutcome({ endedBy: 'bug' }), severity: 3 },
    {
      name: 'another database',
      entry: { kind: 'restored', requestId: '', cluster: '', seen: '', found: '' },
      severity: 4,
    },
  ])('of $name has severity $severity', ({ entry, severity }) => {
    expect(messageOf(entry).priority).toBe(13 * 8 + severity);
    expect(messageOf(entry, { facility: 16 }).priority).toBe(16 * 8 + severity);
  });

  test('can be read whatever callers wrote, and has no control character before the leaf', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
        const entry = someDecision(
          { requestId: text, cluster: text },
          { name: text, namespace: `"]\\\n${text}` },
          { username: text },
        );
        const frame = syslogMessage({ leaf: leafAt(7, entry) }, form);
        const { data, message } = readSyslogMessage(frame);
        expect(data.get('namespace')).toMatch(/^"\]\\\ufffd/);
        expect(message).toBe(`${bom}${leafAt(7, entry)}`);
        // oxlint-disable-next-line no-control-regex -- they are what is looked for
        expect(frame.toString().split(bom)[0]).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
      }),
      { numRuns: 300 },
    );
  });

  test('that is too long is cut between characters, and says how long it was', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }),
        fc.integer({ min: 2048, max: 4096 }),
        (text, messageBytesMax) => {
          const long = text.repeat(2000).slice(0, 4000);
          const entry = someDecision({ message: long, detail: long }, { name: long });
          const leaf = leafAt(7, entry);
          const frame = syslogMessage({ leaf }, { ...form, messageBytesMax });
          expect(frame.length).toBeLessThanOrEqual(messageBytesMax);
          const { data, message } = readSyslogMessage(frame);
          expect(data.get('truncated_from_bytes')).toBe(String(Buffer.byteLength(leaf)));
          expect(`${bom}${leaf}`.startsWith(message)).toBe(true);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('whose names alone are too long keeps its place in the record', () => {
    const wide = '😀'.repeat(200);
    const entry = someDecision(
      { requestId: wide, cluster: wide },
      { name: wide, namespace: wide, resource: wide },
      { username: wide },
    );
    const frame = syslogMessage({ leaf: leafAt(7, entry) }, { ...form, messageBytesMax: 2048 });
    expect(frame.length).toBeLessThanOrEqual(2048);
    expect(readSyslogMessage(frame).data.get('seq')).toBe('7');
  });
});

describe('syslog', () => {
  let receiver: SyslogReceiver | undefined;
  afterEach(async () => {
    await receiver?.close();
    receiver = undefined;
  });
  const leaves = someLeaves(20);
  const sinkAt = (port: number, tls: SyslogServer['tls']) =>
    syslogSink({
      name: 'siem',
      server: () => ok({ host: '127.0.0.1', port, tls }),
      form,
      clock: systemClock,
    });
  const send = async (port: number, tls: SyslogServer['tls'], signal = patient()) => {
    const sink = sinkAt(port, tls);
    return sink.deliver(
      await batchOf(
        sink,
        leaves.map((leaf) => ({ leaf, outcome: null })),
      ),
      signal,
    );
  };
  const withCa = (ca: string | null) => ({
    certificateAuthority: ca,
    serverName: null,
    client: null,
  });
  const textsOf = (stream: Buffer | undefined): string[] =>
    framesOf(stream ?? Buffer.alloc(0)).map((frame) =>
      readSyslogMessage(frame).message.replace(bom, ''),
    );

  test('over TLS delivers every message in order, each with its octets counted', async () => {
    receiver = await startSyslogReceiver({ tls: true });
    expect(await send(receiver.port, withCa(receiver.ca))).toMatchObject({ ok: true });
    expect(receiver.connections).toHaveLength(1);
    expect(textsOf(receiver.connections[0])).toEqual(leaves);
  });

  test('over plain TCP on loopback does so too', async () => {
    receiver = await startSyslogReceiver({ tls: false });
    expect(await send(receiver.port, null)).toMatchObject({ ok: true });
    expect(textsOf(receiver.connections[0])).toEqual(leaves);
  });

  test('to a certificate of an unknown CA, or for another name, delivers nothing', async () => {
    receiver = await startSyslogReceiver({ tls: true });
    const { port, ca } = receiver;
    const unknown = await send(port, withCa(null));
    const other = await send(port, { ...withCa(ca), serverName: 'siem.test' });
    for (const sent of [unknown, other]) {
      expect(sent).toMatchObject({ ok: false, error: { retry: true } });
    }
    expect(receiver.connections).toEqual([]);
  });

  test('to a server that wants a client certificate fails without one', async () => {
    receiver = await startSyslogReceiver({ tls: true, requireClient: true });
    expect(await send(receiver.port, withCa(receiver.ca))).toMatchObject({ ok: false });
    const stranger = await loopbackCertificates();
    const client = { certificate: stranger.certificate, key: stranger.key };
    const sent = await send(receiver.port, { ...withCa(receiver.ca), client });
    expect(sent).toMatchObject({ ok: false });
    expect(receiver.connections).toEqual([]);
  });

  test('that breaks in the middle is not delivered, and the next try connects anew', async () => {
    receiver = await startSyslogReceiver({
      tls: true,
      greet: (socket, connection) => {
        if (connection > 1) return true;
        socket.once('data', () => socket.destroy());
        return false;
      },
    });
    const { port, ca } = receiver;
    expect(await send(port, withCa(ca))).toMatchObject({ ok: false, error: { retry: true } });
    expect(await send(port, withCa(ca))).toMatchObject({ ok: true });
    expect(textsOf(receiver.connections[0])).toEqual(leaves);
  });

  test('that nobody reads is not delivered', async () => {
    receiver = await startSyslogReceiver({ tls: true, greet: () => false });
    const ending = new AbortController();
    setTimeout(() => ending.abort(), 200);
    const sent = await send(receiver.port, withCa(receiver.ca), ending.signal);
    expect(sent.ok ? '' : sent.error.detail).toMatch(/not taken in time$/);
  });

  test('where nobody listens is tried again', async () => {
    expect(await send(1, null)).toMatchObject({ ok: false, error: { retry: true } });
  });
});
