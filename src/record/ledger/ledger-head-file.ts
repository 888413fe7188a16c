import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { DependencyError } from '../../base/errors.ts';
import { errorText } from '../../base/log.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { openCheckpoint, type Checkpoint } from '../signing/checkpoint.ts';
import type { DeploymentKey } from '../signing/deployment-key.ts';
import { ledgerOrigin } from '../signing/stream-certificate.ts';

/** Characters of the file that are read: a checkpoint has under 300. */
const headFileCharsMax = 4096;

/** `<dataDirectory>/ledger-head`: the last checkpoint of the ledger that this gateway saw, outside of the database. */
export const ledgerHeadFile = (dataDirectory: string): string => join(dataDirectory, 'ledger-head');

/**
 * Reads the file; null where there is none yet. The error says why its text is not a checkpoint of this deployment's key.
 * Rejects with a DependencyError where it cannot be read.
 */
export async function readLedgerHead(
  file: string,
  key: DeploymentKey,
): Promise<Result<(Checkpoint & { readonly note: string }) | null, string>> {
  let note: string;
  try {
    note = (await readFile(file, 'utf8')).slice(0, headFileCharsMax);
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return ok(null);
    throw new DependencyError(
      'HOLDGATE_RECORD_UNAVAILABLE',
      `${file} cannot be read: ${errorText(cause)}`,
      cause,
    );
  }
  const opened = openCheckpoint(note, key.verifier, ledgerOrigin(key.deployment));
  return opened.ok
    ? ok({ ...opened.value, note })
    : err(`${file} is not of this deployment's key: ${opened.error}`);
}

/** Writes the file, whole and on disk before it has its name. */
export async function writeLedgerHead(file: string, note: string): Promise<void> {
  const draft = `${file}.draft`;
  const handle = await open(draft, 'w', 0o600);
  try {
    await handle.writeFile(note);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
}
