import type { TransactionSql } from 'postgres';
import type { CommandDraft } from './command-draft.ts';
import { folding, type Fold, type FoldFacts } from './fold.ts';
import type { SessionLeaf } from './read-batch.ts';

export type Folded = { readonly into: string; readonly fold: Fold };

/** Lines of one command that a request may be folded with: the newest ones. A command of more has its older ones left alone. */
const linesMax = 16;

/**
 * Folds the requests of a batch, in their order. What comes out are all changes: of requests of the batch, and of lines
 * that were there before it.
 */
export async function foldBatch(
  tx: TransactionSql,
  leaves: readonly SessionLeaf[],
  commands: ReadonlyMap<CommandDraft, string>,
): Promise<ReadonlyMap<string, Folded>> {
  const lines = await loadLines(tx, new Set(commands.values()));
  const byRequest = new Map(
    [...commands].map(([draft, id]) => [draft.leaf.requestId, { draft, id }]),
  );
  const folded = new Map<string, Folded>();
  for (const leaf of leaves) {
    if (leaf.kind === 'outcome') noteStatus(lines, leaf.requestId, leaf.status);
    const found = leaf.kind === 'decision' ? byRequest.get(leaf.requestId) : undefined;
    if (found === undefined) continue;
    const { facts } = found.draft;
    const of = lines.get(found.id) ?? [];
    const { into, takes } = folding(of, facts);
    for (const { requestId, fold } of takes)
      move(folded, requestId, { into: facts.requestId, fold });
    if (into !== null) {
      folded.set(facts.requestId, { into: into.requestId, fold: into.fold });
      continue;
    }
    const taken = new Set(takes.map((one) => one.requestId));
    const left = of.filter((line) => !taken.has(line.requestId));
    lines.set(found.id, [{ ...facts }, ...left].slice(0, linesMax));
  }
  return folded;
}

/** Folds a line, and what was folded into it with it. */
function move(folded: Map<string, Folded>, requestId: string, to: Folded): void {
  folded.set(requestId, to);
  for (const [child, one] of folded) {
    if (one.into === requestId) folded.set(child, { ...one, into: to.into });
  }
}

function noteStatus(lines: Map<string, FoldFacts[]>, requestId: string, status: number): void {
  for (const of of lines.values()) {
    const at = of.findIndex((line) => line.requestId === requestId);
    const line = of[at];
    if (line !== undefined) of[at] = { ...line, status };
  }
}

async function loadLines(
  tx: TransactionSql,
  ids: ReadonlySet<string>,
): Promise<Map<string, FoldFacts[]>> {
  const lines = new Map<string, FoldFacts[]>();
  if (ids.size === 0) return lines;
  // Not `folded_into is null`: before the tables were analyzed, the planner would read all of a partial index for each command.
  const rows = await tx<(FoldFacts & { readonly commandId: string })[]>`
    select c.* from jsonb_array_elements_text(${JSON.stringify([...ids])}::text::jsonb) as id
    cross join lateral (
      select command_id as "commandId", request_id as "requestId", verb, resource, namespace, name, verdict,
        discovery, false as page, false as "describesEvents", status, ts
      from commands where command_id = id and coalesce(folded_into, '') = ''
      order by ts desc, seq desc limit ${linesMax}::int
    ) c
    order by c.ts desc`;
  for (const { commandId, ...facts } of rows) {
    const of = lines.get(commandId);
    if (of === undefined) lines.set(commandId, [facts]);
    else of.push(facts);
  }
  return lines;
}
