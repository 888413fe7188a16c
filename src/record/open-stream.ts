import { isoTime } from '../base/clock.ts';
import type { Waiting } from './commit-queue.ts';
import type { RecordEntry } from './entry.ts';
import { makeLeaf, sealEntry, type Leaf, type SealedEntry } from './leaf.ts';
import { emptyFrontier, extendFrontier, rootOf, type Frontier } from './merkle/frontier.ts';
import type { StreamRow } from './record-store.ts';
import { signCheckpoint } from './signing/checkpoint.ts';
import type { DeploymentKey } from './signing/deployment-key.ts';
import { ephemeralSigner, type Signer } from './signing/signed-note.ts';
import { signCertificate, streamOrigin } from './signing/stream-certificate.ts';

/** A stream is for a UTC day; leap seconds are not in Unix time. Milliseconds. */
const dayMs = 86_400_000;

/** A stream is ended at this size too, so that none takes long to verify. Leaves. */
const streamLeavesMax = 1_000_000;

/**
 * The stream that this process writes: a Merkle tree with a key of its own, which never leaves the memory of the process and
 * is gone with it. Whoever takes the process over tomorrow cannot sign for what was recorded today.
 */
export type OpenStream = StreamRow & {
  readonly openedMonotonicMs: number;
  /** The end of its UTC day, milliseconds since the Unix epoch. */
  readonly endsMs: number;
  readonly signer: Signer;
  /** A signed note by the deployment key. */
  readonly certificate: string;
  /** The tree as far as it is known to be committed. */
  frontier: Frontier;
};

/** What is sent to the store in one go. */
export type Batch = {
  readonly stream: OpenStream;
  readonly role: 'first' | 'entries' | 'last';
  /** Who waits for it; nobody for a stream's own first and last leaf. */
  readonly waiting: readonly Waiting[];
  readonly leaves: readonly Leaf[];
  /** The tree with these leaves, and its signed checkpoint. */
  readonly frontier: Frontier;
  readonly checkpoint: string;
};

/** A stream as the ledger takes it down: what is committed of it. */
export type StreamState = {
  readonly id: string;
  readonly certificate: string;
  readonly size: number;
  /** A signed note. */
  readonly checkpoint: string;
  /** True with its last leaf. */
  readonly ended: boolean;
};

/** Makes a stream with a fresh key, certified by the deployment's. */
export function newStream(options: {
  readonly id: string;
  readonly replica: string;
  readonly nowMs: number;
  readonly openedMonotonicMs: number;
  readonly deploymentKey: DeploymentKey;
}): OpenStream {
  const { id, replica, nowMs, openedMonotonicMs, deploymentKey } = options;
  const { deployment } = deploymentKey;
  const openedAt = isoTime(nowMs);
  const signer = ephemeralSigner(streamOrigin(deployment, id));
  const { vkey } = signer;
  return {
    id,
    epoch: openedAt.slice(0, 10),
    replica,
    openedAt,
    openedMonotonicMs,
    endsMs: (Math.floor(nowMs / dayMs) + 1) * dayMs,
    signer,
    certificate: signCertificate(
      { deployment, stream: id, vkey, replica, openedAt },
      deploymentKey.signer,
    ),
    frontier: emptyFrontier,
  };
}

/** Whether the stream still takes entries: it is that of today, and not full. */
export function takesMore(stream: OpenStream, nowMs: number): boolean {
  const isToday = nowMs < stream.endsMs && nowMs >= stream.endsMs - dayMs;
  return isToday && stream.frontier.size < streamLeavesMax;
}

/** The batch of a stream's certificate: committed before anything else of the stream. */
export function firstBatch(stream: OpenStream): Batch {
  const { certificate, openedAt, openedMonotonicMs } = stream;
  const entry: RecordEntry = { kind: 'stream', requestId: '', cluster: '', certificate };
  const own = { sealed: sealEntry(entry), ts: openedAt, monotonicMs: openedMonotonicMs };
  return { role: 'first', waiting: [], ...signed(stream, [own]) };
}

/** The batch of entries that wait. */
export function entriesBatch(stream: OpenStream, waiting: readonly Waiting[]): Batch {
  return { role: 'entries', waiting, ...signed(stream, waiting) };
}

/** The batch that ends a stream in order: nothing comes after it. */
export function lastBatch(
  stream: OpenStream,
  reason: 'rotation' | 'shutdown',
  now: { readonly nowMs: number; readonly monotonicMs: number },
): Batch {
  const entry: RecordEntry = { kind: 'stream-closed', requestId: '', cluster: '', reason };
  const own = {
    sealed: sealEntry(entry),
    ts: isoTime(now.nowMs),
    monotonicMs: now.monotonicMs,
  };
  return { role: 'last', waiting: [], ...signed(stream, [own]) };
}

/** What is known of a stream once a batch of it is committed. */
export function stateAfter({ stream, role, frontier, checkpoint }: Batch): StreamState {
  const { id, certificate } = stream;
  return { id, certificate, size: frontier.size, checkpoint, ended: role === 'last' };
}

type Sealed = Pick<Waiting, 'ts' | 'monotonicMs'> & { readonly sealed: SealedEntry };

/** One signature a batch: it takes as long as the hashes of some twenty leaves. */
function signed(stream: OpenStream, entries: readonly Sealed[]): Omit<Batch, 'role' | 'waiting'> {
  const leaves = entries.map(({ sealed, ts, monotonicMs }, index) =>
    makeLeaf(sealed, {
      stream: stream.id,
      seq: stream.frontier.size + index,
      ts,
      monoNs: Math.max(0, Math.round((monotonicMs - stream.openedMonotonicMs) * 1e6)),
    }),
  );
  const hashes = leaves.map((leaf) => leaf.hash);
  const frontier = extendFrontier(stream.frontier, hashes);
  const { signer } = stream;
  const checkpoint = signCheckpoint(
    { origin: signer.name, size: frontier.size, root: rootOf(frontier) },
    signer,
  );
  return { stream, leaves, frontier, checkpoint };
}
