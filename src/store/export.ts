import type { Sql } from 'postgres';
import { isoTime, type Clock } from '../base/clock.ts';
import { refusal, type Refusal } from '../base/errors.ts';
import { err, ok, type Result } from '../base/result.ts';
import {
  cursorStreamsMax,
  firstDay,
  readExportCursor,
  writeExportCursor,
  type ExportPosition,
  type StreamPosition,
} from './export-cursor.ts';
import {
  earliestOpenDay,
  nextLeaves,
  outcomesOf,
  unreadStreams,
  type ExportLeaf,
  type UnreadStream,
} from './export-queries.ts';
import type { Store } from './store.ts';

/** What to export, and from where on. */
export type ExportRequest = {
  /** `leaves`: every record. `decisions`: each decision, with its outcome. */
  readonly rows: 'leaves' | 'decisions';
  /** RFC 3339. A cursor holds the two that its export began with; given again, they must be the same. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly cursor?: string | undefined;
  /** A decision without an outcome waits for it so long, and what its process recorded after it, too. */
  readonly settleSeconds: number;
};

export type ExportPage = {
  /** A leaf, and that of the outcome where decisions are wanted. */
  readonly rows: readonly { readonly leaf: string; readonly outcome: string | null }[];
  /** Where the next page begins. */
  readonly cursor: string;
  /** False where everything was read that was there. */
  readonly more: boolean;
};

export type ExportStore = {
  /**
   * The next records: stream by stream in the order of their days, each in its own order. The same cursor gives the same
   * records, and records that came since. A cursor that this store did not make is a refusal.
   */
  readonly page: (request: ExportRequest) => Promise<Result<ExportPage, Refusal>>;
};

/** Leaves of one page, and their bytes. */
const pageLeavesMax = 2000;
const pageBytesMax = 4 * 1024 * 1024;

/** Streams that are asked for at a time. */
const streamsAtOnce = 100;

/**
 * A day is left out of the vector when no record can come any more: its streams are closed and this many days have passed,
 * or so many that no process still has a batch of then. Days.
 */
const closedDayDays = 7;
const anyDayDays = 32;

const dayMs = 86_400_000;

/** The record in the order in which it can be read again, on the general pool: reading never makes a decision wait. */
export function createExportStore(
  store: Pick<Store, 'general'>,
  clock: Clock,
  leavesMax: number = pageLeavesMax,
): ExportStore {
  return {
    page: async (request) => {
      const position = positionOf(request);
      if (position === null) return err(invalidCursor());
      const settledBefore = isoTime(clock.nowMs() - request.settleSeconds * 1000);
      const page = new PageReader(store, position, {
        rows: request.rows,
        settledBefore,
        leavesMax,
      });
      await page.read();
      const next = await lowered(store, page.position(), page.unreadFrom, clock);
      if (next.streams.size > cursorStreamsMax) return err(tooManyStreams(next.streams.size));
      return ok({ rows: page.rows, cursor: writeExportCursor(next), more: page.more });
    },
  };
}

function positionOf({ since, until, cursor }: ExportRequest): ExportPosition | null {
  if (cursor === undefined) {
    return { since: since ?? null, until: until ?? null, floor: firstDay, streams: new Map() };
  }
  const position = readExportCursor(cursor);
  if (position === null) return null;
  const same =
    (since === undefined || since === position.since) &&
    (until === undefined || until === position.until);
  return same ? position : null;
}

type Wanted = {
  readonly rows: ExportRequest['rows'];
  /** RFC 3339. */
  readonly settledBefore: string;
  readonly leavesMax: number;
};

/** Reads one page, from a position on. */
class PageReader {
  readonly rows: ExportPage['rows'][number][] = [];
  /** True where a bound ended the page and not the record. */
  more = false;
  /** The day of the first stream that was not read to its end; null where all were. */
  unreadFrom: string | null = null;
  readonly #store: Pick<Store, 'general'>;
  readonly #from: ExportPosition;
  readonly #wanted: Wanted;
  readonly #streams: Map<string, StreamPosition>;
  #leaves = 0;
  #bytes = 0;

  constructor(store: Pick<Store, 'general'>, from: ExportPosition, wanted: Wanted) {
    this.#store = store;
    this.#from = from;
    this.#wanted = wanted;
    this.#streams = new Map(from.streams);
  }

  position(): ExportPosition {
    return { ...this.#from, streams: this.#streams };
  }

  async read(): Promise<void> {
    let after: UnreadStream = { epoch: firstDay, id: '' };
    for (;;) {
      const last = after;
      const streams = await this.#raw((sql) => unreadStreams(sql, this.#from, last, streamsAtOnce));
      for (const stream of streams) {
        await this.#readStream(stream);
        if (this.more) return;
        after = stream;
      }
      if (streams.length < streamsAtOnce) return;
    }
  }

  async #readStream(stream: UnreadStream): Promise<void> {
    for (;;) {
      if (this.#isFull()) return this.#endAt(stream);
      const from = this.#streams.get(stream.id)?.seq ?? 0;
      const rowsMax = this.#wanted.leavesMax - this.#leaves;
      const { since, until } = this.#from;
      const leaves = await this.#raw((sql) =>
        nextLeaves(sql, {
          stream,
          from,
          rowsMax,
          bytesMax: pageBytesMax - this.#bytes,
          since,
          until,
          settledBefore: this.#wanted.settledBefore,
        }),
      );
      const taken = await this.#take(stream, leaves);
      if (taken < leaves.length) {
        // Held back: what follows in this stream waits with it, other streams do not.
        this.unreadFrom ??= stream.epoch;
        return;
      }
      if (leaves.length < rowsMax && !this.#isFull()) return;
    }
  }

  #isFull(): boolean {
    return this.#leaves >= this.#wanted.leavesMax || this.#bytes >= pageBytesMax;
  }

  #endAt(stream: UnreadStream): void {
    this.more = true;
    this.unreadFrom ??= stream.epoch;
  }

  /** Adds the rows of leaves, up to a decision that still waits for its outcome; says how many leaves that were. */
  async #take(stream: UnreadStream, leaves: readonly ExportLeaf[]): Promise<number> {
    const outcomes =
      this.#wanted.rows === 'leaves'
        ? new Map<string, string>()
        : await this.#outcomes(stream, leaves);
    let taken = 0;
    for (const leaf of leaves) {
      const { kind, requestId, text, bytes } = leaf;
      if (this.#wanted.rows === 'leaves') {
        if (leaf.isWanted) this.rows.push({ leaf: text, outcome: null });
      } else if (kind === 'decision') {
        const outcome = outcomes.get(requestId) ?? null;
        if (outcome === null && !leaf.isSettled) break;
        if (leaf.isWanted) this.rows.push({ leaf: text, outcome });
      }
      taken += 1;
      this.#leaves += 1;
      this.#bytes += bytes;
      this.#streams.set(stream.id, { epoch: stream.epoch, seq: leaf.seq + 1 });
    }
    return taken;
  }

  /** The outcomes of the decisions among leaves: nearly all stand among them too, the others are looked up. */
  async #outcomes(
    stream: UnreadStream,
    leaves: readonly ExportLeaf[],
  ): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    for (const { kind, requestId, text } of leaves) {
      if (kind === 'outcome' && !found.has(requestId)) found.set(requestId, text);
    }
    const missing = leaves.filter(
      ({ kind, requestId }) => kind === 'decision' && !found.has(requestId),
    );
    const more = await this.#raw((sql) =>
      outcomesOf(
        sql,
        stream.epoch,
        missing.map(({ requestId }) => requestId),
      ),
    );
    for (const [requestId, text] of more) found.set(requestId, text);
    return found;
  }

  #raw<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#store.general.raw(work);
  }
}

/** The same position with days left out that can get no more records. */
async function lowered(
  store: Pick<Store, 'general'>,
  position: ExportPosition,
  unreadFrom: string | null,
  clock: Clock,
): Promise<ExportPosition> {
  const dayBefore = (days: number): string => isoTime(clock.nowMs() - days * dayMs).slice(0, 10);
  const openFrom = await store.general.raw((sql) => earliestOpenDay(sql, position.floor));
  const unread = unreadFrom ?? dayBefore(0);
  const closed = earliest(unread, openFrom ?? unread, dayBefore(closedDayDays));
  const floor = latest(position.floor, closed, earliest(unread, dayBefore(anyDayDays)));
  const streams = new Map([...position.streams].filter(([, { epoch }]) => epoch >= floor));
  return { ...position, floor, streams };
}

const earliest = (...days: readonly string[]): string => days.reduce((a, b) => (a < b ? a : b));
const latest = (...days: readonly string[]): string => days.reduce((a, b) => (a > b ? a : b));

const invalidCursor = (): Refusal =>
  refusal(
    'HOLDGATE_CONSOLE_REQUEST_INVALID',
    'cursor is none that an export with this since and until gave; leave since and until out to go on, or the cursor to begin anew',
  );

const tooManyStreams = (count: number): Refusal =>
  refusal(
    'HOLDGATE_CONSOLE_REQUEST_INVALID',
    `${count} gateway processes recorded in the days that are still open, more than the ${cursorStreamsMax} that a cursor holds; begin with a later since`,
  );
