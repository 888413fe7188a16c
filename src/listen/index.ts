/**
 * @module listen — TLS connections in, Exchanges out: HTTP/2 and HTTP/1.1 on one port, bounded in every direction.
 */
export type { Exchange, Handler } from './exchange.ts';
