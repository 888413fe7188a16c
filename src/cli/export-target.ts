import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { CommandError, type Io } from './command.ts';

/** Where an export is written to, and where it goes on. */
export type ExportTarget = {
  /** Where the last run ended; undefined at the beginning. */
  readonly cursor: string | undefined;
  /** Writes a page, then how far that is: killed in between, the page is cut off by the next run. */
  readonly write: (text: string, cursor: string) => Promise<void>;
  readonly close: () => void;
};

const keptSchema = z.object({
  /** Empty before the first page. */
  cursor: z.string(),
  /** The file that the rows are in, absolute; null for standard output. */
  output: z.string().nullable(),
  /** How long that file was then. */
  bytes: z.int().min(0),
});
type Kept = z.infer<typeof keptSchema>;

/** Opens what the options name. Throws a CommandError where a file is not what the last run left. */
export function openExportTarget(
  files: { readonly cursorFile: string | undefined; readonly output: string | undefined },
  io: Io,
): ExportTarget {
  const { cursorFile } = files;
  const kept = cursorFile === undefined ? null : readKept(cursorFile);
  const output = files.output === undefined ? null : resolve(files.output);
  const opened = output === null ? null : openOutput(output, kept, cursorFile);
  let bytes = opened?.bytes ?? 0;
  return {
    cursor: kept === null || kept.cursor === '' ? undefined : kept.cursor,
    write: async (text, cursor) => {
      if (opened === null) {
        io.out(text);
        await io.drained?.();
      } else {
        const page = Buffer.from(text);
        // With a position: after a cut-off the descriptor's own would be at the beginning.
        for (let at = 0; at < page.length;)
          at += writeSync(opened.descriptor, page, at, page.length - at, bytes + at);
        bytes += page.length;
        if (cursorFile !== undefined) fsyncSync(opened.descriptor);
      }
      if (cursorFile !== undefined) writeKept(cursorFile, { cursor, output, bytes });
    },
    close: () => {
      if (opened !== null) closeSync(opened.descriptor);
    },
  };
}

function readKept(file: string): Kept | null {
  if (!existsSync(file)) return null;
  try {
    return keptSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    throw new CommandError(`${file} is no cursor of holdgate export; name another file`);
  }
}

/** Replaces the file as a whole: at any moment it holds one cursor or the other. */
function writeKept(file: string, kept: Kept): void {
  const draft = `${file}.draft`;
  const descriptor = openSync(draft, 'w', 0o600);
  try {
    writeFileSync(descriptor, `${JSON.stringify(kept)}\n`);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(draft, file);
}

/** The output at the place where the next row belongs. A file that somebody moved away is begun anew. */
function openOutput(
  output: string,
  kept: Kept | null,
  cursorFile: string | undefined,
): { readonly descriptor: number; readonly bytes: number } {
  if (cursorFile === undefined) return { descriptor: openSync(output, 'w', 0o600), bytes: 0 };
  if (!existsSync(output)) {
    // Before the first row: a run that is killed leaves no file of which nobody knows whose it is.
    writeKept(cursorFile, { cursor: kept?.cursor ?? '', output, bytes: 0 });
    return { descriptor: openSync(output, 'wx', 0o600), bytes: 0 };
  }
  if (kept?.output !== output) {
    throw new CommandError(
      `${output} is there, and not from a run with this cursor file; name another file or remove it`,
    );
  }
  const { bytes } = kept;
  const descriptor = openSync(output, 'r+');
  const { size } = fstatSync(descriptor);
  if (size < bytes) {
    closeSync(descriptor);
    throw new CommandError(
      `${output} has ${size} bytes, and had ${bytes} at the end of the last run; restore it, or name another file`,
    );
  }
  ftruncateSync(descriptor, bytes);
  return { descriptor, bytes };
}
