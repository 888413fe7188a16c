/** A request of a command, as far as folding looks at it. */
export type FoldFacts = {
  readonly requestId: string;
  readonly verb: string;
  /** As RBAC writes it: `pods/exec`. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly verdict: string;
  /** Discovery, version, OpenAPI, health: open to everybody. */
  readonly discovery: boolean;
  /** A later page of a list. */
  readonly page: boolean;
  /** The events that `kubectl describe` reads of its object. */
  readonly describesEvents: boolean;
  /** What the caller saw; null while it runs. */
  readonly status: number | null;
};

/** Why a request is shown with another one of its command, and not by a line of its own. */
export type Fold = 'discovery' | 'read' | 'wait' | 'page' | 'retry';

export type Folding = {
  /** The line that the request belongs to; null where it is a line itself. */
  readonly into: { readonly requestId: string; readonly fold: Fold } | null;
  /** Lines that now belong to this one. */
  readonly takes: readonly { readonly requestId: string; readonly fold: Fold }[];
};

const baseOf = (resource: string): string => resource.split('/', 1)[0] ?? '';

const isRead = ({ verb, resource }: FoldFacts): boolean =>
  (verb === 'get' || verb === 'list' || verb === 'watch') && !resource.includes('/');

const sameObject = (a: FoldFacts, b: FoldFacts): boolean =>
  baseOf(a.resource) === baseOf(b.resource) && a.namespace === b.namespace && a.name === b.name;

/**
 * Whether a request may stand behind another line. Clients choose what makes a command, so only what says nothing beside
 * that line is folded: never a write, a connect, what was held or refused, nor a read of Secrets.
 */
const mayHide = (facts: FoldFacts): boolean =>
  isRead(facts) && facts.verdict === 'allow' && facts.resource !== 'secrets';

/** Where a request goes among the lines of its command, newest first. */
export function folding(lines: readonly FoldFacts[], next: FoldFacts): Folding {
  const into = foldedInto(lines, next);
  return into === null ? { into, takes: taken(lines, next) } : { into, takes: [] };
}

function foldedInto(lines: readonly FoldFacts[], next: FoldFacts): Folding['into'] {
  if (next.discovery) {
    const line = lines.find((one) => !one.discovery) ?? lines[0];
    return line === undefined ? null : { requestId: line.requestId, fold: 'discovery' };
  }
  if (!mayHide(next)) return null;
  const find = (fold: Fold, is: (line: FoldFacts) => boolean): Folding['into'] => {
    const line = lines.find(is);
    return line === undefined ? null : { requestId: line.requestId, fold };
  };
  const wait = find(
    'wait',
    (line) =>
      (line.verb === 'delete' || line.verb === 'deletecollection') && sameObject(line, next),
  );
  if (wait !== null) return wait;
  if (next.page) return find('page', (line) => line.verb === 'list' && sameObject(line, next));
  // Where kubectl finds no object, it looks whether there is the namespace.
  if (next.resource === 'namespaces' && next.verb === 'get') {
    const missed = (line: FoldFacts): boolean =>
      isRead(line) && line.namespace === next.name && (line.status ?? 404) === 404;
    return find('read', missed);
  }
  if (next.describesEvents) return find('read', (line) => line.verb === 'get' && isRead(line));
  return null;
}

function taken(lines: readonly FoldFacts[], next: FoldFacts): Folding['takes'] {
  return lines.flatMap((line): Folding['takes'] => {
    const { requestId } = line;
    if (line.discovery) return [{ requestId, fold: 'discovery' }];
    if (!sameObject(line, next)) return [];
    // A get or list of its own is no preparation of another one; of a watch, a write or a stream it is.
    const prepares =
      mayHide(line) && line.verb !== 'watch' && (!isRead(next) || next.verb === 'watch');
    if (prepares) return [{ requestId, fold: 'read' }];
    const again = next.verb === 'connect' && line.verb === 'connect';
    const failed = line.status !== null && line.status >= 400;
    return again && failed && line.resource === next.resource ? [{ requestId, fold: 'retry' }] : [];
  });
}
