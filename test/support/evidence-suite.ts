import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { Secret } from '../../src/base/secret.ts';
import {
  Anchors,
  createEvidenceExports,
  createRecorder,
  Ledger,
  ledgerHeadFile,
  loadDeploymentKey,
  verifyBundle,
  type DeploymentKey,
  type EvidenceScope,
  type Recorder,
  type VerifyReport,
} from '../../src/record/index.ts';
import {
  createEvidenceSource,
  createLedgerStore,
  createRecordStore,
  type Store,
} from '../../src/store/index.ts';
import { someDecision, someOutcome } from './record-entries.ts';

const by = { issuer: 'i', subject: 'anna', username: 'anna' };
const requestsCount = 1200;

/** Who has the database, and no key: plain SQL, triggers off, and each time undone. */
const attacks: readonly { name: string; statements: readonly string[]; kind: string }[] = [
  {
    name: 'edits a record',
    statements: [
      `update records set bytes = convert_to(replace(convert_from(bytes, 'UTF8'), '"verdict":"allow"', '"verdict":"deny"'), 'UTF8')
       where request_id = 'r-7' and kind = 'decision'`,
    ],
    kind: 'record-edited',
  },
  {
    name: 'edits a record and its hash',
    statements: [
      `update records set bytes = convert_to(replace(convert_from(bytes, 'UTF8'), '"verdict":"allow"', '"verdict":"deny"'), 'UTF8')
       where request_id = 'r-7' and kind = 'decision'`,
      `update records set leaf = sha256('\\x00'::bytea || bytes) where request_id = 'r-7' and kind = 'decision'`,
    ],
    kind: 'records-changed',
  },
  {
    name: 'deletes a record',
    statements: [`delete from records where request_id = 'r-900' and kind = 'outcome'`],
    kind: 'record-missing',
  },
  {
    name: 'deletes a record and closes the gap',
    statements: [
      `delete from records where request_id = 'r-1190' and kind = 'outcome'`,
      // Twice, as no number may stand twice even for a moment.
      `update records set seq = 1 - seq where seq > 2382`,
      `update records set seq = -seq where seq < 0`,
    ],
    kind: 'record-missing',
  },
  {
    name: 'cuts off the end',
    statements: [
      `delete from records where seq > (select max(seq) / 2 from records where request_id <> '')
       and stream = (select min(stream) from records where request_id = 'r-7')`,
    ],
    kind: 'stream-truncated',
  },
  {
    name: 'deletes a whole stream',
    statements: [
      `delete from records where stream = (select min(stream) from records where request_id = 'r-7')`,
      `delete from streams`,
    ],
    kind: 'stream-deleted',
  },
  {
    name: 'deletes the end of the ledger',
    statements: [`delete from ledger where seq = (select max(seq) from ledger)`],
    kind: 'ledger-rolled-back',
  },
  {
    name: 'edits the ledger',
    statements: [
      `update ledger set bytes = bytes || '\\x0a'::bytea where kind = 'checkpoint' and seq = (select min(seq) from ledger where kind = 'checkpoint')`,
    ],
    kind: 'ledger-changed',
  },
];

/** What holds of evidence that real recorders left, on PostgreSQL and on the embedded database alike. */
export function evidenceSuite(open: () => Store): void {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'holdgate-evidence-'));
  let store: Store;
  let key: DeploymentKey;
  let recorder: Recorder;
  let ledger: Ledger;
  const anchored: string[] = [];

  beforeAll(async () => {
    store = open();
    key = await loadDeploymentKey({ dataDirectory, configured: null, deployment: 'test' });
    const ledgerStore = createLedgerStore(store);
    const common = { clock: systemClock, log: silentLog };
    ledger = new Ledger({
      ...common,
      store: ledgerStore,
      deploymentKey: key,
      anchors: new Anchors([], { ...common, store: ledgerStore }),
      headFile: ledgerHeadFile(dataDirectory),
      seen: null,
    });
    recorder = createRecorder({
      ...common,
      store: createRecordStore(store),
      digestKey: new Secret('00'.repeat(32)),
      deploymentKey: key,
      onFailure: () => {},
      onCommitted: (state) => ledger.noteStream(state),
    });
    for (let at = 0; at < requestsCount; at += 100) {
      const ids = Array.from({ length: 100 }, (_, index) => `r-${at + index}`);
      const approvalId = at === 0 ? 'approval-1' : null;
      await Promise.all(
        ids.flatMap((requestId) => [
          recorder.append(someDecision({ requestId, approvalId })),
          recorder.append(someOutcome({ requestId })),
        ]),
      );
      await ledger.tick();
    }
    await recorder.close();
    await ledger.close();
    const [head] = await store.general.raw(
      (client) => client<{ checkpoint: string }[]>`
        select checkpoint from ledger order by seq desc limit 1`,
    );
    anchored.push(JSON.stringify({ at: new Date().toISOString(), checkpoint: head?.checkpoint }));
    for (const table of ['records', 'ledger', 'streams']) {
      await sql(`create table kept_${table} as select * from ${table}`);
    }
  }, 60_000);
  afterAll(() => rmSync(dataDirectory, { recursive: true, force: true }));

  const sql = (statement: string): Promise<unknown> =>
    store.general.raw((client) => client.unsafe(statement));

  const exported = async (scope: EvidenceScope): Promise<VerifyReport> => {
    const entries: unknown[] = [];
    const exports = createEvidenceExports({
      source: createEvidenceSource(store),
      recorder: { append: (entry) => Promise.resolve(void entries.push(entry)) },
      deploymentKey: key,
      clock: systemClock,
    });
    const bundle = await exports.open(scope, by);
    if (!bundle.ok) throw new Error(bundle.error.message);
    const pieces: Buffer[] = [];
    for await (const piece of bundle.value) pieces.push(piece);
    const report = await verifyBundle({
      bundle: (async function* whole() {
        yield Buffer.concat(pieces);
      })(),
      key: key.signer.vkey,
      anchors: anchored,
    });
    if (!report.ok) throw new Error(report.error);
    const { records, streams } = report.value.counts;
    expect(entries).toMatchObject([
      { kind: 'export', stage: 'begun', by, counts: null },
      { kind: 'export', stage: 'ended', by, counts: { records, streams } },
    ]);
    return report.value;
  };

  const tampered = async (statements: readonly string[], check: () => Promise<void>) => {
    const triggers = (state: string): string =>
      `do $$ declare t text; begin
         for t in select tgrelid::regclass::text from pg_trigger where not tgisinternal group by 1
         loop execute 'alter table ' || t || ' ${state} trigger user'; end loop; end $$`;
    await sql(triggers('disable'));
    try {
      for (const statement of statements) await sql(statement);
      await check();
    } finally {
      for (const table of ['records', 'ledger', 'streams']) {
        await sql(`delete from ${table}`);
        await sql(`insert into ${table} select * from kept_${table}`);
      }
      await sql(triggers('enable'));
    }
  };

  describe('evidence of real recorders', () => {
    test('is verified as a whole, with its anchors', async () => {
      const report = await exported({ kind: 'all' });
      expect(report.findings).toEqual([]);
      expect(report).toMatchObject({
        verdict: 'verified',
        // The certificate, two of each request, the end.
        counts: { records: 2 * requestsCount + 2, streams: 1 },
        streams: [{ end: 'closed', lastSeq: 2 * requestsCount + 1 }],
      });
      expect(report.ledger?.anchorsFound).toBe(1);
    });

    test('is verified by requests, each record with a proof', async () => {
      const report = await exported({ kind: 'requests', requests: ['r-500', 'r-1100'] });
      expect(report).toMatchObject({ verdict: 'verified', counts: { records: 4, streams: 1 } });
    });

    test('is verified by approval, with the requests that it was about', async () => {
      const report = await exported({ kind: 'approval', approval: 'approval-1' });
      expect(report).toMatchObject({ verdict: 'verified', counts: { records: 200, streams: 1 } });
    });

    test('of other days is empty', async () => {
      const report = await exported({ kind: 'days', from: null, until: '2020-01-01' });
      expect(report).toMatchObject({ verdict: 'verified', counts: { records: 0, streams: 0 } });
    });
  });

  describe('who has the database and no key', () => {
    test.each(attacks)('is found out when he $name', async ({ statements, kind }) => {
      await tampered(statements, async () => {
        const report = await exported({ kind: 'all' });
        expect(report.verdict).toBe('tampered');
        expect(report.findings.map((one) => one.kind as string)).toContain(kind);
      });
    });

    test('is found out in a bundle of the very request', async () => {
      const [edit] = attacks;
      await tampered(edit?.statements ?? [], async () => {
        const report = await exported({ kind: 'requests', requests: ['r-7'] });
        expect(report).toMatchObject({ verdict: 'tampered' });
        expect(report.findings[0]).toMatchObject({ kind: 'proof-wrong' });
      });
    });
  });
}
