/**
 * @module forward — a request in the gateway's name out to the cluster, its answer back with backpressure.
 */
export { createUpstream, type OpenUpstream, type UpstreamPorts } from './create-upstream.ts';
export { upstreamHeaders } from './headers.ts';
export { createRetirableUpstream, type RetirableUpstream } from './retirable-upstream.ts';
export type { AnswerSink, Upstream, UpstreamAnswer, UpstreamRequest } from './upstream.ts';
