/**
 * The ledger's tables, as the ledger uses them. A row of the ledger is a leaf of its tree; the last row of each append carries
 * the signed checkpoint up to it.
 */
export type LedgerRow = {
  /** What `text` is: a stream's certificate, a stream's checkpoint (both signed notes), or a sign of life. */
  readonly kind: 'certificate' | 'checkpoint' | 'heartbeat';
  readonly text: string;
  /** RFC 6962, of the text in UTF-8. */
  readonly leaf: Buffer;
};

/** The end of the ledger as the database has it; nothing of it is believed before its signature was looked at. */
export type StoredHead = {
  /** Rows: the last row's number and one. */
  readonly size: number;
  readonly checkpoint: string | null;
  readonly peaks: Uint8Array | null;
};

/** A stream of another process that was not heard of for a while, or one that ended. */
export type SilentStream = {
  readonly id: string;
  readonly silentMs: number;
  /** Leaves of it that its last checkpoint in the ledger counts. */
  readonly ledgerSize: number;
  /** The bytes of its first leaf, and its last row with what that carries; null where it has none. */
  readonly firstLeaf: string | null;
  readonly last: {
    readonly seq: number;
    readonly kind: string;
    readonly checkpoint: string | null;
  } | null;
};

export type LedgerView = {
  /** Null: the ledger is empty. */
  readonly head: StoredHead | null;
  /** The checkpoint at the size that was asked for; null where there is none. */
  readonly seen: string | null;
  /** How long ago the last heartbeat was; null where there is none. Milliseconds. */
  readonly heartbeatAgeMs: number | null;
  readonly silent: readonly SilentStream[];
};

/** What one append adds, and what it notes about streams. */
export type LedgerAddition = {
  /** From the head's size on. */
  readonly rows: readonly LedgerRow[];
  /** Of the tree with the rows; null where there are none. */
  readonly signed: { readonly checkpoint: string; readonly peaks: Uint8Array } | null;
  readonly streams: readonly {
    readonly id: string;
    readonly ledgerSize: number;
    /** Nothing more will be added for it. */
    readonly settled: boolean;
    /** It is this process's, which lives. */
    readonly own: boolean;
  }[];
};

export type LedgerStore = {
  /**
   * Looks at the ledger and adds what `build` makes of it, in one transaction that no other replica's can overlap.
   * False where another replica is at it: nothing was done. `build` runs inside the transaction, so it must not wait.
   */
  readonly append: (
    asked: { readonly seenSize: number; readonly ownStreams: readonly string[] },
    build: (view: LedgerView) => LedgerAddition | null,
  ) => Promise<boolean>;
  /** The head, and the checkpoint at a size. */
  readonly look: (seenSize: number) => Promise<Pick<LedgerView, 'head' | 'seen'>>;
  /** Notes that nothing more will come of a stream. */
  readonly settle: (stream: string) => Promise<void>;
  /** Notes where a checkpoint of the ledger was put. */
  readonly noteAnchor: (anchor: {
    readonly ledgerSize: number;
    readonly kind: string;
    readonly ref: string;
  }) => Promise<void>;
};
