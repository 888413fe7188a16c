import { err, ok, type Result } from '../../base/result.ts';
import { leafHash } from '../leaf.ts';
import {
  emptyFrontier,
  extendFrontier,
  frontierOf,
  peaksBytes,
  rootOf,
  type Frontier,
} from '../merkle/frontier.ts';
import type { StreamState } from '../open-stream.ts';
import {
  openCheckpoint,
  parseCheckpoint,
  signCheckpoint,
  type Checkpoint,
} from '../signing/checkpoint.ts';
import type { DeploymentKey } from '../signing/deployment-key.ts';
import { unverifiedText } from '../signing/signed-note.ts';
import { ledgerOrigin, openCertificate, streamOrigin } from '../signing/stream-certificate.ts';
import type {
  LedgerAddition,
  LedgerRow,
  LedgerView,
  SilentStream,
  StoredHead,
} from './ledger-store.ts';

/** How often the ledger says that it lives: with it, silence is not deletion. Milliseconds. */
const heartbeatMs = 60_000;

/** After how long without a sign of life a stream without its last leaf counts as abandoned. Milliseconds. */
const abandonedMs = 5 * 60_000;

/** The ledger up to its end, its signature checked. */
export type LedgerHead = Checkpoint & { readonly note: string; readonly frontier: Frontier };

/** An own stream, and what of it is in the ledger. */
export type OwnStream = { readonly state: StreamState; readonly ledgerSize: number };

/** A stream whose process is gone, with its last checkpoint. */
export type AbandonedStream = {
  readonly id: string;
  readonly size: number;
  /** Base64. */
  readonly root: string;
  /** Why the checkpoint cannot be believed, or empty. */
  readonly problem: string;
};

/** A state of the ledger that is known from elsewhere. */
export type SeenHead = {
  readonly size: number;
  readonly root: Buffer;
  /**
   * An operator took over this very checkpoint, whoever signed it; null: it has to be signed by the deployment key,
   * as every later one.
   */
  readonly accepted: string | null;
};

/**
 * The head that the database shows, where it may be continued: signed by the deployment key, its peaks those of its root, and
 * with `seen` (what this gateway saw last) where that was. Null for an empty ledger. The error is a sentence.
 */
export function checkHead(
  view: Pick<LedgerView, 'head' | 'seen'>,
  seen: SeenHead | null,
  key: DeploymentKey,
): Result<LedgerHead | null, string> {
  const size = view.head?.size ?? 0;
  const open = (note: string): Result<Checkpoint, string> =>
    note === seen?.accepted
      ? unverifiedCheckpoint(note)
      : openCheckpoint(note, key.verifier, ledgerOrigin(key.deployment));
  if (seen !== null && size < seen.size) {
    return err(`its ledger has ${size} entries, but this gateway has seen ${seen.size}`);
  }
  if (seen !== null) {
    const there = open(view.seen ?? '');
    if (!there.ok || there.value.size !== seen.size || !there.value.root.equals(seen.root)) {
      return err(`its ledger is another one than this gateway has seen at entry ${seen.size}`);
    }
  }
  if (view.head === null) return ok(null);
  const opened = open(view.head.checkpoint ?? '');
  if (!opened.ok) return err("the end of its ledger is not signed by this deployment's key");
  return headOf(view.head, opened.value);
}

function headOf(
  { size, checkpoint, peaks }: StoredHead,
  opened: Checkpoint,
): Result<LedgerHead, string> {
  const frontier = frontierOf(size, peaks ?? new Uint8Array());
  if (opened.size !== size || frontier === null || !rootOf(frontier).equals(opened.root)) {
    return err('the end of its ledger does not fit its signed checkpoint');
  }
  return ok({ ...opened, note: checkpoint ?? '', frontier });
}

/**
 * The end of a ledger as an operator takes it over, whoever signed it. Null for an empty one. The error: it is no tree
 * that could be continued.
 */
export function acceptHead(head: StoredHead | null): Result<SeenHead | null, string> {
  if (head === null) return ok(null);
  const opened = unverifiedCheckpoint(head.checkpoint ?? '');
  const fits = opened.ok ? headOf(head, opened.value) : opened;
  if (!fits.ok) return fits;
  return ok({ size: head.size, root: fits.value.root, accepted: head.checkpoint });
}

function unverifiedCheckpoint(note: string): Result<Checkpoint, string> {
  const text = unverifiedText(note);
  return text.ok ? parseCheckpoint(text.value) : text;
}

/** What to add to the ledger now, the head that it then has, and the streams that were found abandoned. */
export function additionTo(
  head: LedgerHead | null,
  view: LedgerView,
  own: readonly OwnStream[],
  key: DeploymentKey,
  nowIso: string,
): {
  readonly addition: LedgerAddition;
  readonly head: LedgerHead | null;
  readonly abandoned: readonly AbandonedStream[];
} {
  const rows: LedgerRow[] = [];
  const add = (kind: LedgerRow['kind'], text: string): void => {
    rows.push({ kind, text, leaf: leafHash(Buffer.from(text)) });
  };
  const streams: LedgerAddition['streams'][number][] = [];
  for (const { state, ledgerSize } of own) {
    const { id, size, certificate, checkpoint, ended } = state;
    if (ledgerSize === 0) add('certificate', certificate);
    if (size > ledgerSize) add('checkpoint', checkpoint);
    streams.push({ id, ledgerSize: size, settled: ended, own: true });
  }
  const abandoned: AbandonedStream[] = [];
  for (const silent of view.silent) {
    const { id, ledgerSize, last, silentMs } = silent;
    const size = last === null ? 0 : last.seq + 1;
    const isGone = silentMs > abandonedMs;
    const ended = last?.kind === 'stream-closed';
    // A stream without a record is a row only: there is nothing to vouch for.
    const isOver = ended || (last === null && isGone);
    const judged = size > ledgerSize || isGone ? judgeSilent(silent, key) : null;
    // What is not signed does not get into what this key signs, whoever put it into the tables.
    const isGood = judged !== null && judged.problem === '' && size > ledgerSize;
    if (isGood && ledgerSize === 0) add('certificate', certificateIn(silent.firstLeaf));
    if (isGood) add('checkpoint', last?.checkpoint ?? '');
    if (isGood || isOver) streams.push({ id, ledgerSize: size, settled: isOver, own: false });
    if (judged !== null && !isOver && isGone) abandoned.push(judged);
  }
  if (view.heartbeatAgeMs === null || view.heartbeatAgeMs >= heartbeatMs) {
    add('heartbeat', `holdgate/heartbeat/v1\nat ${nowIso}\n`);
  }
  if (rows.length === 0) return { addition: { rows, signed: null, streams }, head, abandoned };
  const leaves = rows.map((row) => row.leaf);
  const after = signedHead(extendFrontier(head?.frontier ?? emptyFrontier, leaves), key);
  const signed = { checkpoint: after.note, peaks: peaksBytes(after.frontier) };
  return { addition: { rows, signed, streams }, head: after, abandoned };
}

function signedHead(frontier: Frontier, key: DeploymentKey): LedgerHead {
  const origin = ledgerOrigin(key.deployment);
  const checkpoint = { origin, size: frontier.size, root: rootOf(frontier) };
  return { ...checkpoint, frontier, note: signCheckpoint(checkpoint, key.signer) };
}

/** The certificate in a stream's first leaf, whatever it is worth; empty where there is none. */
function certificateIn(firstLeaf: string | null): string {
  try {
    const leaf: unknown = JSON.parse(firstLeaf ?? 'null');
    const isLeaf = typeof leaf === 'object' && leaf !== null && 'certificate' in leaf;
    return isLeaf && typeof leaf.certificate === 'string' ? leaf.certificate : '';
  } catch {
    return '';
  }
}

/** A stream by its own certificate and last checkpoint. */
function judgeSilent({ id, firstLeaf, last }: SilentStream, key: DeploymentKey): AbandonedStream {
  const size = (last?.seq ?? -1) + 1;
  const certificate = openCertificate(certificateIn(firstLeaf), key.verifier);
  if (!certificate.ok) return { id, size, root: '', problem: `certificate: ${certificate.error}` };
  const { verifier } = certificate.value;
  const origin = streamOrigin(key.deployment, id);
  const checkpoint = openCheckpoint(last?.checkpoint ?? '', verifier, origin);
  if (!checkpoint.ok) return { id, size, root: '', problem: `checkpoint: ${checkpoint.error}` };
  const problem =
    checkpoint.value.size === size ? '' : 'its last row is not that of its checkpoint';
  return { id, size, root: checkpoint.value.root.toString('base64'), problem };
}
