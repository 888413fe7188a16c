import type { Result } from '../../base/result.ts';
import type { ExportedRow } from '../export/exported.ts';

/** One entry of the record as a sink sends it. */
export type SinkEntry = {
  /** Where its leaf stands; with decisions, that of the decision. */
  readonly stream: string;
  readonly seq: number;
  readonly kind: string;
  /** RFC 3339. */
  readonly ts: string;
  /** What is sent of it: what the sink's `write` made. */
  readonly text: string;
  /** Bytes of `text` in UTF-8. */
  readonly bytes: number;
};

/** A delivery that arrived. */
export type Delivered = {
  /** Entries that the sink took and threw away by its own word: not to be sent again. 0 almost always. */
  readonly rejected: number;
  /** Its reason; empty where it gave none. */
  readonly detail: string;
};

/** A delivery that did not arrive, or where nobody knows whether it did. */
export type DeliveryFailure = {
  /** False: this very content is refused, and sending it again would not help. */
  readonly retry: boolean;
  /** For the operator: never a credential. */
  readonly detail: string;
  /** When the sink asked to be called again; null where it did not. Milliseconds from now, not bounded. */
  readonly retryAfterMs: number | null;
};

/** Somewhere the record is pushed to. */
export type Sink = {
  readonly name: string;
  /** `leaves`: every record. `decisions`: each decision, with its outcome. */
  readonly rows: 'leaves' | 'decisions';
  /** What is sent of a row. Throws for nothing that the recorder wrote. */
  readonly write: (row: ExportedRow) => string;
  /** Sends entries in their order, as one delivery. Ends soon after `signal` is aborted, as a failure; never rejects. */
  readonly deliver: (
    batch: readonly SinkEntry[],
    signal: AbortSignal,
  ) => Promise<Result<Delivered, DeliveryFailure>>;
};

/** A failure that another try may mend. */
export const mayPass = (detail: string, retryAfterMs: number | null = null): DeliveryFailure => ({
  retry: true,
  detail,
  retryAfterMs,
});

/** What arrived as a whole. */
export const delivered: Delivered = { rejected: 0, detail: '' };
