import { z } from 'zod';
import { TarProblem } from '../bundle/tar.ts';
import type { VerifyReport } from './report.ts';

const anchorLine = z.strictObject({
  kind: z.string(),
  ref: z.string(),
  ledgerSize: z.number().int().min(0),
  at: z.string(),
});

/** Reads `anchors.ndjson`: where the gateway says that it anchored. Throws a TarProblem where it cannot be read. */
export function readAnchorsTable(bytes: Buffer): VerifyReport['anchoredAt'] {
  const lines = bytes
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '');
  try {
    return lines.map((line) => anchorLine.parse(JSON.parse(line)));
  } catch {
    throw new TarProblem('malformed', 'the table of anchors cannot be read');
  }
}
