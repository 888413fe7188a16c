import { z } from 'zod';
import { parseCheckpoint, type Checkpoint } from '../signing/checkpoint.ts';
import { unverifiedText } from '../signing/signed-note.ts';

const ledgerLine = z.strictObject({
  seq: z.number().int().min(0),
  kind: z.string().max(64),
  /** When the database took it, RFC 3339: beside the leaf, not in it. */
  at: z.iso.datetime({ precision: 3 }),
  /** The leaf's bytes as text. */
  bytes: z.string(),
});

/** An entry of the ledger as a bundle carries it. */
export type LedgerLine = z.infer<typeof ledgerLine>;

/** Reads a line of a bundle's ledger; null where it is none. */
export function parseLedgerLine(line: Buffer): LedgerLine | null {
  try {
    return ledgerLine.parse(JSON.parse(line.toString('utf8')));
  } catch {
    return null;
  }
}

/** Writes a line of a bundle's ledger, without a line feed. */
export const writeLedgerLine = (line: LedgerLine): string => JSON.stringify(line);

/**
 * The checkpoint of a stream in an entry of the ledger. Its own signature is not checked here: the ledger's covers the
 * entry, and the stream's own checkpoints are checked beside the stream.
 */
export function checkpointIn(bytes: string): Checkpoint | null {
  const text = unverifiedText(bytes);
  if (!text.ok) return null;
  const checkpoint = parseCheckpoint(text.value);
  return checkpoint.ok ? checkpoint.value : null;
}
