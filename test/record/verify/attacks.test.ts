import { describe, expect, test } from 'vitest';
import { leafHash } from '../../../src/record/leaf.ts';
import type { FindingKind } from '../../../src/record/verify/findings.ts';
import {
  addStream,
  appendLedger,
  bundleOf,
  honestWorld,
  reportOf,
  type EvidenceWorld,
  type WorldStream,
} from '../../support/evidence-world.ts';

const plans = [
  { id: 'one', openedAt: '2026-11-20T10:00:00.000Z', batches: [1, 2, 30, 200, 7] },
  { id: 'two', openedAt: '2026-11-20T11:00:00.000Z', batches: [3, 3], isClosed: false },
  { id: 'three', openedAt: '2026-11-21T10:00:00.000Z', batches: [5] },
] as const;

const streamOf = (world: EvidenceWorld, id: string): WorldStream => {
  const stream = world.streams.find((one) => one.id === id);
  if (stream === undefined) throw new Error(`no stream ${id}`);
  return stream;
};

/** Changes a record as somebody with SQL would: other bytes, and the hash column too where `hash` says so. */
function edit(stream: WorldStream, seq: number, from: string, to: string, hash: boolean): void {
  const row = stream.rows[seq];
  if (row === undefined) throw new Error(`no record ${seq}`);
  row.bytes = Buffer.from(row.bytes.toString('utf8').replace(from, to));
  if (hash) row.leaf = leafHash(row.bytes);
}

describe('an honest record', () => {
  test('is verified, and streams without an end are listed', async () => {
    const world = honestWorld(plans);
    const report = await reportOf(world, await bundleOf(world), world.anchors);
    expect(report.findings).toEqual([]);
    expect(report).toMatchObject({
      verdict: 'verified',
      counts: { records: 242 + 7 + 7, streams: 3 },
      from: '2026-11-20T10:00:00.000Z',
      ledger: { entries: 13, streams: 3, anchorsFound: 13, anchorsNewer: 0 },
    });
    expect(report.streams.map(({ stream, end, lastSeq }) => ({ stream, end, lastSeq }))).toEqual([
      { stream: 'one', end: 'closed', lastSeq: 241 },
      { stream: 'two', end: 'open', lastSeq: 6 },
      { stream: 'three', end: 'closed', lastSeq: 6 },
    ]);
  });

  test('of some days is verified without the streams of other days', async () => {
    const world = honestWorld(plans);
    const scope = { kind: 'days', from: '2026-11-21', until: null } as const;
    const report = await reportOf(world, await bundleOf(world, scope), world.anchors);
    expect(report).toMatchObject({ verdict: 'verified', counts: { streams: 1, records: 7 } });
  });

  test('a stream that the ledger does not have yet is only noted', async () => {
    const world = honestWorld(plans);
    const { ledger, anchors } = world;
    const [ledgerSize, anchorsCount] = [ledger.length, anchors.length];
    addStream(world, { id: 'new', openedAt: '2026-11-21T12:00:00.000Z', batches: [2] });
    ledger.length = ledgerSize;
    anchors.length = anchorsCount;
    const report = await reportOf(world, await bundleOf(world), anchors);
    expect(report).toMatchObject({ verdict: 'verified' });
    expect(report.findings.map(({ kind }) => kind)).toEqual(['stream-not-in-ledger']);
  });
});

/** The attacks of the design, each as somebody with full SQL and without a key can do it. */
const attacks: readonly {
  readonly name: string;
  readonly tamper: (world: EvidenceWorld) => void;
  readonly found: {
    readonly kind: FindingKind;
    readonly stream: string | null;
    readonly seq: number;
  };
}[] = [
  {
    name: 'a record is edited',
    tamper: (world) => edit(streamOf(world, 'one'), 100, 'delete', 'create', false),
    found: { kind: 'record-edited', stream: 'one', seq: 100 },
  },
  {
    name: 'a record and its hash are edited: the first of the signed range is named',
    tamper: (world) => edit(streamOf(world, 'one'), 3, '"status":200', '"status":403', true),
    found: { kind: 'records-changed', stream: 'one', seq: 2 },
  },
  {
    name: 'a record is deleted in the middle',
    tamper: (world) => void streamOf(world, 'one').rows.splice(57, 1),
    found: { kind: 'record-missing', stream: 'one', seq: 57 },
  },
  {
    name: 'a record is inserted',
    tamper: (world) => {
      const { rows } = streamOf(world, 'one');
      const row = rows[57];
      if (row !== undefined) rows.splice(58, 0, { ...row, checkpoint: null });
    },
    found: { kind: 'record-out-of-order', stream: 'one', seq: 57 },
  },
  {
    name: 'two records are swapped',
    tamper: (world) => {
      const { rows } = streamOf(world, 'one');
      const [a, b] = [rows[57], rows[58]];
      if (a === undefined || b === undefined) return;
      rows[57] = { ...b, seq: a.seq };
      rows[58] = { ...a, seq: b.seq };
    },
    found: { kind: 'record-missing', stream: 'one', seq: 57 },
  },
  {
    name: 'a record of another stream is put in',
    tamper: (world) => {
      const other = streamOf(world, 'two').rows[2];
      const { rows } = streamOf(world, 'one');
      if (other !== undefined) rows[2] = { ...other, checkpoint: null };
    },
    found: { kind: 'record-foreign', stream: 'one', seq: 2 },
  },
  {
    name: 'the first record, the certificate, is deleted',
    tamper: (world) => void streamOf(world, 'one').rows.shift(),
    found: { kind: 'record-missing', stream: 'one', seq: 0 },
  },
  {
    name: "a stream's tail is cut off at a batch",
    tamper: (world) => {
      streamOf(world, 'one').rows.length = 34;
    },
    found: { kind: 'stream-truncated', stream: 'one', seq: 34 },
  },
  {
    name: 'a tail is cut off inside of a batch',
    tamper: (world) => {
      streamOf(world, 'one').rows.length = 50;
    },
    found: { kind: 'record-unsigned', stream: 'one', seq: 34 },
  },
  {
    name: 'records are put behind the signed end',
    tamper: (world) => {
      const { rows } = streamOf(world, 'two');
      const last = rows.at(-1);
      if (last === undefined) return;
      const bytes = Buffer.from(last.bytes.toString('utf8').replace('"seq":6', '"seq":7'));
      rows.push({ ...last, seq: 7, bytes, leaf: leafHash(bytes), checkpoint: null });
    },
    found: { kind: 'record-unsigned', stream: 'two', seq: 7 },
  },
  {
    name: 'a whole stream is deleted',
    tamper: (world) => void world.streams.splice(1, 1),
    found: { kind: 'stream-deleted', stream: 'two', seq: 0 },
  },
  {
    name: 'a stream and the end of the ledger are deleted together: the anchor knows',
    tamper: (world) => {
      world.streams.pop();
      world.ledger.length = 11;
    },
    found: { kind: 'ledger-rolled-back', stream: null, seq: 11 },
  },
  {
    name: 'an entry of the ledger is edited',
    tamper: ({ ledger }) => {
      const row = ledger[3];
      if (row !== undefined)
        row.bytes = Buffer.from(row.bytes.toString('utf8').replace('\n', ' \n'));
    },
    found: { kind: 'ledger-changed', stream: null, seq: 3 },
  },
  {
    name: 'an entry of the ledger is deleted',
    tamper: ({ ledger }) => void ledger.splice(3, 1),
    found: { kind: 'ledger-changed', stream: null, seq: 3 },
  },
  {
    name: 'a stream has two histories: the ledger has the checkpoint of another one',
    tamper: (world) => {
      const other = honestWorld([]);
      const fork = addStream(other, { ...plans[1], batches: [3, 3] });
      const [, , checkpoint] = [...other.ledger];
      expect(fork.rows).toHaveLength(7);
      const at = '2026-11-20T11:00:00.020Z';
      appendLedger(
        world,
        [{ kind: 'checkpoint', text: checkpoint?.bytes.toString('utf8') ?? '' }],
        at,
      );
    },
    found: { kind: 'fork', stream: 'two', seq: 13 },
  },
  {
    name: 'a record says that it is older than what the ledger had before it',
    tamper: (world) => {
      world.streams.pop();
      const plan = { id: 'late', openedAt: '2026-11-21T10:00:00.000Z', batches: [3] };
      const { rows } = addStream(world, plan);
      const row = world.ledger.at(-2);
      expect(rows).toHaveLength(5);
      // The ledger took it down an hour after its records say that they were made, and then others.
      if (row !== undefined) row.at = '2026-11-21T11:00:00.000Z';
    },
    found: { kind: 'record-backdated', stream: 'late', seq: 4 },
  },
  {
    name: 'a checkpoint is taken from another stream',
    tamper: (world) => {
      const [one, two] = [streamOf(world, 'one'), streamOf(world, 'two')];
      const row = two.rows.at(-1);
      if (row !== undefined) row.checkpoint = one.rows[6]?.checkpoint ?? one.lastCheckpoint;
    },
    found: { kind: 'checkpoint-wrong', stream: 'two', seq: 6 },
  },
  {
    name: 'a line break is put into a record',
    tamper: (world) => edit(streamOf(world, 'one'), 4, '"', '\n"', true),
    found: { kind: 'record-edited', stream: 'one', seq: 4 },
  },
];

describe('somebody with the database and without a key', () => {
  test.each(attacks)('is found out: $name', async ({ tamper, found }) => {
    const world = honestWorld(plans);
    const anchors = [...world.anchors];
    tamper(world);
    const report = await reportOf(world, await bundleOf(world), anchors);
    expect(report.verdict).toBe('tampered');
    const tampered = report.findings.filter(({ severity }) => severity === 'tampered');
    expect(tampered.map(({ kind, stream, seq }) => ({ kind, stream, seq }))).toContainEqual(found);
  });

  test('who rewrites the ledger with the deployment key is found out by an anchor', async () => {
    const world = honestWorld(plans);
    const anchors = [...world.anchors];
    const kept = world.ledger.splice(0);
    for (const { kind, bytes, at } of kept.filter((_, index) => index !== 5)) {
      appendLedger(world, [{ kind, text: bytes.toString('utf8') }], at);
    }
    appendLedger(world, [{ kind: 'heartbeat', text: 'x' }], '2026-11-22T00:00:00.000Z');
    const report = await reportOf(world, await bundleOf(world), anchors);
    const kinds = report.findings.map(({ kind }) => kind);
    expect(kinds).toContain('anchor-differs');
  });

  test('a forged stream without a certificate is never called verified', async () => {
    const world = honestWorld(plans);
    const forged = addStream(honestWorld([]), { ...plans[2], id: 'forged' });
    forged.rows.shift();
    world.streams.push(forged);
    const report = await reportOf(world, await bundleOf(world), world.anchors);
    expect(report).toMatchObject({
      verdict: 'unverifiable',
      findings: [{ kind: 'stream-unsigned', stream: 'forged' }],
    });
  });

  test('anchors that were made after the bundle say nothing against it', async () => {
    const world = honestWorld(plans);
    const bundle = await bundleOf(world, { kind: 'all' }, '2026-11-21T23:00:00.000Z');
    appendLedger(world, [{ kind: 'heartbeat', text: 'x' }], '2026-11-22T00:00:00.000Z');
    const report = await reportOf(world, bundle, world.anchors);
    expect(report).toMatchObject({ verdict: 'verified', ledger: { anchorsNewer: 1 } });
  });
});
