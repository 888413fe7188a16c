import type { DecisionEntry } from '../../record/index.ts';
import { hashOf } from './hash.ts';

/** What a session is told apart by. */
export type SessionKey = {
  /** Always made of issuer, subject and cluster too: nothing that a client chooses joins two identities. */
  readonly key: string;
  readonly basis: 'sid' | 'task' | 'client';
  /** The sid or the task; empty for a client. */
  readonly label: string;
};

/**
 * The session that a request belongs to, the first that applies: the `sid` of its token, the task in its path, else its
 * client (user agent and address), which idle and hard limits then divide. Null where nobody was identified.
 */
export function sessionKey(entry: DecisionEntry): SessionKey | null {
  const { user, cluster, sid, input } = entry;
  if (user === null) return null;
  const who = [user.issuer, user.subject, cluster];
  const keyed = (basis: SessionKey['basis'], label: string, parts: readonly string[]) => ({
    key: hashOf([basis, ...who, ...parts]),
    basis,
    label,
  });
  if (sid !== undefined && sid !== '') return keyed('sid', sid, [sid]);
  const task = input?.claimed.task ?? '';
  if (task !== '') return keyed('task', task, [task]);
  return keyed('client', '', [entry.userAgent, entry.sourceIp]);
}

/** Limits of a session that only its client tells apart. Milliseconds. */
const idleMs = 30 * 60_000;
const hardMs = 12 * 3_600_000;

/** Whether a request at `atMs` still belongs to a session of its key. Of a sid or a task there is one session. */
export function isWithin(
  session: { readonly basis: string; readonly startedMs: number; readonly lastMs: number },
  atMs: number,
): boolean {
  if (session.basis !== 'client') return true;
  const { startedMs, lastMs } = session;
  // Replicas' clocks differ, so a request may come before the one that opened its session.
  return atMs >= startedMs - idleMs && atMs <= lastMs + idleMs && atMs < startedMs + hardMs;
}
