/**
 * @module listen — TLS connections in, Exchanges out: HTTP/2 and HTTP/1.1 on one port, bounded in every direction.
 */
export { watchCertificates, type CertificatePair, type Certificates } from './certificates.ts';
export type { Exchange, Handler } from './exchange.ts';
export { createListener, type Listener } from './listener.ts';
export { ensureLocalCertificates, type LocalCertificates } from './local-ca.ts';
export { routeTarget, type Route } from './route.ts';
