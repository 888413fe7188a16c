import type { ExportedRow } from '../export/exported.ts';
import type { Sink, SinkEntry } from './sink.ts';

/** One delivery. An entry that is larger alone goes alone. */
export const batchEntriesMax = 500;
export const batchBytesMax = 1024 * 1024;

/** Rows that are written in one turn of the event loop: agents' calls are served by the same process. */
const rowsInATurn = 50;

/** Rows as a sink sends them, in their order, in deliveries that are not too large. */
export async function batchesOf(
  sink: Pick<Sink, 'write'>,
  rows: readonly ExportedRow[],
): Promise<(readonly SinkEntry[])[]> {
  const batches: SinkEntry[][] = [];
  let bytes = 0;
  for (const [index, row] of rows.entries()) {
    const entry = entryOf(sink, row);
    const last = batches.at(-1);
    if (
      last === undefined ||
      last.length >= batchEntriesMax ||
      bytes + entry.bytes > batchBytesMax
    ) {
      batches.push([entry]);
      bytes = entry.bytes;
    } else {
      last.push(entry);
      bytes += entry.bytes;
    }
    if (index % rowsInATurn === rowsInATurn - 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return batches;
}

function entryOf(sink: Pick<Sink, 'write'>, row: ExportedRow): SinkEntry {
  const text = sink.write(row);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by our own `makeLeaf`, and append-only
  const { stream, seq, kind, ts } = JSON.parse(row.leaf) as Omit<SinkEntry, 'text' | 'bytes'>;
  return { stream, seq, kind, ts, text, bytes: Buffer.byteLength(text) };
}

/** Two halves of a batch of at least two. */
export function halvesOf(batch: readonly SinkEntry[]): (readonly SinkEntry[])[] {
  const middle = Math.ceil(batch.length / 2);
  return [batch.slice(0, middle), batch.slice(middle)];
}
