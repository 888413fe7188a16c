import { readFile as readFileFromDisk } from 'node:fs/promises';
import { refusal, type Refusal } from '../base/errors.ts';
import type { Clock } from '../base/clock.ts';
import { errorText, type Log } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Secret } from '../base/secret.ts';
import type { IssuerConfig } from '../config/index.ts';
import { readBearer } from './bearer.ts';
import { expiredAt } from './claim-checks.ts';
import { toIdentity } from './claims.ts';
import { discoveryUrlOf, type DiscoverPorts } from './discover.ts';
import { fetchJson as fetchJsonOverNetwork } from './fetch-json.ts';
import type { Identity } from './identity.ts';
import { KeyStore, type Schedule } from './key-store.ts';
import { TokenCache } from './token-cache.ts';
import { verifyToken, type TrustedIssuer } from './verify.ts';

/** `problem` is empty while all is well; a ready issuer may have one (its keys could not be refreshed). */
export type IssuerStatus = {
  readonly issuer: string;
  readonly ready: boolean;
  readonly problem: string;
};

/** Who calls? */
export type Identifier = {
  /** The caller of a request with these raw headers (name, value, name, value …), or why not. Never rejects. */
  readonly identify: (rawHeaders: readonly string[]) => Promise<Result<Identity, Refusal>>;
  /** One line an issuer, for health checks. */
  readonly ready: () => readonly IssuerStatus[];
  /** Stops the background refresh of keys. */
  readonly close: () => void;
};

/** The identifier of one port: the data port and the people's port have one each, with their own issuers and audiences. */
export type IdentifierOptions = Partial<DiscoverPorts> & {
  readonly issuers: readonly IssuerConfig[];
  /** Audiences that open another port: tokens that carry one are refused here. Default none. */
  readonly refusedAudiences?: readonly string[];
  readonly clockSkewSeconds: number;
  readonly jwksMaxStaleSeconds: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Default: setTimeout, without keeping the process alive. */
  readonly schedule?: Schedule;
};

const scheduleByTimer: Schedule = (delayMs, run) => {
  const timer = setTimeout(run, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
};

/**
 * Makes an identifier and begins to fetch its issuers' keys, without waiting for them: an issuer that is down is
 * "not ready", its tokens are refused, and the others work.
 */
export function createIdentifier(options: IdentifierOptions): Identifier {
  const { clock, log } = options;
  const issuers = trustedIssuers(options);
  const cache = new TokenCache(() => clock.monotonicMs());

  const identifyToken = async (token: Secret): Promise<Result<Identity, Refusal>> => {
    const cached = cache.get(token);
    if (cached !== null) {
      const expired = expiredAt(cached.identity.expiresAtMs, clock.nowMs());
      return expired === null ? ok(cached.identity) : err(expired);
    }
    const verified = await verifyToken(token, issuers, {
      nowMs: clock.nowMs(),
      clockSkewMs: options.clockSkewSeconds * 1000,
      refusedAudiences: options.refusedAudiences ?? [],
    });
    if (!verified.ok) return verified;
    const { issuer, claims, typ, keysVersion } = verified.value;
    const identity = toIdentity(claims, issuer.config, typ);
    if (identity.ok) cache.set(token, { identity: identity.value, keys: issuer.keys, keysVersion });
    return identity;
  };

  const identify = async (rawHeaders: readonly string[]): Promise<Result<Identity, Refusal>> => {
    const bearer = readBearer(rawHeaders);
    if (!bearer.ok) return bearer;
    const { token, ignored } = bearer.value;
    if (ignored.length > 0) log.info('other credentials ignored', { headers: ignored });
    try {
      return await identifyToken(token);
    } catch (cause) {
      // A bug or an engine's refusal of odd keys: whatever it is, nobody comes in by it.
      log.error('a token could not be checked', { cause: errorText(cause) });
      return err(
        refusal('HOLDGATE_IDENTIFY_TOKEN_MALFORMED', 'the bearer token could not be checked', {
          detail: errorText(cause),
        }),
      );
    }
  };

  return {
    identify,
    ready: () =>
      [...issuers].map(([issuer, { keys }]) => {
        const { ready, problem } = keys.status();
        return { issuer, ready, problem };
      }),
    close: () => {
      for (const { keys } of issuers.values()) keys.close();
    },
  };
}

function trustedIssuers(
  options: IdentifierOptions,
): ReadonlyMap<string, TrustedIssuer & { readonly keys: KeyStore }> {
  const ports = {
    clock: options.clock,
    log: options.log,
    schedule: options.schedule ?? scheduleByTimer,
    fetchJson: options.fetchJson ?? fetchJsonOverNetwork,
    readFile: options.readFile ?? ((file: string) => readFileFromDisk(file, 'utf8')),
  };
  const issuers = new Map<string, { config: IssuerConfig; keys: KeyStore }>();
  for (const config of options.issuers) {
    // Two entries of one name would leave open whose settings count; the configuration's own checks say so first.
    if (issuers.has(config.url)) throw new Error(`issuer ${config.url} is configured twice`);
    const source = {
      issuerUrl: config.url,
      discoveryUrl: config.discoveryURL ?? discoveryUrlOf(config.url),
      certificateAuthorityFile: config.certificateAuthority ?? null,
    };
    const keys = new KeyStore(source, options.jwksMaxStaleSeconds * 1000, ports);
    issuers.set(config.url, { config, keys });
  }
  for (const { keys } of issuers.values()) keys.start();
  return issuers;
}
