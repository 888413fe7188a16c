import type { Duplex } from 'node:stream';
import type { Refusal } from '../base/errors.ts';
import type { Result } from '../base/result.ts';
import type { StopSignal } from '../base/stop-signal.ts';

/** A client's connection after its 101. */
export type SwitchedConnection = {
  readonly socket: Duplex;
  /** What the client had already sent behind its request. */
  readonly head: Buffer;
};

/**
 * One request and its answer, the same over HTTP/1.1 and HTTP/2: all that `flow` sees of the wire.
 * The raw target and raw headers are handed over as received; nothing here has been normalised.
 */
export type Exchange = {
  readonly method: string;
  /** The request-target as it stood on the wire (HTTP/2 `:path`). */
  readonly target: string;
  /** Name, value, name, value … with duplicates and the client's spelling; HTTP/2 pseudo headers left out. */
  readonly rawHeaders: readonly string[];
  readonly remoteAddress: string;
  readonly protocol: 'h1' | 'h2';
  /** The Upgrade header of an HTTP/1.1 upgrade request, else null. */
  readonly upgrade: string | null;
  /** What is wrong with the head (repeated or oversized headers): to be answered and recorded, not served. */
  readonly problem: Refusal | null;
  /** Reads the whole body; more than `bytesMax`, or a body that breaks off, is a refusal. Call once. */
  readonly readBody: (bytesMax: number) => Promise<Result<Buffer, Refusal>>;
  /** Sends the head. Names in lower case; hop-by-hop headers are the transport's own business. */
  readonly respond: (status: number, headers: readonly (readonly [string, string])[]) => void;
  /** Sends a part of the body. False: the client is slow, wait for `onDrain`. */
  readonly write: (chunk: Uint8Array) => boolean;
  readonly onDrain: (resume: () => void) => void;
  /**
   * Answers an upgrade with 101 and hands the connection over: nothing else of the exchange may be used afterwards but
   * `gone` and `draining`. Null where the request is no HTTP/1.1 upgrade.
   */
  readonly switchProtocols:
    ((headers: readonly (readonly [string, string])[]) => SwitchedConnection) | null;
  /** Ends the answer, with a last part. */
  readonly end: (chunk?: Uint8Array) => void;
  /** Breaks the connection (HTTP/1.1) or resets the stream (HTTP/2), so that the client sees an error, not an end. */
  readonly abort: () => void;
  /** True once `respond` was called. */
  readonly responded: () => boolean;
  /** Aborted when the client is gone before the answer ended. */
  readonly gone: StopSignal;
  /** Aborted when the gateway drains: streams end cleanly, held calls answer at once. */
  readonly draining: AbortSignal;
};

/** What serves an exchange: `flow`. Never rejects; whatever happens inside ends in an answer or an abort. */
export type Handler = (exchange: Exchange) => Promise<void>;
