/** A record as the database has it: nothing of it is believed by whoever makes a bundle. */
export type EvidenceRow = {
  readonly seq: number;
  readonly bytes: Buffer;
  /** The stored leaf hash. */
  readonly leaf: Buffer;
  /** On the last row of a batch: the signed checkpoint of the stream up to it. */
  readonly checkpoint: string | null;
};

/** An entry of the ledger as the database has it. */
export type LedgerRow = EvidenceRow & {
  readonly kind: string;
  /** RFC 3339, milliseconds. */
  readonly at: string;
};

/** Where a stream's records are. */
export type StreamPlace = { readonly epoch: string; readonly stream: string };

/** What evidence is made from: the database, page by page. */
export type EvidenceSource = {
  /** UTC days that have records, in order. */
  readonly days: () => Promise<readonly string[]>;
  /** Every stream that has records on a day, whatever else the database says of streams. */
  readonly streamsOf: (epoch: string) => Promise<readonly string[]>;
  /** The next records of a stream from a number on, in order: at most 1000 and about 4 MiB, at least one; none at the end. */
  readonly page: (place: StreamPlace, fromSeq: number) => Promise<readonly EvidenceRow[]>;
  /** Numbers and leaf hashes alone, in order: at most `limit`, from a number on. */
  readonly hashes: (
    place: StreamPlace,
    fromSeq: number,
    limit: number,
  ) => Promise<readonly Pick<EvidenceRow, 'seq' | 'leaf'>[]>;
  /** The records with these numbers, at most 1000. */
  readonly rows: (place: StreamPlace, seqs: readonly number[]) => Promise<readonly EvidenceRow[]>;
  /** The first record from a number on that carries a checkpoint. */
  readonly checkpointFrom: (
    place: StreamPlace,
    seq: number,
  ) => Promise<{ readonly seq: number; readonly checkpoint: string } | null>;
  /** Where all records of these requests and of their approvals are; at most `limit`. */
  readonly placesOf: (
    of: { readonly requests: readonly string[] } | { readonly approval: string },
    limit: number,
  ) => Promise<readonly (StreamPlace & { readonly seq: number })[]>;
  /** As `page`, of the ledger. */
  readonly ledgerPage: (fromSeq: number) => Promise<readonly LedgerRow[]>;
  /** The newest anchor of each kind. */
  readonly anchors: () => Promise<
    readonly {
      readonly kind: string;
      readonly ref: string;
      readonly ledgerSize: number;
      /** RFC 3339. */
      readonly at: string;
    }[]
  >;
};
