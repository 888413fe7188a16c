import { z } from 'zod';
import { createLog, type LogFields } from '../../src/base/log.ts';
import { err, ok } from '../../src/base/result.ts';
import { configSchema, type IssuerConfig } from '../../src/config/index.ts';
import {
  createIdentifier,
  type FetchJson,
  type Identifier,
  type IdentifierOptions,
} from '../../src/identify/index.ts';
import { makeIssuerKey, token, type IssuerKey } from './hostile-issuer.ts';
import { createManualTime, type ManualTime } from './manual-time.ts';

export const issuerUrl = 'https://idp.example';

/** An issuer's configuration with every default, and what a test says otherwise. */
export function issuerConfig(more: Readonly<Record<string, unknown>> = {}): IssuerConfig {
  const { identity } = configSchema.parse({
    identity: {
      issuers: [
        {
          url: issuerUrl,
          audiences: ['holdgate'],
          kind: 'agent',
          claimMappings: {
            username: { claim: 'sub', prefix: 'idp:' },
            groups: { claim: 'groups', prefix: '' },
          },
          ...more,
        },
      ],
    },
  });
  const [issuer] = identity.issuers;
  if (issuer === undefined) throw new Error('the schema lost the issuer');
  return issuer;
}

/** An issuer in memory: what it answers, how often it was asked, and whether it is up. */
export type MemoryIssuer = {
  keys: readonly unknown[];
  cacheControl: string;
  up: boolean;
  readonly asked: string[];
  readonly fetchJson: FetchJson;
};

export function memoryIssuer(url: string, keys: readonly unknown[]): MemoryIssuer {
  const asked: string[] = [];
  const issuer: MemoryIssuer = {
    keys,
    cacheControl: '',
    up: true,
    asked,
    fetchJson: (request) => {
      asked.push(request.url);
      if (!issuer.up) return Promise.resolve(err('connection refused'));
      const { cacheControl } = issuer;
      const value = request.url.endsWith('/jwks')
        ? { keys: issuer.keys }
        : { issuer: url, jwks_uri: `${url}/jwks` };
      return Promise.resolve(ok({ value, cacheControl }));
    },
  };
  return issuer;
}

export type IdentifyWorld = {
  readonly time: ManualTime;
  readonly key: IssuerKey;
  readonly issuer: MemoryIssuer;
  readonly identifier: Identifier;
  readonly logged: string[];
  /** The claims of a token that is let in. */
  readonly claims: (more?: Readonly<Record<string, unknown>>) => Record<string, unknown>;
  readonly header: (more?: Readonly<Record<string, unknown>>) => Record<string, unknown>;
  /** A token of these claims; `undefined` removes a claim. */
  readonly token: (more?: Readonly<Record<string, unknown>>) => string;
  /** Identifies a bearer token. */
  readonly identify: (bearer: string) => ReturnType<Identifier['identify']>;
};

/** One issuer in memory, one identifier that trusts it, a clock that stands still. */
export async function identifyWorld(
  config: Readonly<Record<string, unknown>> = {},
  options: Partial<IdentifierOptions> = {},
): Promise<IdentifyWorld> {
  const time = createManualTime();
  const key = await makeIssuerKey('ES256', 'key-1');
  const issuer = memoryIssuer(issuerUrl, [key.publicJwk]);
  const logged: string[] = [];
  const identifier = createIdentifier({
    issuers: [issuerConfig(config)],
    clockSkewSeconds: 30,
    jwksMaxStaleSeconds: 3600,
    clock: time.clock,
    schedule: time.schedule,
    log: createLog('debug', (line) => logged.push(line), time.clock.nowMs),
    fetchJson: issuer.fetchJson,
    ...options,
  });
  const nowSeconds = () => Math.floor(time.clock.nowMs() / 1000);
  const claims: IdentifyWorld['claims'] = (more = {}) => ({
    iss: issuerUrl,
    sub: 'agent-7',
    aud: 'holdgate',
    iat: nowSeconds(),
    exp: nowSeconds() + 600,
    groups: ['team-a'],
    ...more,
  });
  const header: IdentifyWorld['header'] = (more = {}) => ({
    alg: 'ES256',
    kid: key.kid,
    typ: 'JWT',
    ...more,
  });
  return {
    time,
    key,
    issuer,
    identifier,
    logged,
    claims,
    header,
    token: (more) => token(header(), claims(more), key),
    identify: (bearer) => identifier.identify(['Authorization', `Bearer ${bearer}`]),
  };
}

const logLine = z.record(z.string(), z.unknown());

/** The fields of the log lines with this message. */
export function loggedFields(logged: readonly string[], message: string): LogFields[] {
  return logged
    .map((line) => logLine.parse(JSON.parse(line)))
    .filter((fields) => fields['message'] === message);
}
