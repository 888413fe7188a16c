import type { TransactionSql } from 'postgres';
import { storableText } from '../record-columns.ts';
import type { OpenSession } from './assign-sessions.ts';
import type { CommandDraft } from './command-draft.ts';
import type { Folded } from './fold-batch.ts';

/** Rules of one decision that can be searched for. */
const rulesMax = 64;

type Assigned = {
  readonly sessions: ReadonlyMap<CommandDraft, OpenSession>;
  readonly commands: ReadonlyMap<CommandDraft, string>;
  readonly folded: ReadonlyMap<string, Folded>;
};

/** Writes a row for each request of a batch, and what the batch changed in lines that were there before. */
export async function writeCommands(tx: TransactionSql, assigned: Assigned): Promise<void> {
  const rows = [...assigned.commands].map(([draft, commandId]) =>
    commandRow(draft, commandId, assigned),
  );
  if (rows.length === 0) return;
  await tx`
    insert into commands (request_id, session_id, command_id, folded_into, fold, stream, epoch, seq, ts, cluster, username,
      verb, resource, namespace, name, verdict, rules, masked, discovery, code, approval_id, line, fidelity)
    select r.request_id, r.session_id, r.command_id, r.folded_into, r.fold, s.id, s.epoch, r.seq, r.ts, r.cluster,
      r.username, r.verb, r.resource, r.namespace, r.name, r.verdict, r.rules, r.masked, r.discovery, r.code,
      r.approval_id, r.line, r.fidelity
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as r(
      request_id text, session_id text, command_id text, folded_into text, fold text, stream text, seq bigint,
      ts timestamptz, cluster text, username text, verb text, resource text, namespace text, name text, verdict text,
      rules text[], masked boolean, discovery boolean, code text, approval_id text, line text, fidelity text)
    join streams s on s.id = r.stream
    on conflict (request_id) do nothing`;
  const ofBatch = new Set(rows.map((row) => row.request_id));
  const moved = [...assigned.folded]
    .filter(([requestId]) => !ofBatch.has(requestId))
    .map(([requestId, { into, fold }]) => ({ request_id: requestId, into, fold }));
  if (moved.length === 0) return;
  const json = JSON.stringify(moved);
  await tx`
    update commands c set folded_into = m.into, fold = m.fold
    from jsonb_to_recordset(${json}::text::jsonb) as m(request_id text, "into" text, fold text)
    where c.request_id = m.request_id`;
  await tx`
    update commands c set folded_into = m.into
    from jsonb_to_recordset(${json}::text::jsonb) as m(request_id text, "into" text, fold text)
    where c.folded_into = m.request_id`;
}

function commandRow(draft: CommandDraft, commandId: string, { sessions, folded }: Assigned) {
  const { leaf, facts } = draft;
  const { because, mask } = leaf;
  const rules = [...because, ...mask].flatMap(({ rule, id }) => [rule, `${rule}/${id}`]);
  const fold = folded.get(facts.requestId);
  return {
    request_id: facts.requestId,
    session_id: sessions.get(draft)?.id ?? '',
    command_id: commandId,
    folded_into: fold?.into ?? null,
    fold: fold?.fold ?? null,
    stream: leaf.stream,
    seq: leaf.seq,
    ts: leaf.ts,
    cluster: storableText(leaf.cluster),
    username: storableText(leaf.user?.username),
    verb: facts.verb,
    resource: facts.resource,
    namespace: facts.namespace,
    name: facts.name,
    verdict: leaf.verdict,
    rules: [...new Set(rules)].slice(0, rulesMax).map((rule) => storableText(rule)),
    masked: mask.length > 0,
    discovery: facts.discovery,
    code: leaf.code,
    approval_id: leaf.approvalId,
    line: draft.line,
    fidelity: draft.fidelity,
  };
}
