import type { Result } from '../../base/result.ts';
import type { Secret } from '../../base/secret.ts';
import type { EndpointTls } from '../transport/transport.ts';

/** How the gateway proves itself to one cluster. Never reaches a client, never stands in an error text. */
export type Credential = {
  /** For people: `bearer token from /path`. */
  readonly description: string;
  /**
   * The bearer token of the next request; null where TLS alone proves us. No promise where it is at hand, so that the request
   * leaves in the same turn. The error names the source, not the token.
   */
  readonly token: () => Result<Secret | null, string> | Promise<Result<Secret | null, string>>;
  /** Certificate and key for the TLS connection; `version` changes when they do. */
  readonly tls: () => { readonly version: string; readonly tls: Pick<EndpointTls, 'cert' | 'key'> };
  /** The cluster refused it: read it anew before the next use. */
  readonly refused: () => void;
};

export const noClientCertificate: Credential['tls'] = () => ({ version: '', tls: {} });
