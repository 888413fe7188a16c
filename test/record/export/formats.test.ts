import { spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DecisionEntry, OutcomeEntry } from '../../../src/record/index.ts';
import { exportFormats, type ExportFormatName } from '../../../src/record/index.ts';
import { exportRow } from '../../support/export-rows.ts';
import { someDecision, someOutcome } from '../../support/record-entries.ts';

type Json = Readonly<Record<string, unknown>>;

const line = (
  format: ExportFormatName,
  decision: Partial<DecisionEntry> = {},
  outcome: Partial<OutcomeEntry> | null = {},
): string =>
  exportFormats[format].line(
    exportRow(someDecision(decision), outcome === null ? null : someOutcome(outcome)),
  );

const parsed = (...given: Parameters<typeof line>): Json => JSON.parse(line(...given)) as Json;

const unidentified = {
  verdict: 'deny',
  user: null,
  input: null,
  because: [],
  policy: null,
  code: 'HOLDGATE_IDENTIFY_TOKEN_MISSING',
  message: 'no token',
} as const;

const jsonFormats = ['ndjson', 'opa', 'audit', 'ocsf'] as const;

describe('every JSON format', () => {
  test.each(jsonFormats)('%s is one line, whatever callers wrote', (format) => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (text, ended) => {
        const decision = { message: text, target: text, userAgent: text, detail: text };
        const written = line(format, decision, ended ? { message: text } : null);
        expect(written.indexOf('\n')).toBe(written.length - 1);
        expect(JSON.parse(written)).toBeTypeOf('object');
      }),
    );
  });

  test.each(jsonFormats)(
    '%s takes a request that was refused before anybody was identified',
    (format) => {
      expect(line(format, unidentified, { status: 401 })).toContain('request-1');
    },
  );
});

describe('ndjson and records', () => {
  test('hold the leaves byte for byte, so that their hashes can be counted anew', () => {
    const row = exportRow(someDecision({ message: 'ü "\\' }), someOutcome());
    expect(exportFormats.records.line(row)).toBe(`${row.leaf}\n`);
    expect(exportFormats.ndjson.line(row)).toBe(
      `{"decision":${row.leaf},"outcome":${String(row.outcome)}}\n`,
    );
    expect(parsed('ndjson', {}, null)['outcome']).toBeNull();
  });
});

describe('OPA decision log', () => {
  test('names decision, path, bundle, input, result, requester and what is left out', () => {
    expect(parsed('opa')).toMatchObject({
      labels: { app: 'holdgate', cluster: 'prod' },
      decision_id: 'request-1',
      bundles: { holdgate: { revision: 'v1' } },
      path: 'gate/decision',
      input: { request: { verb: 'delete', resource: 'pods' } },
      erased: ['/input/live', '/input/request/object', '/input/request/patch'],
      result: { verdict: 'allow', because: [{ rule: 'pipelines', id: 'deploy' }] },
      requested_by: '192.0.2.7',
      timestamp: '2026-11-20T12:00:00.000Z',
      custom: { holdgate: { outcome: { status: 200 } } },
    });
  });

  test('without a bundle names the hash of the sources', () => {
    const policy = { wasm: 'w', sources: 'sha256:bb', compiler: 'opa/1', revision: '' };
    expect(parsed('opa', { policy })).toMatchObject({
      bundles: { holdgate: { revision: 'sha256:bb' } },
    });
  });

  test('has no result where no policy was asked', () => {
    const event = parsed('opa', unidentified);
    expect([event['result'], event['input'], event['erased']]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('audit event', () => {
  test('is what the API server would have written of the same call', () => {
    expect(
      parsed('audit', { approvalId: 'a-1' }, { status: 409, upstreamStatus: 409 }),
    ).toMatchObject({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: 'Metadata',
      auditID: 'request-1',
      stage: 'ResponseComplete',
      verb: 'delete',
      user: { username: 'agent:seven', groups: ['agents'] },
      objectRef: {
        resource: 'pods',
        namespace: 'payments',
        name: 'checkout-7b9',
        apiVersion: 'v1',
      },
      responseStatus: { code: 409, status: 'Failure' },
      requestReceivedTimestamp: '2026-11-20T12:00:00.000000Z',
      annotations: {
        'authorization.k8s.io/decision': 'allow',
        'holdgate.dev/decision': 'allow',
        'holdgate.dev/rules': 'pipelines/deploy',
        'holdgate.dev/approval': 'a-1',
      },
    });
  });

  test.each([
    { name: 'held and released', verdict: 'hold', upstreamStatus: 200, said: 'allow' },
    { name: 'held and never released', verdict: 'hold', upstreamStatus: 0, said: 'forbid' },
    { name: 'denied', verdict: 'deny', upstreamStatus: 0, said: 'forbid' },
  ] as const)('$name is $said', ({ verdict, upstreamStatus, said }) => {
    expect(parsed('audit', { verdict }, { upstreamStatus })).toMatchObject({
      annotations: { 'authorization.k8s.io/decision': said, 'holdgate.dev/decision': verdict },
    });
  });

  test('of a call without an end on record has the stage of its beginning, and no status', () => {
    const event = parsed('audit', {}, null);
    expect([event['stage'], event['responseStatus']]).toEqual(['RequestReceived', undefined]);
  });

  test('of a session names resource and subresource apart', () => {
    const row = exportRow(
      someDecision({}, { resource: 'pods/exec', verb: 'connect' }),
      someOutcome(),
    );
    expect(JSON.parse(exportFormats.audit.line(row))).toMatchObject({
      objectRef: { resource: 'pods', subresource: 'exec' },
    });
  });
});

describe('OCSF API Activity', () => {
  /** Required by events/application/api_activity.json, what it extends, and the objects in it: read there by hand. */
  const required = [
    'metadata.version',
    'metadata.product.vendor_name',
    'category_uid',
    'class_uid',
    'activity_id',
    'type_uid',
    'severity_id',
    'time',
    'actor.user.name',
    'api.operation',
    'src_endpoint.ip',
    'dst_endpoint.name',
    'http_request.http_method',
  ];
  const at = (value: unknown, path: string): unknown =>
    path.split('.').reduce<unknown>((one, key) => (one as Json | undefined)?.[key], value);

  test.each([
    { name: 'a call', decision: {}, outcome: {} },
    { name: 'a call that runs', decision: {}, outcome: null },
    { name: 'a refusal before anybody was identified', decision: unidentified, outcome: {} },
  ])('$name has every required field', ({ decision, outcome }) => {
    const event = parsed('ocsf', decision, outcome);
    const missing = required.filter((path) =>
      ['', undefined, null].includes(at(event, path) as string),
    );
    expect(missing).toEqual([]);
  });

  test.each([
    { verb: 'create', activity: 1 },
    { verb: 'get', activity: 2 },
    { verb: 'list', activity: 2 },
    { verb: 'watch', activity: 2 },
    { verb: 'update', activity: 3 },
    { verb: 'patch', activity: 3 },
    { verb: 'delete', activity: 4 },
    { verb: 'deletecollection', activity: 4 },
    { verb: 'connect', activity: 99 },
  ] as const)('$verb is activity $activity, and the type follows', ({ verb, activity }) => {
    const row = exportRow(someDecision({}, { verb }), someOutcome());
    const event = JSON.parse(exportFormats.ocsf.line(row)) as Json;
    expect([event['activity_id'], event['type_uid']]).toEqual([activity, 600_300 + activity]);
  });

  test('names who, what, why and how it ended', () => {
    expect(parsed('ocsf', {}, { status: 403 })).toMatchObject({
      metadata: { version: '1.6.0', uid: 'request-1' },
      status: 'Failure',
      status_code: '403',
      actor: {
        user: { name: 'agent:seven', uid: 'agent-7', type_id: 99, type: 'agent' },
        session: { issuer: 'https://issuer.example' },
        authorizations: [{ decision: 'allow', policy: { name: 'pipelines/deploy' } }],
      },
      resources: [{ name: 'checkout-7b9', type: 'pods', namespace: 'payments' }],
      http_response: { code: 403 },
    });
  });
});

describe('CSV', () => {
  test.each([
    { name: 'a formula', text: '=1+1', cell: "'=1+1" },
    { name: 'a call of a program', text: "=cmd|' /C calc'!A0", cell: "'=cmd|' /C calc'!A0" },
    { name: 'plus', text: '+1', cell: "'+1" },
    { name: 'minus', text: '-1', cell: "'-1" },
    { name: 'at', text: '@SUM(A1)', cell: "'@SUM(A1)" },
    { name: 'a tab before', text: '\t=1', cell: "'\t=1" },
    { name: 'a carriage return before', text: '\r=1', cell: '"\'\r=1"' },
    { name: 'a quote and a comma', text: 'a "b", c', cell: '"a ""b"", c"' },
    { name: 'a formula with a comma', text: '=A1,B1', cell: '"\'=A1,B1"' },
  ])('$name begins with no formula and stays one cell', ({ text, cell }) => {
    expect(line('csv', { userAgent: text })).toContain(`,192.0.2.7,${cell},delete,`);
  });

  const python = spawnSync('python3', ['--version']).status === 0;
  test.runIf(python)("Python's csv reads back what was written, whatever callers wrote", () => {
    const agents = fc.sample(fc.string({ unit: 'binary' }), { numRuns: 300, seed: 7 });
    const told = agents.map((one) => one.replaceAll('\0', '').toWellFormed());
    const text = told.map((userAgent) => line('csv', { userAgent })).join('');
    const script =
      'import csv,io,json,sys\n' +
      'data=io.TextIOWrapper(sys.stdin.buffer,encoding="utf-8",newline="")\n' +
      'rows=list(csv.DictReader(data,strict=True))\n' +
      'json.dump([[r["user_agent"],len(r),r["seq"]] for r in rows],sys.stdout)\n';
    const read = spawnSync('python3', ['-c', script], { input: exportFormats.csv.head + text });
    expect(read.stderr.toString()).toBe('');
    const columns = exportFormats.csv.head.split(',').length;
    const wanted = told.map((one) => [/^[=+\-@\t\r]/.test(one) ? `'${one}` : one, columns, '0']);
    expect(JSON.parse(read.stdout.toString())).toEqual(wanted);
  });
});
