import type { RecordEntry } from '../entry.ts';
import type { RecordedCall } from './differences.ts';

/** A call that the record explains: a request that was decided, or one that the gateway made to decide it. */
export type ExplainedCall = RecordedCall & {
  readonly purpose: 'request' | 'own';
  readonly cluster: string;
  readonly username: string;
  readonly method: string;
  /** As recorded: values of unknown parameters replaced. */
  readonly target: string;
  /** When it was decided, or released where it was held. Milliseconds since the Unix epoch. */
  readonly sentMs: number;
  /** Why it must not have been sent; empty where it was let through. */
  readonly refused: string;
  /** How often it may have been sent. */
  readonly triesMax: number;
};

/** Calls held in memory: about 1 KB each. */
const callsMax = 2_000_000;

type Leaf = RecordEntry & { readonly ts: string };

/** The calls of one cluster or of all, by Audit-ID, gathered from leaves in any order. */
export class RecordedCalls {
  readonly byId = new Map<string, ExplainedCall>();
  readonly #cluster: string | null;
  /** Outcomes and releases that came before their decision: the next day's stream may be read first. */
  readonly #statuses = new Map<string, number>();
  readonly #releases = new Map<string, { readonly count: number; readonly lastMs: number }>();

  constructor(cluster: string | null) {
    this.#cluster = cluster;
  }

  /** Takes in a leaf, as the export `records` writes it. False where there are more than can be held. */
  add(text: string): boolean {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written by our own `makeLeaf`, and append-only
    const leaf = JSON.parse(text) as Leaf;
    if (this.#cluster !== null && leaf.cluster !== this.#cluster) return true;
    const { requestId } = leaf;
    if (leaf.kind === 'decision') {
      const { cluster, user, method, target, input, verdict, code } = leaf;
      this.byId.set(requestId, {
        purpose: 'request',
        cluster,
        username: user?.username ?? '',
        method,
        target,
        request: comparedRequest(input),
        upstreamStatus: 0,
        sentMs: Date.parse(leaf.ts),
        refused: code ?? (verdict === 'deny' ? 'denied' : verdict === 'hold' ? 'held' : ''),
        triesMax: 1,
      });
    } else if (leaf.kind === 'attempt') {
      const { cluster, user, method, target } = leaf;
      this.byId.set(leaf.attemptId, {
        purpose: 'own',
        cluster,
        username: user.username,
        method,
        target,
        request: null,
        upstreamStatus: 0,
        sentMs: Date.parse(leaf.ts),
        refused: '',
        triesMax: 1,
      });
    } else if (leaf.kind === 'outcome') this.#statuses.set(requestId, leaf.upstreamStatus);
    else if (leaf.kind === 'release') {
      const count = (this.#releases.get(requestId)?.count ?? 0) + 1;
      this.#releases.set(requestId, { count, lastMs: Date.parse(leaf.ts) });
    }
    return this.byId.size <= callsMax;
  }

  /** Joins what came in pieces; to be called once, after the last leaf. */
  finish(): void {
    for (const [id, upstreamStatus] of this.#statuses) this.#update(id, { upstreamStatus });
    for (const [id, { count, lastMs }] of this.#releases) {
      this.#update(id, { refused: '', triesMax: count, sentMs: lastMs });
    }
    this.#statuses.clear();
    this.#releases.clear();
  }

  #update(id: string, more: Partial<ExplainedCall>): void {
    const call = this.byId.get(id);
    if (call !== undefined) this.byId.set(id, { ...call, ...more });
  }
}

type Input = Extract<RecordEntry, { kind: 'decision' }>['input'];

/** Only what is compared, so that little is held. */
function comparedRequest(input: Input): ExplainedCall['request'] {
  if (input === null) return null;
  const { scope, verb, group, version, resource, namespace, name, path, wire } = input.request;
  return { scope, verb, group, version, resource, namespace, name, path, wire };
}
