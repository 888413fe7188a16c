import type { ErrorCode } from '../base/errors.ts';
import type {
  Because,
  MaskElement,
  PolicyIdentity,
  RecordElement,
  Verdict,
} from '../decide/index.ts';
import type { PolicyInput } from '../decide/index.ts';

/** Which policy decided. Entries that were made before there were bundles have no revision. */
export type RecordedPolicy = Omit<PolicyIdentity, 'revision'> &
  Partial<Pick<PolicyIdentity, 'revision'>>;

/**
 * What is recorded: append-only entries, each a leaf whose bytes are stored verbatim. One request has one `decision`
 * and, when it ended, one `outcome`; the gateway's own calls (a dry run, a read of the live object) are `attempt`s,
 * committed before they are made.
 */

/** Policy input as a leaf keeps it: without object, patch, live and argv, which may hold secrets. */
export type RecordedInput = Omit<PolicyInput, 'live' | 'request'> & {
  readonly request: Omit<PolicyInput['request'], 'object' | 'patch' | 'exec'> & {
    readonly exec: {
      readonly argc: number;
      readonly container: string;
      readonly stdin: boolean;
      readonly tty: boolean;
    } | null;
  };
};

/** A body that the leaf names without holding it. */
export type BodyRef = {
  readonly role: 'request' | 'object' | 'live' | 'sent';
  readonly bytes: number;
  /** `hmac-sha256:<hex>` with the deployment's digest key: low-entropy bodies cannot be guessed from it. */
  readonly digest: string;
};

type Common = {
  /** The Audit-ID of the request, ours, also sent upstream. */
  readonly requestId: string;
  readonly cluster: string;
};

export type DecisionEntry = Common & {
  readonly kind: 'decision';
  /** What the caller sees refused before policy (no token, malformed target): null input, and a code. */
  readonly verdict: Verdict;
  readonly code: ErrorCode | null;
  /** The message that the caller saw, for refusals. */
  readonly message: string;
  /** The operator's detail; never a credential. */
  readonly detail: string;
  /** Method and raw target, bounded and with control characters escaped: known even where parsing failed. */
  readonly method: string;
  readonly target: string;
  readonly sourceIp: string;
  readonly userAgent: string;
  /** Who called, also where the request was refused before policy saw it; null where nobody was identified. */
  readonly user: {
    readonly issuer: string;
    readonly subject: string;
    readonly username: string;
  } | null;
  readonly input: RecordedInput | null;
  readonly because: readonly Because[];
  readonly mask: readonly MaskElement[];
  readonly record: readonly RecordElement[];
  readonly policy: RecordedPolicy | null;
  readonly bodies: readonly BodyRef[];
  /** The approval that released the request, or that it waits for. */
  readonly approvalId: string | null;
  /** The digest of what the caller sent (hold/digest), of what was sent upstream, and the guard put in between. */
  readonly digest: string | null;
  readonly digestSent: string | null;
  readonly guard: string | null;
  /** The session that the caller's token belongs to: its `sid` claim. Verified. Missing where the token has none. */
  readonly sid?: string | undefined;
  /** `Kubectl-Session`: a UUID of one run of kubectl (KEP-859). Forgeable; missing where it was not sent as one. */
  readonly kubectlSession?: string | undefined;
};

/** The gateway's own upstream call, made to decide: recorded before it is made. */
export type AttemptEntry = Common & {
  readonly kind: 'attempt';
  /** Its own Audit-ID. */
  readonly attemptId: string;
  readonly purpose: 'dry-run' | 'live';
  readonly method: string;
  readonly target: string;
  readonly user: { readonly issuer: string; readonly subject: string; readonly username: string };
};

export type OutcomeEntry = Common & {
  readonly kind: 'outcome';
  /** The status that the caller saw; 0 where the connection ended before one. */
  readonly status: number;
  readonly code: ErrorCode | null;
  readonly message: string;
  readonly detail: string;
  /** The status of the cluster's answer; 0 where nothing was sent or nothing came. */
  readonly upstreamStatus: number;
  readonly bytesSent: number;
  readonly durationMs: number;
  readonly complete: boolean;
  readonly endedBy:
    'answer' | 'refusal' | 'client' | 'upstream' | 'deadline' | 'drain' | 'recorder' | 'bug';
  /** Null for everything that is no session. */
  readonly session: SessionFacts | null;
};

/** What passed in an exec, attach or port-forward session. */
export type SessionFacts = {
  readonly wire: 'channels' | 'tunnel' | 'spdy';
  /** The stream protocol that was agreed, `v5.channel.k8s.io`. */
  readonly protocol: string;
  /** Bytes by direction and stream, `down/stdout`; only what was there. */
  readonly bytes: Readonly<Record<string, number>>;
  /** The command's exit code; null where none was said. */
  readonly exitCode: number | null;
  /** The message of the Status that ended it, where that was no exit code. */
  readonly failure: string;
  readonly ports: readonly number[];
  readonly connections: number;
  /** Why it ended, where it did not end cleanly. */
  readonly detail: string;
};

/** An approved call about to be sent: committed before each try, with what the guard made of it. */
export type ReleaseEntry = Common & {
  readonly kind: 'release';
  readonly approvalId: string;
  /** 1 for the first try; a conflict that our own guard caused is repeated. */
  readonly attempt: number;
  readonly because: readonly Because[];
  readonly policy: RecordedPolicy;
  /** The digest of what the caller sent, of what is sent, and the guard put in between. */
  readonly digest: string;
  readonly digestSent: string;
  readonly guard: string;
};

export type HoldTransitionEntry = Common & {
  readonly kind: 'hold';
  readonly approvalId: string;
  readonly from: string;
  readonly to: string;
  readonly by: {
    readonly issuer: string;
    readonly subject: string;
    readonly username: string;
  } | null;
  readonly reason: string;
};

export type PolicyChangeEntry = {
  readonly kind: 'policy';
  readonly requestId: '';
  readonly cluster: '';
  readonly policy: RecordedPolicy;
  readonly previous: RecordedPolicy | null;
};

/** A cluster as it is recorded: where it is and how the gateway authenticates there, never with what secret. */
export type ClusterFacts = {
  readonly name: string;
  readonly server: string;
  /** For people: `bearer token from /path`. */
  readonly credential: string;
  readonly labels: Readonly<Record<string, string>>;
};

/** The clusters behind the gateway: what it started with, and each later change, committed before it takes effect. */
export type ClustersChangeEntry = {
  readonly kind: 'clusters';
  readonly requestId: '';
  readonly cluster: '';
  readonly occasion: 'start' | 'reload';
  readonly added: readonly ClusterFacts[];
  readonly removed: readonly ClusterFacts[];
  readonly changed: readonly {
    readonly before: ClusterFacts;
    readonly now: ClusterFacts;
    /** `connection`: the CA, the TLS name or the credential of the same server. */
    readonly what: readonly ('server' | 'connection' | 'labels')[];
  }[];
  /** The cluster of paths without a name; empty where none is configured. */
  readonly defaultCluster: string;
};

/** Somebody took evidence out: committed before its first byte (`begun`), and again when it ended. */
export type ExportEntry = {
  readonly kind: 'export';
  readonly requestId: '';
  readonly cluster: '';
  readonly stage: 'begun' | 'ended' | 'broken-off';
  readonly by: { readonly issuer: string; readonly subject: string; readonly username: string };
  readonly scope: {
    readonly kind: 'all' | 'days' | 'approval' | 'requests';
    /** UTC days, both inclusive; null for no bound. */
    readonly from: string | null;
    readonly until: string | null;
    readonly approval: string | null;
    readonly requests: readonly string[];
  };
  /** What went out; null while it begins. */
  readonly counts: {
    readonly records: number;
    readonly streams: number;
    readonly ledgerEntries: number;
  } | null;
};

/** Entries about the record itself. */
type OfTheRecord = { readonly requestId: ''; readonly cluster: '' };

/** The first leaf of a stream: who may sign its checkpoints. */
export type StreamEntry = OfTheRecord & {
  readonly kind: 'stream';
  /** A signed note: see `signing/stream-certificate.ts`. */
  readonly certificate: string;
};

/** The last leaf of a stream that was ended in order. */
export type StreamClosedEntry = OfTheRecord & {
  readonly kind: 'stream-closed';
  readonly reason: 'rotation' | 'shutdown';
};

/** Another process's stream that has no last leaf, and whose process gave no sign of life. */
export type StreamAbandonedEntry = OfTheRecord & {
  readonly kind: 'stream-abandoned';
  /** The id of that stream; `stream` is the leaf's own. */
  readonly abandoned: string;
  /** Its last checkpoint: leaves, and the root in base64. */
  readonly size: number;
  readonly root: string;
  /** Why its checkpoint cannot be believed; empty where it can. */
  readonly problem: string;
};

/** An operator went on with a database that is not the one this gateway saw last. */
export type RestoredEntry = OfTheRecord & {
  readonly kind: 'restored';
  /** The ledger's checkpoint that this gateway saw last, as a signed note. */
  readonly seen: string;
  /** That of the database; empty where it has none. */
  readonly found: string;
};

/** A sink refused an entry for what it is, and the push went on without it. */
export type SinkSkippedEntry = OfTheRecord & {
  readonly kind: 'sink-skipped';
  /** The sink's name in the configuration. */
  readonly sink: string;
  /** The leaf that was not delivered; `stream` and `seq` beside it are the leaf's own. */
  readonly skipped: { readonly stream: string; readonly seq: number; readonly kind: string };
  /** What the sink answered. */
  readonly detail: string;
};

export type RecordEntry =
  | ExportEntry
  | SinkSkippedEntry
  | StreamEntry
  | StreamClosedEntry
  | StreamAbandonedEntry
  | RestoredEntry
  | DecisionEntry
  | AttemptEntry
  | ReleaseEntry
  | OutcomeEntry
  | HoldTransitionEntry
  | PolicyChangeEntry
  | ClustersChangeEntry;

/** The one way into the record. */
export type Recorder = {
  /**
   * Appends an entry. Resolves once it is committed; rejects with a DependencyError (HOLDGATE_RECORD_UNAVAILABLE)
   * when it is known or possible that it is not.
   */
  readonly append: (entry: RecordEntry) => Promise<void>;
  /** False while the store is known to be down: callers are refused before any work is done for them. */
  readonly available: () => boolean;
  /** `hmac-sha256:<hex>` of bytes under the deployment's digest key. */
  readonly digest: (bytes: Uint8Array) => string;
  /** Flushes what waits and stops. */
  readonly close: () => Promise<void>;
};
