import { err, ok, type Result } from '../../src/base/result.ts';
import { silentLog } from '../../src/base/log.ts';
import type { RecordEntry, Sink, SinkHolder, SinkStore } from '../../src/record/index.ts';
import { SinkPush } from '../../src/record/index.ts';
import { makeLeaf, sealEntry } from '../../src/record/leaf.ts';
import type { Delivered, DeliveryFailure, SinkEntry } from '../../src/record/sinks/sink.ts';
import type { PushOptions } from '../../src/record/sinks/push.ts';
import { createManualTime } from './manual-time.ts';
import { someDecision } from './record-entries.ts';

export type Sent = Result<Delivered, DeliveryFailure>;

/** What the database holds of one sink, shared by the processes of a test. */
export type FakeRow = {
  cursor: string | null;
  lastError: string | null;
  lagSeconds: number;
  holder: string | null;
  heldUntilMs: number;
};

export const emptyRow = (): FakeRow => ({
  cursor: null,
  lastError: null,
  lagSeconds: 0,
  holder: null,
  heldUntilMs: 0,
});

export const refused = (detail = 'status 400'): Sent =>
  err({ retry: false, detail, retryAfterMs: null });
export const busy = (retryAfterMs: number | null = null, detail = 'status 503'): Sent =>
  err({ retry: true, detail, retryAfterMs });
export const taken: Sent = ok({ rejected: 0, detail: '' });

/** Leaves of one stream, from number 0 on; each of its decisions is called after its number. */
export const someLeaves = (count: number): string[] =>
  Array.from({ length: count }, (_, seq) => leafAt(seq, someDecision({ requestId: `r${seq}` })));

export const leafAt = (seq: number, entry: RecordEntry): string =>
  makeLeaf(sealEntry(entry), {
    stream: 'stream-1',
    seq,
    ts: '2026-11-20T11:59:50.000Z',
    monoNs: seq,
  }).text;

/** A record of one stream, in memory, with sinks that push it: the cursor is the next number. */
export function createSinkWorld(leaves: readonly string[], pageRowsMax = 500) {
  const time = createManualTime();
  const all = [...leaves];
  const row = emptyRow();
  const recorded: RecordEntry[] = [];
  const faults = { record: false, store: false };
  const logged: string[] = [];
  const guard = <T>(value: T): Promise<T> =>
    faults.store ? Promise.reject(new Error('the database is down')) : Promise.resolve(value);
  const store: SinkStore = {
    claim: ({ holder }: SinkHolder, seconds) => {
      const nowMs = time.clock.monotonicMs();
      const isHeld = row.holder === null || row.holder === holder || row.heldUntilMs < nowMs;
      if (isHeld) Object.assign(row, { holder, heldUntilMs: nowMs + seconds * 1000 });
      return guard({ ...row, isHeld });
    },
    move: ({ holder }, { from, cursor, lagSeconds }) => {
      const isMine = row.holder === holder && row.cursor === from && !faults.store;
      if (isMine) Object.assign(row, { cursor, lagSeconds, lastError: null });
      return guard(isMine);
    },
    fail: ({ holder }, { error, lagSeconds, holdSeconds }) => {
      if (row.holder === holder && !faults.store) {
        const heldUntilMs = time.clock.monotonicMs() + holdSeconds * 1000;
        Object.assign(row, { lastError: error, lagSeconds, heldUntilMs });
      }
      return guard(undefined);
    },
    release: ({ holder }) => {
      if (row.holder === holder) row.holder = null;
      return guard(undefined);
    },
  };
  const read: PushOptions['read'] = ({ cursor }) => {
    const from = Number(cursor ?? 0);
    const rows = all.slice(from, from + pageRowsMax).map((leaf) => ({ leaf, outcome: null }));
    const next = from + rows.length;
    return Promise.resolve(ok({ rows, cursor: String(next), more: next < all.length }));
  };
  /** A process with its push. `answer` is asked for each delivery; what it was given is kept. */
  const push = (
    answer: (batch: readonly SinkEntry[], signal: AbortSignal) => Sent | Promise<Sent>,
    more: Partial<PushOptions> = {},
  ) => {
    const deliveries: number[][] = [];
    const sink: Sink = {
      name: 'siem',
      rows: 'leaves',
      write: ({ leaf }) => leaf,
      deliver: async (batch, signal) => {
        deliveries.push(batch.map(({ seq }) => seq));
        return answer(batch, signal);
      },
    };
    const made = new SinkPush({
      sink,
      store,
      read,
      record: (entry) => {
        if (faults.record) return Promise.reject(new Error('cannot be recorded'));
        recorded.push(entry);
        return Promise.resolve();
      },
      clock: time.clock,
      schedule: time.schedule,
      random: () => 1,
      log: { ...silentLog, warn: (message) => logged.push(message), error: (m) => logged.push(m) },
      holder: 'one',
      since: undefined,
      settleSeconds: 0,
      timeoutMs: 10_000,
      ...more,
    });
    return { push: made, deliveries };
  };
  /** Moves the clock, and lets everything that is due come to rest. */
  const pass = async (ms = 0): Promise<void> => {
    time.advance(ms);
    for (let turn = 0; turn < 60; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  return { time, row, all, recorded, logged, faults, push, pass };
}
