import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { JSONWebKeySet } from 'jose';
import { isLoopbackHost, trustedUrlProblem } from '../base/loopback.ts';
import { errorText } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { FetchJson, JsonAnswer } from './fetch-json.ts';
import { quoted } from './text.ts';

/** Where an issuer's keys come from. `certificateAuthorityFile` is read again at each fetch, so that it may rotate. */
export type KeySource = {
  readonly issuerUrl: string;
  readonly discoveryUrl: string;
  readonly certificateAuthorityFile: string | null;
};

export type DiscoverPorts = {
  readonly fetchJson: FetchJson;
  readonly readFile: (file: string) => Promise<string>;
};

/** A key set as fetched. `fingerprint` changes exactly when the usable keys do. */
export type FetchedKeys = {
  readonly keys: JSONWebKeySet;
  readonly fingerprint: string;
  readonly maxAgeMs: number;
  /** Keys left out because the issuer published their private part. */
  readonly leakedCount: number;
};

/** One fetch of discovery or keys: a caller may be waiting for it. */
const fetchTimeoutMs = 5_000;
/** Real key sets are a few KiB; more is a mistake or an attempt to fill the memory. */
const fetchBytesMax = 1024 * 1024;
/** Each key of a set is tried by `kid`; Entra ID, the largest known, publishes about ten. */
const keysMax = 100;
const minuteMs = 60_000;
/** Where the issuer says nothing about caching: jose's own default. */
const maxAgeDefaultMs = 10 * minuteMs;

const metadataSchema = z.looseObject({ issuer: z.string(), jwks_uri: z.string() });
const keySetSchema = z.looseObject({
  keys: z.array(z.looseObject({ kty: z.string() })).max(keysMax),
});

/** Parameters that only private or symmetric keys have (RFC 7518 §6.2.2, §6.3.2, §6.4.1). */
const PRIVATE_PARTS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'];

/** OpenID Connect Discovery 1.0 §4: the issuer with one `/` at its end removed, and the well-known path. */
export function discoveryUrlOf(issuerUrl: string): string {
  return `${issuerUrl.replace(/\/$/, '')}/.well-known/openid-configuration`;
}

/**
 * Reads the issuer's metadata and gives its `jwks_uri`. The document's `issuer` must be the configured one, character
 * by character (OIDC Discovery §4.3): else one tenant of a shared host could vouch for another.
 */
export async function discover(
  ports: DiscoverPorts,
  source: KeySource,
): Promise<Result<string, string>> {
  const answer = await read(ports, source, source.discoveryUrl);
  if (!answer.ok) return answer;
  const metadata = metadataSchema.safeParse(answer.value.value);
  if (!metadata.success) {
    return err(`${source.discoveryUrl} lacks issuer or jwks_uri: it is no discovery document`);
  }
  const { issuer, jwks_uri: keysUrl } = metadata.data;
  if (issuer !== source.issuerUrl) {
    return err(
      `${source.discoveryUrl} says issuer ${quoted(issuer)}, the configuration says ${quoted(source.issuerUrl)}; they must be equal`,
    );
  }
  const problem = keysUrlProblem(keysUrl, source.discoveryUrl);
  return problem === null ? ok(keysUrl) : err(`jwks_uri ${quoted(keysUrl)} ${problem}`);
}

/**
 * `jwks_uri` may be another host (Google's is), but only by https; and an issuer elsewhere must not point us at the
 * gateway's own machine, where something might answer that no outsider can reach.
 */
function keysUrlProblem(keysUrl: string, discoveryUrl: string): string | null {
  const problem = trustedUrlProblem(keysUrl);
  if (problem !== null) return problem;
  const [keys, discovery] = [new URL(keysUrl), new URL(discoveryUrl)];
  if (keys.origin === discovery.origin) return null;
  if (keys.protocol !== 'https:')
    return 'is plain http on another origin than the discovery document';
  if (isLoopbackHost(keys.hostname) && !isLoopbackHost(discovery.hostname)) {
    return "is the gateway's own machine, and the issuer is not";
  }
  return null;
}

/** Reads a key set (RFC 7517 §5). Keys whose private part was published are left out: anybody can sign with them. */
export async function fetchKeys(
  ports: DiscoverPorts,
  source: KeySource,
  keysUrl: string,
): Promise<Result<FetchedKeys, string>> {
  const answer = await read(ports, source, keysUrl);
  if (!answer.ok) return answer;
  const parsed = keySetSchema.safeParse(answer.value.value);
  if (!parsed.success) {
    return err(`${keysUrl} is no key set of at most ${keysMax} keys, each with a kty`);
  }
  const usable = parsed.data.keys.filter((key) =>
    PRIVATE_PARTS.every((part) => !Object.hasOwn(key, part)),
  );
  return ok({
    keys: { keys: usable },
    fingerprint: createHash('sha256').update(JSON.stringify(usable)).digest('hex'),
    maxAgeMs: maxAgeMs(answer.value.cacheControl),
    leakedCount: parsed.data.keys.length - usable.length,
  });
}

/** `max-age` of Cache-Control (RFC 9111 §5.2.2.1), clamped to 1..60 minutes; `no-store` and `no-cache` give 1. */
export function maxAgeMs(cacheControl: string): number {
  if (/(?:^|[\s,])no-(?:store|cache)(?:$|[\s,=])/i.test(cacheControl)) return minuteMs;
  const seconds = /(?:^|[\s,])max-age="?(\d{1,10})/i.exec(cacheControl)?.[1];
  if (seconds === undefined) return maxAgeDefaultMs;
  return Math.min(Math.max(Number(seconds) * 1000, minuteMs), 60 * minuteMs);
}

async function read(
  { fetchJson, readFile }: DiscoverPorts,
  { certificateAuthorityFile }: KeySource,
  url: string,
): Promise<Result<JsonAnswer, string>> {
  let certificateAuthority: string | null = null;
  try {
    if (certificateAuthorityFile !== null) {
      certificateAuthority = await readFile(certificateAuthorityFile);
    }
    return await fetchJson({
      url,
      certificateAuthority,
      timeoutMs: fetchTimeoutMs,
      bytesMax: fetchBytesMax,
    });
  } catch (cause) {
    return err(
      certificateAuthority === null && certificateAuthorityFile !== null
        ? `the certificateAuthority file ${certificateAuthorityFile} could not be read: ${errorText(cause)}`
        : `GET ${url}: ${errorText(cause)}`,
    );
  }
}
