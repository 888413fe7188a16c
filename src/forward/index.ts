/**
 * @module forward — a request in the gateway's name out to the cluster, its answer back with backpressure.
 */
export { createUpstream, type OpenUpstream, type UpstreamPorts } from './create-upstream.ts';
export { upstreamHeaders } from './headers.ts';
export { createRetirableUpstream, type RetirableUpstream } from './retirable-upstream.ts';
export { acceptHeaders, readOffer, wireOf } from './streams/offer.ts';
export type { StreamOffer, StreamResource, Wire } from './streams/offer.ts';
export type { SessionAsked } from './streams/permits.ts';
export type { Relay, RelayEnd } from './streams/relay.ts';
export { summaryTap } from './streams/session-summary.ts';
export { openSession } from './streams/session.ts';
export type {
  AnswerSink,
  UpgradeEnd,
  Upstream,
  UpstreamAnswer,
  UpstreamRequest,
} from './upstream.ts';
