import type { TransactionSql } from 'postgres';
import type { Store } from '../store.ts';
import { assignCommands } from './assign-commands.ts';
import { assignSessions, writeSessions } from './assign-sessions.ts';
import { commandDraft } from './command-draft.ts';
import { foldBatch } from './fold-batch.ts';
import { readBatch, writeCursors, type SessionLeaf } from './read-batch.ts';
import { writeCommands } from './write-commands.ts';
import { markLost, openChildren, writeEnds } from './write-ends.ts';

/** How a step of the projection ended. */
export type ProjectionStep =
  /**
   * So many records were read, the last of them recorded at `reachedMs` (milliseconds since the Unix epoch, null where there
   * was none); `drained` where there are no more.
   */
  | {
      readonly kind: 'read';
      readonly records: number;
      readonly drained: boolean;
      readonly reachedMs: number | null;
    }
  /** Another process is at it. */
  | { readonly kind: 'busy' };

/** Sessions and commands, made from records after their commit. */
export type SessionProjection = {
  /**
   * Reads the next records and writes what follows from them, in one transaction with how far it was read: a crash leaves
   * nothing half done, and the next step goes on, whichever process makes it.
   */
  readonly step: () => Promise<ProjectionStep>;
  /** Throws all of it away, so that the next steps make it again from the first record that is still there. */
  readonly clear: () => Promise<void>;
};

/**
 * Records of one step. The embedded database has one connection, which a step keeps busy, and reading leaves keeps the
 * event loop busy: a request may wait behind either.
 */
const recordsMax = 128;

/** 'hold' in ASCII, and 4 for sessions: one process at a time. */
const lockKey = [1_752_132_708, 4] as const;

export function createSessionProjection(
  store: Pick<Store, 'projecting' | 'kind'>,
): SessionProjection {
  const exclusive = store.kind === 'embedded';
  return {
    step: () =>
      store.projecting.raw((sql) =>
        sql.begin(async (tx): Promise<ProjectionStep> => {
          const [lock] = await tx<{ free: boolean }[]>`
            select pg_try_advisory_xact_lock(${lockKey[0]}::int, ${lockKey[1]}::int) as free`;
          if (lock?.free !== true) return { kind: 'busy' };
          const batch = await readBatch(tx, recordsMax);
          await project(tx, batch.leaves);
          await writeCursors(tx, batch);
          if (batch.drained) await markLost(tx, exclusive);
          const { records, drained, reachedMs } = batch;
          return { kind: 'read', records, drained, reachedMs };
        }),
      ),
    clear: () =>
      store.projecting.raw(async (sql) => {
        await sql.begin(async (tx) => {
          await tx`select pg_advisory_xact_lock(${lockKey[0]}::int, ${lockKey[1]}::int)`;
          await tx`truncate sessions, commands, session_cursors`;
        });
      }),
  };
}

async function project(tx: TransactionSql, leaves: readonly SessionLeaf[]): Promise<void> {
  const drafts = leaves.flatMap((leaf) => {
    const draft = leaf.kind === 'decision' ? commandDraft(leaf) : null;
    return draft === null ? [] : [draft];
  });
  const sessions = await assignSessions(tx, drafts);
  const commands = await assignCommands(tx, sessions);
  const folded = await foldBatch(tx, leaves, commands);
  await writeSessions(tx, new Set(sessions.values()));
  await writeCommands(tx, { sessions, commands, folded });
  await openChildren(tx, leaves);
  await writeEnds(tx, leaves);
}
