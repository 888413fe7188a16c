import type { Result } from '../../base/result.ts';
import type { ExportedRow } from '../export/exported.ts';

/** What the database says of a sink. */
export type SinkRow = {
  /** Whether this process may push it now. */
  readonly isHeld: boolean;
  /** How far it came; null where nothing was sent yet. */
  readonly cursor: string | null;
  /** Null where the last delivery arrived. */
  readonly lastError: string | null;
  /** Age of the oldest record that waited when that was last looked at. Seconds. */
  readonly lagSeconds: number;
};

/** Who pushes a sink. */
export type SinkHolder = { readonly name: string; readonly holder: string };

/** The sinks' port on the database. Every method rejects with a DependencyError where the database does not answer. */
export type SinkStore = {
  /**
   * Takes a sink for at least so many seconds, or goes on holding it; makes its row where there is none. One process at a
   * time has it: the lock is a row's and not a connection's, because a slow sink would keep that, and the embedded
   * database has only one.
   */
  readonly claim: (sink: SinkHolder, seconds: number) => Promise<SinkRow>;
  /** Moves the cursor and forgets the last failure; false where another process has the sink, or moved it from there. */
  readonly move: (
    sink: SinkHolder,
    to: { readonly from: string | null; readonly cursor: string; readonly lagSeconds: number },
  ) => Promise<boolean>;
  /** Notes why a delivery failed, and holds the sink until its next try. */
  readonly fail: (
    sink: SinkHolder,
    failure: { readonly error: string; readonly lagSeconds: number; readonly holdSeconds: number },
  ) => Promise<void>;
  /** Lets the next process have it at once. */
  readonly release: (sink: SinkHolder) => Promise<void>;
};

/** Reads the next rows of the record; see `ExportStore.page`. */
export type ReadRecord = (request: {
  readonly rows: 'leaves' | 'decisions';
  readonly since?: string | undefined;
  readonly cursor?: string | undefined;
  readonly settleSeconds: number;
}) => Promise<
  Result<
    { readonly rows: readonly ExportedRow[]; readonly cursor: string; readonly more: boolean },
    { readonly message: string }
  >
>;
