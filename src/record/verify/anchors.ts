import { err, ok, type Result } from '../../base/result.ts';
import { openCheckpoint } from '../signing/checkpoint.ts';
import { deploymentOf, ledgerOrigin } from '../signing/stream-certificate.ts';
import type { Verifier } from '../signing/signed-note.ts';
import type { Findings } from './findings.ts';

/** A checkpoint of the ledger, as something outside of the database kept it. */
export type Anchor = {
  readonly size: number;
  readonly root: Buffer;
  /** When it was anchored; null where the line does not say. Milliseconds since the Unix epoch. */
  readonly atMs: number | null;
  /** From 1, in the file it came from. */
  readonly line: number;
};

/** A log file has many lines, of which few are anchors; of those the newest matter. */
const anchorsCountMax = 100_000;

/** Objects in objects, as log collectors wrap lines. */
const depthMax = 6;

/**
 * Reads anchors out of the lines of an anchor file or of any JSON log: every text in them that is a checkpoint of this
 * ledger, with the time that stands beside it. Lines without one are passed over. A checkpoint of this ledger that its
 * key did not sign is a finding. The error is a sentence: there is no anchor in the file.
 */
export function readAnchors(
  lines: Iterable<string>,
  key: Verifier,
  findings: Findings,
): Result<readonly Anchor[], string> {
  const origin = ledgerOrigin(deploymentOf(key.name) ?? '');
  const anchors: Anchor[] = [];
  let number = 0;
  for (const line of lines) {
    number += 1;
    // Looking for the origin first makes reading a log of gigabytes a matter of seconds.
    if (!line.includes(origin)) continue;
    for (const { note, at } of notesIn(line, origin)) {
      const checkpoint = openCheckpoint(note, key, origin);
      if (!checkpoint.ok) {
        const expected = `a checkpoint of ${origin} in line ${number}`;
        findings.add('anchor-unreadable', {}, expected, checkpoint.error);
      } else if (anchors.length < anchorsCountMax) {
        const { size, root } = checkpoint.value;
        const atMs = at === null ? Number.NaN : Date.parse(at);
        anchors.push({ size, root, atMs: Number.isNaN(atMs) ? null : atMs, line: number });
      } else return err(`it has over ${anchorsCountMax} anchors; give a part of it`);
    }
  }
  return anchors.length === 0 ? err(`it has no checkpoint of ${origin}`) : ok(anchors);
}

type FoundNote = { readonly note: string; readonly at: string | null };

function notesIn(line: string, origin: string): FoundNote[] {
  const found: FoundNote[] = [];
  const start = line.indexOf('{');
  try {
    walk(JSON.parse(start < 0 ? line : line.slice(start)), origin, null, 0, found);
  } catch {
    // No JSON: a line that merely names the ledger.
  }
  return found;
}

/** The names that times have in our anchor file, our log and the usual collectors. */
const timeKeys = ['at', 'ts', 'time', 'timestamp', '@timestamp'] as const;

function walk(
  value: unknown,
  origin: string,
  at: string | null,
  depth: number,
  found: FoundNote[],
): void {
  if (typeof value === 'string') {
    if (value.startsWith(`${origin}\n`)) found.push({ note: value, at });
    else if (value.startsWith('{') && value.includes(origin)) {
      for (const one of notesIn(value, origin)) found.push({ note: one.note, at: one.at ?? at });
    }
    return;
  }
  if (typeof value !== 'object' || value === null || depth >= depthMax) return;
  const members = new Map<string, unknown>(Object.entries(value));
  const time = timeKeys.map((key) => members.get(key)).find((one) => typeof one === 'string');
  for (const member of members.values()) {
    walk(member, origin, typeof time === 'string' ? time : at, depth + 1, found);
  }
}
