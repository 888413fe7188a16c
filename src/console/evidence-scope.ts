import type { EvidenceScope } from '../record/index.ts';

/** What a request for evidence asks for: streams by the UTC days of their opening, or records of an approval or requests. */
export function evidenceScope(query: {
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly approval?: string | undefined;
  readonly request: readonly string[];
}): EvidenceScope {
  const { since, until, approval, request } = query;
  if (approval !== undefined) return { kind: 'approval', approval };
  if (request.length > 0) return { kind: 'requests', requests: [...request] };
  if (since === undefined && until === undefined) return { kind: 'all' };
  return { kind: 'days', from: dayOf(since), until: dayOf(until) };
}

const dayOf = (at: string | undefined): string | null =>
  at === undefined ? null : new Date(at).toISOString().slice(0, 10);
