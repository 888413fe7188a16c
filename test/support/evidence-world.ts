import { sealEntry, leafHash, makeLeaf } from '../../src/record/leaf.ts';
import type { RecordEntry } from '../../src/record/index.ts';
import type {
  EvidenceRow,
  EvidenceSource,
  LedgerRow,
} from '../../src/record/bundle/evidence-source.ts';
import type { EvidenceScope } from '../../src/record/bundle/manifest.ts';
import { writeBundle } from '../../src/record/bundle/write-bundle.ts';
import { emptyFrontier, extendFrontier, rootOf } from '../../src/record/merkle/frontier.ts';
import { signCheckpoint } from '../../src/record/signing/checkpoint.ts';
import {
  ephemeralSigner,
  generateSigningKey,
  parseSigner,
  type Signer,
} from '../../src/record/signing/signed-note.ts';
import {
  ledgerOrigin,
  signCertificate,
  streamOrigin,
} from '../../src/record/signing/stream-certificate.ts';
import { verifyBundle } from '../../src/record/verify/verify-bundle.ts';
import type { VerifyReport } from '../../src/record/verify/report.ts';
import { someDecision, someOutcome } from './record-entries.ts';

export type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
export type WorldRow = Mutable<EvidenceRow> & { request: string };

export type WorldStream = {
  id: string;
  epoch: string;
  certificate: string;
  rows: WorldRow[];
  /** What the streams's own key signed at the end. */
  lastCheckpoint: string;
};

/** A database's record in memory: what recorders and the ledger's writer leave, open to any change. */
export type EvidenceWorld = {
  readonly deployment: string;
  readonly key: Signer;
  readonly streams: WorldStream[];
  readonly ledger: Mutable<LedgerRow>[];
  anchors: string[];
};

export type StreamPlan = {
  readonly id: string;
  /** RFC 3339 with milliseconds. */
  readonly openedAt: string;
  /** Records of each batch, behind the one of the certificate. */
  readonly batches: readonly number[];
  readonly isClosed?: boolean;
};

const deployment = 'test';

const signerOf = (name: string): Signer => {
  const signer = parseSigner(generateSigningKey(name));
  if (!signer.ok) throw new Error(signer.error);
  return signer.value;
};

/** An honest record: streams as planned, each batch in the ledger, and an anchor at the ledger's end. */
export function honestWorld(plans: readonly StreamPlan[]): EvidenceWorld {
  const key = signerOf(ledgerOrigin(deployment));
  const world: EvidenceWorld = { deployment, key, streams: [], ledger: [], anchors: [] };
  for (const plan of plans) addStream(world, plan);
  return world;
}

const entriesOf = (stream: string, from: number, count: number): RecordEntry[] =>
  Array.from({ length: count }, (_, index) => {
    const requestId = `${stream}-${Math.floor((from + index) / 2)}`;
    return (from + index) % 2 === 0 ? someDecision({ requestId }) : someOutcome({ requestId });
  });

/** Adds what one process leaves on one day. */
export function addStream(world: EvidenceWorld, plan: StreamPlan): WorldStream {
  const { id, openedAt } = plan;
  const epoch = openedAt.slice(0, 10);
  const key = ephemeralSigner(streamOrigin(deployment, id));
  const certificate = signCertificate(
    { deployment, stream: id, vkey: key.vkey, replica: 'host/1', openedAt },
    world.key,
  );
  const stream: WorldStream = { id, epoch, certificate, rows: [], lastCheckpoint: '' };
  let frontier = emptyFrontier;
  const openedMs = Date.parse(openedAt);
  const append = (entries: readonly RecordEntry[]): void => {
    const atMs = openedMs + stream.rows.length;
    const leaves = entries.map((entry, index) =>
      makeLeaf(sealEntry(entry), {
        stream: id,
        seq: stream.rows.length + index,
        ts: new Date(atMs + index).toISOString(),
        monoNs: (atMs + index - openedMs) * 1_000_000,
      }),
    );
    frontier = extendFrontier(
      frontier,
      leaves.map((leaf) => leaf.hash),
    );
    const { size } = frontier;
    const origin = streamOrigin(deployment, id);
    const checkpoint = signCheckpoint({ origin, size, root: rootOf(frontier) }, key);
    stream.lastCheckpoint = checkpoint;
    for (const leaf of leaves) {
      stream.rows.push({
        seq: leaf.seq,
        bytes: Buffer.from(leaf.text),
        leaf: leaf.hash,
        checkpoint: leaf === leaves.at(-1) ? checkpoint : null,
        request: leaf.entry.requestId,
      });
    }
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- an entry about the record itself
  const about = (entry: object): RecordEntry =>
    ({ requestId: '', cluster: '', ...entry }) as RecordEntry;
  append([about({ kind: 'stream', certificate })]);
  appendLedger(world, [{ kind: 'certificate', text: certificate }], openedAt);
  for (const count of plan.batches) {
    append(entriesOf(id, stream.rows.length, count));
    const at = new Date(openedMs + stream.rows.length).toISOString();
    appendLedger(world, [{ kind: 'checkpoint', text: stream.lastCheckpoint }], at);
  }
  if (plan.isClosed !== false) {
    append([about({ kind: 'stream-closed', reason: 'shutdown' })]);
    const at = new Date(openedMs + stream.rows.length).toISOString();
    appendLedger(world, [{ kind: 'checkpoint', text: stream.lastCheckpoint }], at);
  }
  world.streams.push(stream);
  return stream;
}

/** Appends to the ledger, signed, and anchors it. */
export function appendLedger(
  world: EvidenceWorld,
  entries: readonly { readonly kind: string; readonly text: string }[],
  at: string,
): void {
  for (const { kind, text } of entries) {
    const bytes = Buffer.from(text);
    const seq = world.ledger.length;
    world.ledger.push({ seq, kind, at, bytes, leaf: leafHash(bytes), checkpoint: null });
  }
  const checkpoint = ledgerCheckpoint(world);
  const last = world.ledger.at(-1);
  if (last !== undefined) last.checkpoint = checkpoint;
  world.anchors.push(JSON.stringify({ at, checkpoint }));
}

/** The signed checkpoint of the ledger as it is. */
export function ledgerCheckpoint({ key, ledger }: EvidenceWorld): string {
  const frontier = extendFrontier(
    emptyFrontier,
    ledger.map(({ leaf }) => leaf),
  );
  const { size } = frontier;
  return signCheckpoint({ origin: ledgerOrigin(deployment), size, root: rootOf(frontier) }, key);
}

/** The world as the maker of a bundle reads it. */
export function sourceOf(world: EvidenceWorld): EvidenceSource {
  const find = (epoch: string, stream: string): readonly WorldRow[] =>
    world.streams.find((one) => one.epoch === epoch && one.id === stream)?.rows ?? [];
  const from = <Row extends { seq: number }>(rows: readonly Row[], seq: number, limit: number) =>
    rows.filter((row) => row.seq >= seq).slice(0, limit);
  return {
    days: () => Promise.resolve([...new Set(world.streams.map((one) => one.epoch))].toSorted()),
    streamsOf: (epoch) =>
      Promise.resolve(world.streams.filter((one) => one.epoch === epoch).map((one) => one.id)),
    page: ({ epoch, stream }, seq) => Promise.resolve(from(find(epoch, stream), seq, 1000)),
    hashes: ({ epoch, stream }, seq, limit) =>
      Promise.resolve(from(find(epoch, stream), seq, limit)),
    rows: ({ epoch, stream }, seqs) =>
      Promise.resolve(find(epoch, stream).filter((row) => seqs.includes(row.seq))),
    checkpointFrom: ({ epoch, stream }, seq) => {
      const row = from(find(epoch, stream), seq, Infinity).find((one) => one.checkpoint !== null);
      return Promise.resolve(
        row === undefined ? null : { seq: row.seq, checkpoint: row.checkpoint ?? '' },
      );
    },
    placesOf: (of) =>
      Promise.resolve(
        world.streams.flatMap(({ id, epoch, rows }) =>
          rows
            .filter(({ request }) => 'requests' in of && of.requests.includes(request))
            .map(({ seq }) => ({ epoch, stream: id, seq })),
        ),
      ),
    ledgerPage: (seq) => Promise.resolve(from(world.ledger, seq, 1000)),
    anchors: () => Promise.resolve([]),
  };
}

/** The bundle of a world, whole. */
export async function bundleOf(
  world: EvidenceWorld,
  scope: EvidenceScope = { kind: 'all' },
  madeAt = '2026-11-30T00:00:00.000Z',
): Promise<Buffer> {
  const manifest = {
    v: 1,
    deployment,
    deploymentKey: world.key.vkey,
    madeAt,
    madeBy: 'anna',
    scope,
  } as const;
  const counts = { records: 0, streams: 0, ledgerEntries: 0 };
  const pieces: Buffer[] = [];
  const bundle = writeBundle({ source: sourceOf(world), manifest, key: world.key, counts });
  for await (const piece of bundle) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Bytes as a file gives them, in pieces. */
export async function* piecesOf(bytes: Buffer, pieceBytes = 64 * 1024): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    yield bytes.subarray(at, at + pieceBytes);
  }
}

/** What the verifier says of a bundle. */
export async function reportOf(
  world: EvidenceWorld,
  bundle: Buffer,
  anchors: readonly string[] | null = null,
): Promise<VerifyReport> {
  const report = await verifyBundle({ bundle: piecesOf(bundle), key: world.key.vkey, anchors });
  if (!report.ok) throw new Error(report.error);
  return report.value;
}
