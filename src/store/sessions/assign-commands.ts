import type { TransactionSql } from 'postgres';
import type { OpenSession } from './assign-sessions.ts';
import type { CommandDraft } from './command-draft.ts';
import { hashOf } from './hash.ts';

/** Without a name of its own, a command ends when its client was silent for longer. Milliseconds. */
const silenceMs = 2000;

type OpenCommand = { readonly id: string; lastMs: number };

/**
 * Gives each request its command: that of its `Kubectl-Session` inside its session, else the one that its client began
 * and went on with less than two seconds ago.
 */
export async function assignCommands(
  tx: TransactionSql,
  sessions: ReadonlyMap<CommandDraft, OpenSession>,
): Promise<ReadonlyMap<CommandDraft, string>> {
  const open = await loadOpen(tx, sessions);
  const assigned = new Map<CommandDraft, string>();
  for (const [draft, session] of sessions) {
    if (draft.kubectlSession !== null) {
      assigned.set(draft, `k-${hashOf([session.id, draft.kubectlSession])}`);
      continue;
    }
    const prefix = clientPrefix(session, draft);
    const last = open.get(prefix);
    const goesOn = last !== undefined && Math.abs(draft.atMs - last.lastMs) <= silenceMs;
    const command = goesOn ? last : { id: `${prefix}${draft.leaf.requestId}`, lastMs: draft.atMs };
    command.lastMs = Math.max(command.lastMs, draft.atMs);
    open.set(prefix, command);
    assigned.set(draft, command.id);
  }
  return assigned;
}

const clientPrefix = (session: OpenSession, draft: CommandDraft): string =>
  `c-${hashOf([session.id, draft.client]).slice(0, 16)}-`;

/** Commands that went on until shortly before the batch, by the prefix of their client. */
async function loadOpen(
  tx: TransactionSql,
  sessions: ReadonlyMap<CommandDraft, OpenSession>,
): Promise<Map<string, OpenCommand>> {
  const wanted = new Map<string, { session: string; prefix: string; at_ms: number }>();
  for (const [draft, session] of sessions) {
    if (session.isNew || draft.kubectlSession !== null) continue;
    const prefix = clientPrefix(session, draft);
    if (!wanted.has(prefix)) {
      wanted.set(prefix, { session: session.id, prefix, at_ms: draft.atMs });
    }
  }
  if (wanted.size === 0) return new Map();
  const rows = await tx<{ prefix: string; id: string; last_ms: number }[]>`
    select r.prefix, c.command_id as id, (extract(epoch from c.ts) * 1000)::float8 as last_ms
    from jsonb_to_recordset(${JSON.stringify([...wanted.values()])}::text::jsonb)
      as r(session text, prefix text, at_ms float8)
    cross join lateral (
      select command_id, ts from commands
      where session_id = r.session and starts_with(command_id, r.prefix)
        and ts between to_timestamp((r.at_ms - ${silenceMs}::int) / 1000)
          and to_timestamp((r.at_ms + ${silenceMs}::int) / 1000)
      order by ts desc limit 1
    ) c`;
  return new Map(rows.map(({ prefix, id, last_ms: lastMs }) => [prefix, { id, lastMs }]));
}
