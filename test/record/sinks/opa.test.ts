import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ok } from '../../../src/base/result.ts';
import { Secret } from '../../../src/base/secret.ts';
import { opaSink } from '../../../src/record/index.ts';
import {
  startHttpReceiver,
  type HttpReceiver,
  type ReceivedPost,
} from '../../support/http-receiver.ts';
import { exportRow } from '../../support/export-rows.ts';
import { npmOpa } from '../../support/opa.ts';
import { someDecision, someOutcome } from '../../support/record-entries.ts';
import { batchOf, patient } from '../../support/sink-entries.ts';

type Event = Readonly<Record<string, unknown>>;

const eventsOf = ({ body }: ReceivedPost): Event[] =>
  JSON.parse(gunzipSync(body).toString('utf8')) as Event[];

/** OPA's own plugin logs one decision to a service. */
async function logWithOpa(serviceUrl: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'holdgate-opa-logs-'));
  try {
    const input = join(directory, 'input.json');
    mkdirSync(join(directory, 'bundle'));
    writeFileSync(input, '{"request": {"verb": "get"}}');
    writeFileSync(
      join(directory, 'bundle', 'gate.rego'),
      'package gate\n\ndecision := {"verdict": "allow"}\n',
    );
    const settings = [
      `services.judge.url=${serviceUrl}`,
      'services.judge.credentials.bearer.token=tea',
      'decision_logs.service=judge',
      'labels.app=judged',
    ].flatMap((setting) => ['--set', setting]);
    const bundle = ['--v1-compatible', '-b', join(directory, 'bundle')];
    const args = ['exec', ...bundle, '--decision', 'gate/decision', ...settings, input];
    const child = spawn(npmOpa(), args, { stdio: 'ignore' });
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', resolve);
    });
    expect(code).toBe(0);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe("OPA's decision log service", () => {
  let receiver: HttpReceiver;
  beforeEach(async () => {
    receiver = await startHttpReceiver({ tls: false });
  });
  afterEach(() => receiver.close());
  const rows = [
    exportRow(someDecision({ message: 'ü 😀' }), someOutcome()),
    exportRow(someDecision({ requestId: 'request-2' }), null),
  ];
  const send = async (path = '') => {
    const sink = opaSink({
      name: 'styra',
      server: () =>
        ok({
          url: `${receiver.url}${path}`,
          certificateAuthority: null,
          token: new Secret('tea'),
        }),
    });
    return sink.deliver(await batchOf(sink, rows), patient());
  };
  const only = (): ReceivedPost => {
    const [post] = receiver.received;
    if (post === undefined) throw new Error('nothing was received');
    return post;
  };

  test('gets each decision with its outcome, in order', async () => {
    expect(await send()).toMatchObject({ ok: true });
    expect(eventsOf(only())).toMatchObject([
      { decision_id: 'request-1', custom: { holdgate: { outcome: { status: 200 } } } },
      { decision_id: 'request-2', custom: { holdgate: { outcome: null } } },
    ]);
  });

  test("gets what OPA's own plugin sends: method, path, headers, encoding, and fields of the same types", async () => {
    await logWithOpa(`${receiver.url}/tenant`);
    await send('/tenant');
    const [theirs, ours] = receiver.received;
    if (theirs === undefined || ours === undefined) throw new Error('not both were received');
    const outside = ({ method, path, headers }: ReceivedPost) => ({
      method,
      path,
      type: headers['content-type'],
      encoding: headers['content-encoding'],
      authorization: headers.authorization,
    });
    expect(outside(ours)).toEqual(outside(theirs));
    expect(outside(ours)).toMatchObject({ path: '/tenant/logs', encoding: 'gzip' });
    const [theirEvent = {}] = eventsOf(theirs);
    const [ourEvent = {}] = eventsOf(ours);
    const shared = ['labels', 'decision_id', 'bundles', 'path', 'input', 'result', 'timestamp'];
    const typesOf = (event: Event) =>
      Object.fromEntries(shared.map((name) => [name, typeof event[name]]));
    expect(Object.keys(theirEvent)).toEqual(expect.arrayContaining(shared));
    expect(typesOf(ourEvent)).toEqual(typesOf(theirEvent));
    expect(Object.values(ourEvent['labels'] as Event).map((value) => typeof value)).toEqual([
      'string',
      'string',
      'string',
    ]);
  }, 60_000);

  test.each([
    { status: 204, retry: null },
    { status: 400, retry: false },
    { status: 401, retry: true },
    { status: 500, retry: true },
  ])('answered $status: another try helps: $retry', async ({ status, retry }) => {
    receiver.answers.push({ status });
    const sent = await send();
    expect(sent.ok ? null : sent.error.retry).toBe(retry);
  });
});
