import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { errorText, type Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Secret } from '../base/secret.ts';
import type { ClusterConfig, CredentialConfig, SecretSource } from '../config/index.ts';
import { clientCertificateCredential } from './credentials/client-certificate.ts';
import type { Credential } from './credentials/credential.ts';
import { readKubeconfig } from './credentials/kubeconfig.ts';
import { tokenCredential, tokenFileCredential } from './credentials/token.ts';
import { createDirectUpstream } from './transport/direct.ts';
import type { Upstream } from './upstream.ts';

export type UpstreamPorts = {
  readonly clock: Clock;
  readonly log: Log;
  /** Reads a secret of the configuration; called again whenever it may have changed. */
  readonly secret: (source: SecretSource) => Result<Secret, string>;
  /** The PATH that exec plugins see. */
  readonly path: string;
};

/** A cluster's upstream, and how it is reached, for people. */
export type OpenUpstream = {
  readonly upstream: Upstream;
  readonly server: string;
  readonly credential: string;
  /** Equal where another opening would connect to the same server in the same way: server, CA, names and credential. */
  readonly fingerprint: string;
  /** The files that were read once, at the opening; what else is named is read again by itself. */
  readonly files: readonly string[];
};

function credentialOf(config: CredentialConfig, ports: UpstreamPorts): Credential {
  if ('token' in config) {
    const { token } = config;
    if ('file' in token) return tokenFileCredential(token.file, ports.clock);
    return tokenCredential(`environment variable ${token.env}`, () => ports.secret(token));
  }
  if ('clientCertificate' in config) return clientCertificateCredential(config.clientCertificate);
  return tokenFileCredential(join(config.serviceAccount.directory, 'token'), ports.clock);
}

/** The mounted CA of a service account, unless the configuration names another. */
function caFileOf(config: Extract<ClusterConfig, { server: string }>): string | undefined {
  if (config.certificateAuthority !== undefined) return config.certificateAuthority;
  return 'serviceAccount' in config.credential
    ? join(config.credential.serviceAccount.directory, 'ca.crt')
    : undefined;
}

/** Hashed, so that it is short; secrets are hashed before they come here. */
function fingerprint(named: object, read: readonly (string | null)[]): string {
  return createHash('sha256')
    .update(JSON.stringify([named, read]))
    .digest('hex');
}

/** Opens the upstream of a configured cluster. Nothing is sent yet; the error says what cannot be used, and where. */
export function createUpstream(
  config: ClusterConfig,
  ports: UpstreamPorts,
): Result<OpenUpstream, string> {
  try {
    if ('kubeconfig' in config) {
      const target = readKubeconfig({ ...config.kubeconfig, clock: ports.clock, path: ports.path });
      if (!target.ok) return target;
      const { server, ca, caFile, tlsServerName, credential, user, userHash } = target.value;
      const tls = {
        ...(ca === null ? {} : { ca }),
        ...(tlsServerName === null ? {} : { servername: tlsServerName }),
      };
      const upstream = createDirectUpstream({ server, tls, credential, log: ports.log });
      const { file } = config.kubeconfig;
      return ok({
        upstream,
        server,
        credential: `user "${user}", ${credential.description}`,
        fingerprint: fingerprint(config.kubeconfig, [server, ca, tlsServerName, userHash]),
        files: caFile === null ? [file] : [file, caFile],
      });
    }
    const caFile = caFileOf(config);
    const tls = {
      ...(caFile === undefined ? {} : { ca: readFileSync(caFile, 'utf8') }),
      ...(config.tlsServerName === undefined ? {} : { servername: config.tlsServerName }),
    };
    const credential = credentialOf(config.credential, ports);
    const { server } = config;
    const upstream = createDirectUpstream({ server, tls, credential, log: ports.log });
    const { credential: named, tlsServerName = null } = config;
    return ok({
      upstream,
      server,
      credential: credential.description,
      fingerprint: fingerprint(named, [server, tls.ca ?? null, tlsServerName]),
      files: caFile === undefined ? [] : [caFile],
    });
  } catch (cause) {
    return err(`cluster "${config.name}" cannot be used: ${errorText(cause)}`);
  }
}
