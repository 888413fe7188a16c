import type { Duplex } from 'node:stream';
import type { Refusal } from '../base/errors.ts';
import type { Result } from '../base/result.ts';
import type { StopSignal } from '../base/stop-signal.ts';
import type { StreamOffer } from './streams/offer.ts';

/** A request as it leaves for the cluster. Identity is added inside `Upstream`, last; no header here can replace it. */
export type UpstreamRequest = {
  readonly method: string;
  /** Path and query, rebuilt from what was parsed. */
  readonly target: string;
  /** Allowed headers only (`headers.ts`); no Authorization, no identity, no hop-by-hop header. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer | null;
  /** Sent as Audit-ID: one per upstream request. */
  readonly auditId: string;
  /** Watch and `logs -f`: no timeout on the answer, and a transport meant for thousands of them. */
  readonly longRunning: boolean;
  /** Aborting ends the upstream request. */
  readonly signal: StopSignal;
};

/** Where an answer's bytes go. */
export type AnswerSink = {
  /** False: pause until `onDrain` fires. */
  readonly write: (chunk: Uint8Array) => boolean;
  readonly onDrain: (resume: () => void) => void;
};

export type UpstreamAnswer = {
  readonly status: number;
  /** Lower-case names; hop-by-hop headers already removed. */
  readonly headers: readonly (readonly [string, string])[];
  /** Streams the body with backpressure; ok(bytes) at a clean end, a refusal when it broke off. Call one of the two, once. */
  readonly pipe: (sink: AnswerSink) => Promise<Result<number, Refusal>>;
  /** Reads the whole body, up to `bytesMax`. */
  readonly read: (bytesMax: number) => Promise<Result<Buffer, Refusal>>;
  /** Ends the upstream request. */
  readonly abort: () => void;
};

/** A request for an upgrade, as it leaves for the cluster. The handshake's own headers are added inside `Upstream`. */
export type UpgradeRequest = Omit<UpstreamRequest, 'body' | 'longRunning'> & {
  readonly offer: StreamOffer;
};

/** What the cluster answered to a request for an upgrade. */
export type UpgradeAnswer =
  | {
      readonly kind: 'switched';
      /** The headers of the 101, names in lower case, as they stood. */
      readonly headers: readonly (readonly [string, string])[];
      readonly socket: Duplex;
      /** What came behind the 101 in the same read. */
      readonly head: Buffer;
    }
  /** No upgrade: a complete answer. Its connection is gone already. */
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers: readonly (readonly [string, string])[];
      readonly body: Buffer;
    };

/** A socket of its own, upgraded to a protocol that was offered; or the cluster's plain answer. */
export type UpgradeEnd =
  | (Extract<UpgradeAnswer, { kind: 'switched' }> & { readonly protocol: string })
  | Extract<UpgradeAnswer, { kind: 'answer' }>;

/**
 * The cluster. `err` carries HOLDGATE_FORWARD_UNREACHABLE where nothing can have been executed,
 * HOLDGATE_FORWARD_BROKEN where it may have been, HOLDGATE_FORWARD_CREDENTIAL for a 401 to the gateway's own
 * credential, HOLDGATE_FORWARD_REDIRECT for a 3xx.
 */
export type Upstream = {
  readonly send: (request: UpstreamRequest) => Promise<Result<UpstreamAnswer, Refusal>>;
  /** Opens a stream's connection. The caller owns the socket of a `switched` end. */
  readonly upgrade: (request: UpgradeRequest) => Promise<Result<UpgradeEnd, Refusal>>;
  readonly close: () => Promise<void>;
};
