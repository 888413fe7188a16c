import type { Identity } from '../identify/index.ts';
import type { Claim } from '../hold/index.ts';
import { headerValue } from '../kube/header-value.ts';
import { sortedQuery } from '../kube/query-values.ts';
import type { Call, Told } from './call.ts';
import type { ReadRequest } from './read-request.ts';

/** client-go falls back at once; a person who runs the command again has a new Kubectl-Session. Milliseconds. */
const keptMs = 15_000;
const triesMax = 1000;
/** Of what names a command: a longer one is not kept, and its second try asks anew. */
const keyCharsMax = 16 * 1024;

/** What became of the first try of a session. */
type Kept =
  | { readonly kind: 'refused'; readonly told: Told }
  /** Approved and claimed, but the cluster did not upgrade: nothing was executed yet. */
  | { readonly kind: 'claimed'; readonly claim: Claim };

type Entry = { readonly kept: Kept; readonly timer: NodeJS.Timeout; readonly expire: () => void };

/**
 * kubectl opens a session by WebSocket, and when that is not answered with 101, whatever the reason, at once again by
 * SPDY. For people both are one command: what the first try was told, the second is told too, and one approval is
 * asked for and spent, once. Kept in this process only: another replica asks policy anew, which is safe.
 */
export class StreamTries {
  readonly #entries = new Map<string, Entry>();

  /**
   * Keeps what the WebSocket try was told. `expire`: nobody came for it. A claim is kept however many there are (each is
   * one that people made): a caller who fills the table with refusals must not spend the approvals of others.
   */
  keep(key: string | null, kept: Kept, expire: () => void = () => {}): void {
    const isFull = kept.kind === 'refused' && this.#entries.size >= triesMax;
    if (key === null || isFull) {
      expire();
      return;
    }
    this.#take(key)?.expire();
    const timer = setTimeout(() => this.#take(key)?.expire(), keptMs);
    timer.unref();
    this.#entries.set(key, { kept, timer, expire });
  }

  /** What the SPDY try must be told as well; null where policy is to be asked. */
  takeRefused(key: string | null): Told | null {
    const entry = key === null ? undefined : this.#entries.get(key);
    if (key === null || entry?.kept.kind !== 'refused') return null;
    this.#take(key);
    return entry.kept.told;
  }

  /** The claim under which the SPDY try runs. */
  takeClaim(key: string | null): Claim | null {
    const entry = key === null ? undefined : this.#entries.get(key);
    if (key === null || entry?.kept.kind !== 'claimed') return null;
    this.#take(key);
    return entry.kept.claim;
  }

  #take(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    this.#entries.delete(key);
    clearTimeout(entry?.timer);
    return entry;
  }
}

/**
 * Names a command's tries: caller, cluster, path, sorted query, and the client's Kubectl-Session, which says which command
 * it is (a key, never an authority: the caller's identity is in it as well). Null for clients that send none, and for commands
 * so long that a table of them would fill the memory.
 */
export function tryKey(call: Call, identity: Identity, request: ReadRequest): string | null {
  const session = headerValue(call.exchange.rawHeaders, 'kubectl-session');
  if (session === '') return null;
  const query = sortedQuery(request.target.query).map(({ name, value }) => [name, value]);
  const { issuer, subject, actor } = identity;
  const who = [issuer, subject, ...actor.flatMap((one) => [one.issuer, one.subject])];
  const key = JSON.stringify([who, request.cluster.name, request.target.segments, query, session]);
  return key.length > keyCharsMax ? null : key;
}
