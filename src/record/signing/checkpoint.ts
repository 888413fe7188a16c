import { err, ok, type Result } from '../../base/result.ts';
import { hashBytes } from '../merkle/tree-hash.ts';
import { decodeBase64, openNote, signNote, type Signer, type Verifier } from './signed-note.ts';

/** The state of a Merkle tree, as C2SP tlog-checkpoint writes it: three lines, without extension lines. */
export type Checkpoint = {
  /** Which tree: `<deployment>/stream/<id>` or `<deployment>/ledger`. */
  readonly origin: string;
  /** Leaves. */
  readonly size: number;
  readonly root: Buffer;
};

/** A checkpoint as a signed note. */
export function signCheckpoint(checkpoint: Checkpoint, signer: Signer): string {
  const { origin, size, root } = checkpoint;
  return signNote(`${origin}\n${size}\n${root.toString('base64')}\n`, signer);
}

/** Reads a checkpoint of `origin` that `verifier` signed. The error is a sentence. */
export function openCheckpoint(
  note: string,
  verifier: Verifier,
  origin: string,
): Result<Checkpoint, string> {
  const text = openNote(note, [verifier]);
  if (!text.ok) return text;
  const checkpoint = parseCheckpoint(text.value);
  if (!checkpoint.ok) return checkpoint;
  return checkpoint.value.origin === origin
    ? checkpoint
    : err(`it is of ${checkpoint.value.origin}, not of ${origin}`);
}

/** Reads the text of a checkpoint, whoever signed it. */
export function parseCheckpoint(text: string): Result<Checkpoint, string> {
  const [, origin = '', digits = '', base64 = ''] =
    /^([^\n]+)\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/=]+)\n$/.exec(text) ?? [];
  const size = Number(digits);
  const root = decodeBase64(base64);
  if (origin === '' || !Number.isSafeInteger(size) || root?.length !== hashBytes) {
    return err('it is no checkpoint');
  }
  return ok({ origin, size, root });
}
