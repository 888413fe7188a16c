/**
 * Every bound of the data path, its unit in its name. Each is a constant of the product, not a setting: an operator
 * who could raise them could also be talked into it. What may be configured is in `config/`.
 */

/** kube-apiserver's own cap on a request body (`MaxRequestBodyBytes`, 3 MiB): more could never be taken upstream. */
export const bodyBytesMax = 3 * 1024 * 1024;

/** Node's own parser bound: generous, so that long `command=` targets reach our own checks and get a Status. */
export const parserHeaderBytesMax = 1024 * 1024;

/** All header names and values of a request: an Entra ID token with 200 groups is about 16 KiB. */
export const headerBytesMax = 64 * 1024;

/** The raw request target: an exec's argv travels in it. */
export const targetBytesMax = 512 * 1024;

/** Nested objects and arrays in a JSON or YAML body: deeper than any Kubernetes type, shallow enough for any stack. */
export const bodyDepthMax = 256;

/** A body that is YAML and not JSON: its parser takes up to 7 s a MiB, and every other caller waits. */
export const yamlBodyBytesMax = 64 * 1024;

/** A bearer token: larger ones are refused before any cryptography. */
export const tokenBytesMax = 16 * 1024;

/** Policy input above this goes to a worker: about 15 µs a KiB would otherwise stall every other caller. */
export const inlineInputBytesMax = 100 * 1024;

/** An answer that must be masked is held in memory; what is larger is refused, never passed unmasked. */
export const maskedAnswerBytesMax = 64 * 1024 * 1024;

/** Records that wait for Postgres, per process; above it callers get 503 and nothing is dropped. UTF-16 units of JSON. */
export const recorderQueueCharsMax = 64 * 1024 * 1024;

/** One batch of the group commit. */
export const recordBatchRowsMax = 500;
export const recordBatchCharsMax = 1024 * 1024;

/** Sessions (exec, attach, port-forward) of one caller in one process, waiting ones included: the port has 10,000 connections. */
export const sessionsPerCallerMax = 500;

/** Open (pending or approved) approvals of one caller: more is a flood, not work. */
export const openHoldsPerCallerMax = 50;

/** Requests held on open connections, per process. */
export const heldRequestsMax = 1000;
