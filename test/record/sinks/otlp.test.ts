import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ok } from '../../../src/base/result.ts';
import { Secret } from '../../../src/base/secret.ts';
import type { RecordEntry } from '../../../src/record/index.ts';
import { otlpSink } from '../../../src/record/index.ts';
import { startHttpReceiver, type HttpReceiver } from '../../support/http-receiver.ts';
import { someDecision, someOutcome } from '../../support/record-entries.ts';
import { batchOf, patient } from '../../support/sink-entries.ts';
import { leafAt } from '../../support/sink-world.ts';

/**
 * opentelemetry-proto, logs/v1 and collector/logs/v1, as OTLP/JSON writes it: lowerCamelCase names, 64-bit integers as decimal
 * strings, trace ids in hexadecimal digits or empty, enums as numbers; names that a receiver does not know are none of ours.
 */
const anyValue = z.union([
  z.strictObject({ stringValue: z.string() }),
  z.strictObject({ intValue: z.string().regex(/^-?\d+$/) }),
]);
const keyValue = z.strictObject({ key: z.string().min(1), value: anyValue });
const request = z.strictObject({
  resourceLogs: z.array(
    z.strictObject({
      resource: z.strictObject({ attributes: z.array(keyValue) }),
      scopeLogs: z.array(
        z.strictObject({
          scope: z.strictObject({ name: z.string() }),
          logRecords: z.array(
            z.strictObject({
              timeUnixNano: z.string().regex(/^\d{19}$/),
              observedTimeUnixNano: z.string().regex(/^\d{19}$/),
              severityNumber: z.int().min(1).max(24),
              severityText: z.string(),
              eventName: z.string(),
              body: anyValue,
              attributes: z.array(keyValue),
              traceId: z.literal(''),
              spanId: z.literal(''),
            }),
          ),
        }),
      ),
    }),
  ),
});

describe('OTLP logs', () => {
  let receiver: HttpReceiver;
  beforeEach(async () => {
    receiver = await startHttpReceiver({ tls: false });
  });
  afterEach(() => receiver.close());
  const sinkAt = (path = '') =>
    otlpSink({
      name: 'collector',
      server: () =>
        ok({
          url: `${receiver.url}${path}`,
          certificateAuthority: null,
          token: new Secret('tea'),
        }),
      resourceAttributes: { 'deployment.environment.name': 'prod', 'service.name': 'other' },
    });
  const entries: RecordEntry[] = [
    someDecision({ verdict: 'deny', message: 'ü " \\ 😀' }),
    someDecision({ verdict: 'hold' }),
    someOutcome({ endedBy: 'bug', status: 500 }),
  ];
  const leaves = entries.map((entry, seq) => leafAt(seq, entry));
  const send = async (sink = sinkAt()) =>
    sink.deliver(
      await batchOf(
        sink,
        leaves.map((leaf) => ({ leaf, outcome: null })),
      ),
      patient(),
    );
  const sent = () => {
    const [post] = receiver.received;
    return request.parse(JSON.parse(post?.body.toString() ?? ''));
  };

  test('are an ExportLogsServiceRequest whose bodies are the leaves, byte for byte', async () => {
    expect(await send()).toEqual({ ok: true, value: { rejected: 0, detail: '' } });
    expect(receiver.received[0]).toMatchObject({
      path: '/v1/logs',
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer tea' },
    });
    const records = sent().resourceLogs[0]?.scopeLogs[0]?.logRecords ?? [];
    expect(records.map(({ body }) => body)).toEqual(leaves.map((leaf) => ({ stringValue: leaf })));
    expect(records[0]?.timeUnixNano).toBe(
      `${BigInt(Date.parse('2026-11-20T11:59:50.000Z')) * 1_000_000n}`,
    );
  });

  test('have severities, and attributes to search by', async () => {
    await send();
    const records = sent().resourceLogs[0]?.scopeLogs[0]?.logRecords ?? [];
    expect(records.map(({ severityNumber }) => severityNumber)).toEqual([13, 10, 17]);
    expect(records.map(({ eventName }) => eventName)).toEqual([
      'holdgate.decision',
      'holdgate.decision',
      'holdgate.outcome',
    ]);
    const attributes = new Map(records[0]?.attributes.map(({ key, value }) => [key, value]));
    expect(attributes.get('holdgate.seq')).toEqual({ intValue: '0' });
    expect(attributes.get('holdgate.verdict')).toEqual({ stringValue: 'deny' });
    expect(attributes.get('holdgate.name')).toEqual({ stringValue: 'checkout-7b9' });
    expect(attributes.has('holdgate.approval')).toBe(false);
  });

  test('have a resource that is always ours', async () => {
    await send();
    expect(sent().resourceLogs[0]?.resource.attributes).toEqual([
      { key: 'service.name', value: { stringValue: 'holdgate' } },
      { key: 'deployment.environment.name', value: { stringValue: 'prod' } },
    ]);
  });

  test('go under the path of the URL', async () => {
    await send(sinkAt('/tenant/7/'));
    expect(receiver.received[0]?.path).toBe('/tenant/7/v1/logs');
  });

  test.each([
    { status: 400, retry: false },
    { status: 401, retry: true },
    { status: 429, retry: true },
    { status: 500, retry: false },
    { status: 502, retry: true },
    { status: 503, retry: true },
    { status: 504, retry: true },
  ])('answered $status: another try helps: $retry', async ({ status, retry }) => {
    receiver.answers.push({ status });
    const answer = await send();
    expect(answer.ok ? null : answer.error.retry).toBe(retry);
  });

  test.each([
    {
      name: 'a partial success',
      body: '{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}',
      value: { rejected: 2, detail: 'too old' },
    },
    {
      name: 'a number as a number',
      body: '{"partialSuccess":{"rejectedLogRecords":1}}',
      value: { rejected: 1, detail: '' },
    },
    {
      name: 'a warning',
      body: '{"partialSuccess":{"errorMessage":"slow down"}}',
      value: { rejected: 0, detail: 'slow down' },
    },
    { name: 'nothing', body: '', value: { rejected: 0, detail: '' } },
    { name: 'no JSON', body: 'OK', value: { rejected: 0, detail: '' } },
    {
      name: 'nonsense',
      body: '{"partialSuccess":{"rejectedLogRecords":-4}}',
      value: { rejected: 0, detail: '' },
    },
  ])('answered by $name are not sent again', async ({ body, value }) => {
    receiver.answers.push({ status: 200, body });
    expect(await send()).toEqual({ ok: true, value });
  });
});
