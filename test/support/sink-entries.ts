import type { Sink } from '../../src/record/index.ts';
import type { SinkEntry } from '../../src/record/sinks/sink.ts';
import type { ExportedRow } from '../../src/record/export/exported.ts';
import { batchesOf } from '../../src/record/sinks/batches.ts';

/** Rows as a sink sends them, as one batch. */
export async function batchOf(
  sink: Pick<Sink, 'write'>,
  rows: readonly ExportedRow[],
): Promise<readonly SinkEntry[]> {
  return (await batchesOf(sink, rows)).flat();
}

/** A signal that is never aborted. */
export const patient = (): AbortSignal => new AbortController().signal;
