import type { Clock } from '../../base/clock.ts';
import { errorText, type Log } from '../../base/log.ts';
import type { LedgerHead } from './addition.ts';
import type { LedgerStore } from './ledger-store.ts';

/** A place outside of the database that keeps checkpoints of the ledger. */
export type Anchor = {
  readonly kind: 'log' | 'file' | 'webhook';
  /** Where, for people; never a credential. */
  readonly ref: string;
  /** Rejects where it is not known to be kept. */
  readonly put: (checkpoint: { readonly note: string; readonly size: number }) => Promise<void>;
};

/** How often a checkpoint is put to a place at most, and how soon one that failed is tried again. Milliseconds. */
const anchorMs = 60_000;
const retryMs = 10_000;

type Place = {
  readonly anchor: Anchor;
  size: number;
  nextMs: number;
  failing: boolean;
  running: Promise<void> | null;
};

/** Puts the ledger's newest checkpoint to each place: on change, at most once a minute, each place by itself. */
export class Anchors {
  readonly #options: {
    readonly store: Pick<LedgerStore, 'noteAnchor'>;
    readonly clock: Clock;
    readonly log: Log;
  };
  readonly #places: readonly Place[];

  constructor(
    anchors: readonly Anchor[],
    options: {
      readonly store: Pick<LedgerStore, 'noteAnchor'>;
      readonly clock: Clock;
      readonly log: Log;
    },
  ) {
    this.#options = options;
    this.#places = anchors.map((anchor) => ({
      anchor,
      size: 0,
      nextMs: -Infinity,
      failing: false,
      running: null,
    }));
  }

  /** The ledger's head now: put where it is due. Returns at once; failures are logged and tried again. */
  offer(head: Pick<LedgerHead, 'note' | 'size'> | null): void {
    if (head === null) return;
    const nowMs = this.#options.clock.monotonicMs();
    for (const place of this.#places) {
      if (place.running !== null || place.size === head.size || nowMs < place.nextMs) continue;
      place.running = this.#put(place, head, nowMs).finally(() => {
        place.running = null;
      });
    }
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await Promise.all(this.#places.flatMap(({ running }) => running ?? []));
  }

  async #put(
    place: Place,
    { note, size }: Pick<LedgerHead, 'note' | 'size'>,
    nowMs: number,
  ): Promise<void> {
    const { kind, ref, put } = place.anchor;
    const { log, store } = this.#options;
    try {
      await put({ note, size });
      place.size = size;
      place.nextMs = nowMs + anchorMs;
      if (place.failing) log.info('the ledger is anchored again', { kind, ref });
      place.failing = false;
    } catch (cause) {
      place.nextMs = nowMs + retryMs;
      if (!place.failing) {
        log.error('the ledger cannot be anchored', { kind, ref, cause: errorText(cause) });
      }
      place.failing = true;
      return;
    }
    await store.noteAnchor({ ledgerSize: size, kind, ref }).catch((cause: unknown) => {
      log.warn('an anchor cannot be noted', { kind, ref, cause: errorText(cause) });
    });
  }
}
