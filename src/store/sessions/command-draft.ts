import { isOpenDiscovery } from '../../kube/attributes.ts';
import type { RequestFacts } from '../../kube/command-facts.ts';
import { commandLine } from '../../kube/command-line.ts';
import type { DecisionEntry, RecordedInput } from '../../record/index.ts';
import type { Recorded } from '../decision-row.ts';
import { storableText } from '../record-columns.ts';
import type { FoldFacts } from './fold.ts';
import { hashOf } from './hash.ts';
import { sessionKey, type SessionKey } from './session-key.ts';

/** A decision on its way to a row of `commands`. */
export type CommandDraft = {
  readonly leaf: Recorded<DecisionEntry>;
  readonly session: SessionKey;
  readonly atMs: number;
  readonly facts: FoldFacts;
  readonly line: string;
  readonly fidelity: string;
  /** One run of kubectl, as it says itself; null where it does not. */
  readonly kubectlSession: string | null;
  /** The client: its requests belong together while they follow each other closely. */
  readonly client: string;
};

/** Drafts the command of a decision; null where nobody was identified, so that it is in nobody's session. */
export function commandDraft(leaf: Recorded<DecisionEntry>): CommandDraft | null {
  const session = sessionKey(leaf);
  if (session === null) return null;
  const { input } = leaf;
  const request = input === null ? null : requestFacts(input);
  const kubectlCommand = input?.claimed.command ?? '';
  const { line, fidelity } = commandLine({
    method: leaf.method,
    target: leaf.target,
    request,
    kubectlCommand,
  });
  return {
    leaf,
    session,
    atMs: Date.parse(leaf.ts),
    facts: foldFacts(leaf, request, kubectlCommand),
    line,
    fidelity,
    kubectlSession: leaf.kubectlSession ?? null,
    client: hashOf([leaf.userAgent, leaf.sourceIp]).slice(0, 16),
  };
}

function requestFacts({ request }: RecordedInput): RequestFacts {
  return {
    scope: request.scope,
    verb: request.verb,
    group: request.group,
    resource: request.resource,
    namespace: request.namespace,
    name: request.name,
    path: request.path,
    dryRun: request.dry_run,
    labelSelector: request.label_selector,
    fieldSelector: request.field_selector,
    options: request.options,
    contentType: request.content_type,
    exec: request.exec,
    log: request.log,
    portforward: request.portforward,
  };
}

function foldFacts(
  leaf: Recorded<DecisionEntry>,
  request: RequestFacts | null,
  kubectlCommand: string,
): FoldFacts {
  return {
    requestId: leaf.requestId,
    verb: storableText(request?.verb),
    resource: storableText(request?.resource),
    namespace: storableText(request?.namespace),
    name: storableText(request?.name),
    verdict: leaf.verdict,
    discovery: request !== null && isOpenDiscovery(request),
    page: request !== null && Object.hasOwn(request.options, 'continue'),
    describesEvents:
      kubectlCommand === 'kubectl describe' &&
      request?.resource === 'events' &&
      request.fieldSelector.includes('involvedObject.'),
    status: null,
  };
}
