import {
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  SignJWT,
  type JWK,
} from 'jose';
import { chmod, link, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../base/clock.ts';
import type { Ids } from '../base/ids.ts';
import { isLoopbackHost } from '../base/loopback.ts';
import { errorText } from '../base/log.ts';
import { err, ok, type Result } from '../base/result.ts';
import { Secret } from '../base/secret.ts';
import type { FetchJson } from '../identify/index.ts';

/** The local issuer's two halves: an issuer's configuration says what its tokens are, so agents and people have one each. */
export const localRealms = ['agents', 'people'] as const;
export type LocalRealm = (typeof localRealms)[number];

/** The two example identities. */
export type LocalIdentityName = 'agent' | 'person';

/** Who the two are: `sub`, groups, and the half of the issuer that speaks for them. */
export const localIdentities: Readonly<
  Record<LocalIdentityName, { subject: string; groups: readonly string[]; realm: LocalRealm }>
> = {
  agent: { subject: 'local-agent', groups: ['local-agents'], realm: 'agents' },
  person: { subject: 'local-person', groups: ['local-people'], realm: 'people' },
};

/** `iss` of each half, under the people's port's own URL (without a path). */
export function localIssuerUrls(peopleUrl: string): Readonly<Record<LocalRealm, string>> {
  const base = `${peopleUrl.replace(/\/$/, '')}/local-issuer`;
  return { agents: `${base}/agents`, people: `${base}/people` };
}

export type MintRequest = {
  readonly identity: LocalIdentityName;
  readonly audience: string;
  readonly lifetimeSeconds: number;
};

/** An OpenID issuer for a machine of one's own. */
export type LocalIssuer = {
  readonly urls: Readonly<Record<LocalRealm, string>>;
  /** OpenID Connect Discovery 1.0 §3, served at `/local-issuer/<realm>/.well-known/openid-configuration`. */
  readonly discoveryDocument: (realm: LocalRealm) => Readonly<Record<string, unknown>>;
  /** RFC 7517 §5, served at `/local-issuer/<realm>/jwks`. Public keys only. */
  readonly jwks: (realm: LocalRealm) => { readonly keys: readonly JWK[] };
  /** A signed token (ES256). */
  readonly mintToken: (request: MintRequest) => Promise<Secret>;
  /** Answers for this issuer's own documents from memory and asks `next` for all others: no TLS call to ourselves. */
  readonly fetchJson: (next: FetchJson) => FetchJson;
};

export type LocalIssuerOptions = {
  readonly dataDirectory: string;
  /** `https://127.0.0.1:<people port>` for the gateway itself; null takes what the gateway wrote down (`token`). */
  readonly peopleUrl: string | null;
  readonly clock: Clock;
  readonly ids: Ids;
};

/** RFC 7518 §6.2.2. */
const privateKeySchema = z.object({
  kty: z.literal('EC'),
  crv: z.literal('P-256'),
  x: z.string(),
  y: z.string(),
  d: z.string(),
});

type RealmKey = { readonly kid: string; readonly sign: JWK; readonly publicJwk: JWK };

/** A working day: long enough not to be in the way, short enough that a token left in a shell history dies. */
const lifetimeSecondsMax = 12 * 3600;

/**
 * Opens the local issuer, making its keys at first use: `<dataDirectory>/local-issuer/<realm>.jwk.json`, readable by
 * their owner only. Each half has a key of its own, so that a leak of the agent's never makes a person.
 * Refuses an address that is not loopback (anybody who reads the data directory may be anybody here), and keys that
 * others could have read.
 */
export async function openLocalIssuer(
  options: LocalIssuerOptions,
): Promise<Result<LocalIssuer, string>> {
  const directory = join(options.dataDirectory, 'local-issuer');
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await chmod(directory, 0o700);
    const peopleUrl = await addressOf(directory, options);
    if (!peopleUrl.ok) return peopleUrl;
    const agents = await openKey(directory, 'agents', options.ids);
    if (!agents.ok) return agents;
    const people = await openKey(directory, 'people', options.ids);
    if (!people.ok) return people;
    const keys = { agents: agents.value, people: people.value };
    return ok(issuerOf(localIssuerUrls(peopleUrl.value), keys, options));
  } catch (cause) {
    return err(`the local issuer's folder ${directory} cannot be used: ${errorText(cause)}`);
  }
}

function issuerOf(
  urls: LocalIssuer['urls'],
  keys: Readonly<Record<LocalRealm, RealmKey>>,
  { clock, ids }: LocalIssuerOptions,
): LocalIssuer {
  const discoveryDocument: LocalIssuer['discoveryDocument'] = (realm) => ({
    issuer: urls[realm],
    jwks_uri: `${urls[realm]}/jwks`,
    response_types_supported: ['none'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
  });
  const jwks: LocalIssuer['jwks'] = (realm) => ({ keys: [keys[realm].publicJwk] });
  const documents = new Map<string, unknown>(
    localRealms.flatMap((realm): [string, unknown][] => [
      [`${urls[realm]}/.well-known/openid-configuration`, discoveryDocument(realm)],
      [`${urls[realm]}/jwks`, jwks(realm)],
    ]),
  );
  return {
    urls,
    discoveryDocument,
    jwks,
    mintToken: async ({ identity, audience, lifetimeSeconds }) => {
      const { subject, groups, realm } = localIdentities[identity];
      const nowSeconds = Math.floor(clock.nowMs() / 1000);
      const { sign, kid } = keys[realm];
      const token = await new SignJWT({ groups: [...groups] })
        .setProtectedHeader({ alg: 'ES256', kid, typ: 'JWT' })
        .setIssuer(urls[realm])
        .setSubject(subject)
        .setAudience(audience)
        .setIssuedAt(nowSeconds)
        .setExpirationTime(nowSeconds + Math.min(lifetimeSeconds, lifetimeSecondsMax))
        .setJti(ids.next())
        .sign(await importJWK(sign, 'ES256'));
      return new Secret(token);
    },
    fetchJson: (next) => async (request) => {
      const value = documents.get(request.url);
      return value === undefined ? next(request) : ok({ value, cacheControl: '' });
    },
  };
}

/** The gateway writes its address down, so that `holdgate token` in another process names the same issuer. */
async function addressOf(
  directory: string,
  { peopleUrl, ids }: LocalIssuerOptions,
): Promise<Result<string, string>> {
  const file = join(directory, 'people-url');
  if (peopleUrl === null) return readAddress(file);
  if (!isLoopbackUrl(peopleUrl)) {
    return err(
      `the local issuer serves loopback only, and the people's port is at ${peopleUrl}; listen on 127.0.0.1, or configure real issuers`,
    );
  }
  const draft = `${file}.${ids.next()}`;
  await writeFile(draft, `${peopleUrl}\n`, { mode: 0o600 });
  await rename(draft, file);
  return ok(peopleUrl);
}

async function readAddress(file: string): Promise<Result<string, string>> {
  try {
    const address = (await readFile(file, 'utf8')).trim();
    return isLoopbackUrl(address) ? ok(address) : err(`${file} holds no loopback URL; remove it`);
  } catch {
    return err(`there is no local issuer here yet (${file} is missing); start the gateway first`);
  }
}

function isLoopbackUrl(text: string): boolean {
  return URL.canParse(text) && isLoopbackHost(new URL(text).hostname);
}

async function openKey(
  directory: string,
  realm: LocalRealm,
  ids: Ids,
): Promise<Result<RealmKey, string>> {
  const file = join(directory, `${realm}.jwk.json`);
  if (!(await exists(file))) await makeKey(file, ids);
  const { mode } = await stat(file);
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    return err(
      `${file} can be read by others (mode ${(mode & 0o777).toString(8)}), so its tokens prove nothing; remove the file, a new key is made at the next start`,
    );
  }
  try {
    const sign = privateKeySchema.parse(JSON.parse(await readFile(file, 'utf8')));
    const { kty, crv, x, y } = sign;
    const kid = await calculateJwkThumbprint(sign);
    await importJWK(sign, 'ES256');
    const publicJwk: JWK = { kty, crv, x, y, kid, alg: 'ES256', use: 'sig' };
    return ok({ kid, sign, publicJwk });
  } catch {
    return err(
      `${file} holds no private P-256 key; remove the file, a new key is made at the next start`,
    );
  }
}

/** Written beside and linked into place: of two processes at once, the first one's key stays, whole. */
async function makeKey(file: string, ids: Ids): Promise<void> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const draft = `${file}.${ids.next()}`;
  await writeFile(draft, JSON.stringify(await exportJWK(privateKey)), { mode: 0o600 });
  try {
    await link(draft, file);
  } catch (cause) {
    if (!(await exists(file))) throw cause;
  } finally {
    await rm(draft, { force: true });
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
