import type { Leaf } from './leaf.ts';

/** A stream: one process on one UTC day. */
export type StreamRow = {
  readonly id: string;
  /** The UTC day, `2026-11-20`. */
  readonly epoch: string;
  /** Host and process id, for people. */
  readonly replica: string;
  /** RFC 3339. */
  readonly openedAt: string;
};

/** How an insert ended, where the database said so. Anything else rejects, and leaves open whether it was committed. */
export type AppendEnd =
  /** Every leaf of the batch is durable, with these bytes. */
  | { readonly kind: 'committed' }
  /** Another leaf stands at a position of the batch: somebody else writes this stream. */
  | { readonly kind: 'fork'; readonly seq: number }
  /** The database refused the batch for what it holds; nothing of it was stored. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Where leaves go: the recorder's port. */
export type RecordStore = {
  /** Makes the day's partition and the stream's row; the same stream again is no error. */
  readonly openStream: (stream: StreamRow) => Promise<void>;
  /**
   * Inserts a batch in one transaction, with the stream's signed checkpoint on its last row. Leaves that are there already
   * with the same hash count as committed.
   */
  readonly append: (
    stream: StreamRow,
    batch: readonly Leaf[],
    checkpoint: string,
  ) => Promise<AppendEnd>;
  /** Notes the orderly end of a stream. */
  readonly closeStream: (stream: StreamRow, size: number, closedAt: string) => Promise<void>;
  /** Drops connections that hang, so that calls under way reject. */
  readonly reset: (why: string) => void;
};
