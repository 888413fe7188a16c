import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { ok } from '../../../src/base/result.ts';
import { Secret } from '../../../src/base/secret.ts';
import type { ExportedRow } from '../../../src/record/export/exported.ts';
import { exportFormats, webhookSink } from '../../../src/record/index.ts';
import { signingKeys, webhookSignature } from '../../../src/record/sinks/webhook.ts';
import { startHttpReceiver, type HttpReceiver } from '../../support/http-receiver.ts';
import { exportRow } from '../../support/export-rows.ts';
import { someDecision, someOutcome } from '../../support/record-entries.ts';
import { batchOf, patient } from '../../support/sink-entries.ts';
import { someLeaves } from '../../support/sink-world.ts';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const secondSecret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;

const keysOf = (text: string): readonly Buffer[] => {
  const keys = signingKeys(new Secret(text));
  if (!keys.ok) throw new Error(keys.error);
  return keys.value;
};

describe('a signature', () => {
  test("is that of Standard Webhooks' own test vector", () => {
    const body = Buffer.from('{"test": 2432232314}');
    const [key = Buffer.alloc(0)] = keysOf(secret);
    expect(webhookSignature(key, 'msg_p5jXN8AQM9LWM0D4loKWxJek', '1614265330', body)).toBe(
      'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    );
  });

  test.each([
    { name: 'another prefix', text: 'secret_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
    { name: 'no base64', text: 'whsec_not-base64-at-all-but-long-enough' },
    { name: 'a short key', text: `whsec_${Buffer.alloc(23).toString('base64')}` },
    { name: 'a long key', text: `whsec_${Buffer.alloc(65).toString('base64')}` },
    { name: 'a good key and a bad one', text: `${secret} whsec_` },
  ])('is not made with a secret of $name, and no error shows it', ({ text }) => {
    const keys = signingKeys(new Secret(text));
    expect(keys.ok).toBe(false);
    expect(JSON.stringify(keys)).not.toContain(text);
  });
});

describe('a webhook', () => {
  let receiver: HttpReceiver;
  beforeAll(async () => {
    receiver = await startHttpReceiver({ tls: true });
  });
  afterAll(() => receiver.close());
  beforeEach(() => {
    receiver.answers.splice(0);
    (receiver.received as unknown[]).splice(0);
  });
  const sinkWith = (
    more: {
      body?: 'ndjson' | 'array';
      secret?: string;
      ca?: string | null;
      format?: 'records' | 'ndjson';
    } = {},
  ) =>
    webhookSink({
      name: 'siem',
      format: exportFormats[more.format ?? 'records'],
      body: more.body ?? 'ndjson',
      server: () =>
        ok({
          url: `${receiver.url}/hook?key=hidden`,
          certificateAuthority: more.ca === undefined ? receiver.ca : more.ca,
          secret: new Secret(more.secret ?? secret),
        }),
      clock: systemClock,
    });
  const rows = someLeaves(3).map((leaf) => ({ leaf, outcome: null }));
  const send = async (sink: ReturnType<typeof sinkWith>, given: readonly ExportedRow[] = rows) =>
    sink.deliver(await batchOf(sink, given), patient());
  const last = () => {
    const post = receiver.received.at(-1);
    if (post === undefined) throw new Error('nothing was received');
    return post;
  };
  const verified = (post = last(), key = secret): unknown =>
    new Webhook(key).verify(
      post.body.toString(),
      Object.fromEntries(
        Object.entries(post.headers).map(([name, value]) => [name, String(value)]),
      ),
      { jsonParse: false },
    );

  test('sends records line by line as they were hashed, and the library of the standard verifies it', async () => {
    expect(await send(sinkWith())).toMatchObject({ ok: true });
    expect(last()).toMatchObject({ method: 'POST', path: '/hook?key=hidden' });
    expect(last().headers['content-type']).toBe('application/x-ndjson');
    expect(last().body.toString()).toBe(rows.map(({ leaf }) => `${leaf}\n`).join(''));
    expect(() => verified()).not.toThrow();
  });

  test('that was changed on the way does not verify', async () => {
    await send(sinkWith());
    const post = { ...last(), body: Buffer.concat([last().body, Buffer.from(' ')]) };
    expect(() => verified(post)).toThrow(/signature/i);
    const later = { ...last(), headers: { ...last().headers, 'webhook-id': 'msg_other' } };
    expect(() => verified(later)).toThrow(/signature/i);
  });

  test('with two secrets is signed with both', async () => {
    await send(sinkWith({ secret: `${secret}\n${secondSecret}` }));
    expect(() => verified(last(), secret)).not.toThrow();
    expect(() => verified(last(), secondSecret)).not.toThrow();
  });

  test('sends decisions with their outcomes as one JSON array', async () => {
    const sink = sinkWith({ body: 'array', format: 'ndjson' });
    await send(sink, [exportRow(someDecision(), someOutcome()), exportRow(someDecision(), null)]);
    expect(last().headers['content-type']).toBe('application/json');
    expect(JSON.parse(last().body.toString())).toMatchObject([
      { decision: { kind: 'decision' }, outcome: { status: 200 } },
      { decision: { kind: 'decision' }, outcome: null },
    ]);
    expect(() => verified()).not.toThrow();
  });

  test('has the same id for each try of the same entries, and another for others', async () => {
    await send(sinkWith());
    await send(sinkWith());
    await send(sinkWith(), rows.slice(0, 2));
    await send(sinkWith(), rows.slice(1, 3));
    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(ids[0]).toMatch(/^msg_[0-9a-f]{32}$/);
    expect(ids[1]).toBe(ids[0]);
    expect(new Set(ids).size).toBe(3);
  });

  test.each([
    { status: 200, retry: null },
    { status: 204, retry: null },
    { status: 301, retry: true },
    { status: 400, retry: false },
    { status: 401, retry: true },
    { status: 403, retry: true },
    { status: 404, retry: true },
    { status: 408, retry: true },
    { status: 410, retry: true },
    { status: 413, retry: false },
    { status: 422, retry: false },
    { status: 425, retry: true },
    { status: 429, retry: true },
    { status: 500, retry: true },
    { status: 503, retry: true },
  ])('answered $status: another try helps: $retry', async ({ status, retry }) => {
    receiver.answers.push({ status, headers: { location: `${receiver.url}/elsewhere` } });
    const sent = await send(sinkWith());
    expect(sent.ok ? null : sent.error.retry).toBe(retry);
    expect(receiver.received).toHaveLength(1);
  });

  test.each([
    { name: 'seconds', header: '120', ms: 120_000 },
    { name: 'a date', header: 'Fri, 20 Nov 2026 12:05:00 GMT', ms: 300_000 },
    { name: 'a date that is over', header: 'Fri, 20 Nov 2026 11:00:00 GMT', ms: 0 },
    { name: 'nonsense', header: 'soon', ms: null },
  ])('asks for patience by $name', async ({ header, ms }) => {
    const date = 'Fri, 20 Nov 2026 12:00:00 GMT';
    receiver.answers.push({ status: 503, headers: { 'retry-after': header, date } });
    const sent = await send(sinkWith());
    expect(sent.ok ? undefined : sent.error.retryAfterMs).toBe(ms);
  });

  test('with a certificate of an unknown CA gets nothing, and the failure shows no query', async () => {
    const sent = await send(sinkWith({ ca: null }));
    expect(receiver.received).toEqual([]);
    expect(sent).toMatchObject({ ok: false, error: { retry: true } });
    const { detail } = sent.ok ? { detail: '' } : sent.error;
    expect(detail).toMatch(/^POST https:\/\/127\.0\.0\.1:\d+\/hook: .*certificate/);
    expect(detail).not.toContain('hidden');
  });

  test('that cannot be reached is tried again', async () => {
    const sink = webhookSink({
      name: 'siem',
      format: exportFormats.records,
      body: 'ndjson',
      server: () =>
        ok({ url: 'http://127.0.0.1:1/', certificateAuthority: null, secret: new Secret(secret) }),
      clock: systemClock,
    });
    expect(await send(sink)).toMatchObject({ ok: false, error: { retry: true } });
  });
});
