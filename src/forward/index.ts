/**
 * @module forward — a request in the gateway's name out to the cluster, its answer back with backpressure.
 */
export type { AnswerSink, Upstream, UpstreamAnswer, UpstreamRequest } from './upstream.ts';
