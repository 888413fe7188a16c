import {
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
} from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose';

/** A signing key with the key set entry that belongs to it. */
export type IssuerKey = {
  readonly alg: 'ES256' | 'RS256' | 'EdDSA';
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicJwk: JWK;
};

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** An OpenID issuer on loopback that does whatever a test tells it to: also what no honest issuer would. */
export type HostileIssuer = {
  readonly url: string;
  /** Paths asked for so far. */
  readonly asked: string[];
  /** What the key set says. */
  keys: readonly unknown[];
  /** Extra or wrong fields of the discovery document. */
  metadata: Readonly<Record<string, unknown>>;
  /** Replaces the answer of a path. */
  readonly answers: Map<string, Answer>;
  readonly close: () => Promise<void>;
};

export async function startHostileIssuer(): Promise<HostileIssuer> {
  const asked: string[] = [];
  const answers = new Map<string, Answer>();
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    asked.push(path);
    const answer = answers.get(path) ?? documents.get(path);
    if (answer === undefined) response.writeHead(404).end();
    else answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const issuer: HostileIssuer = {
    url: `http://127.0.0.1:${address.port}`,
    asked,
    keys: [],
    metadata: {},
    answers,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  const documents = new Map<string, Answer>([
    [
      '/.well-known/openid-configuration',
      (_, response) =>
        json(response, {
          issuer: issuer.url,
          jwks_uri: `${issuer.url}/jwks`,
          ...issuer.metadata,
        }),
    ],
    ['/jwks', (_, response) => json(response, { keys: issuer.keys })],
  ]);
  return issuer;
}

export function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

export async function makeIssuerKey(
  alg: IssuerKey['alg'] = 'ES256',
  kid?: string,
  modulusLength = 2048,
): Promise<IssuerKey> {
  const { privateKey, publicKey } = pair(alg, modulusLength);
  const jwk = await exportJWK(publicKey);
  const name = kid ?? (await calculateJwkThumbprint(jwk));
  return { alg, kid: name, privateKey, publicJwk: { ...jwk, kid: name, alg, use: 'sig' } };
}

function pair(alg: IssuerKey['alg'], modulusLength: number) {
  if (alg === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return alg === 'RS256'
    ? generateKeyPairSync('rsa', { modulusLength })
    : generateKeyPairSync('ed25519');
}

const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A compact JWS with exactly this header and payload (a string is taken as the raw text), signed or with what is given as signature. */
export function token(header: unknown, payload: unknown, signer: IssuerKey | string): string {
  const input = `${part(header)}.${part(payload)}`;
  if (typeof signer === 'string') return `${input}.${signer}`;
  const { alg, privateKey } = signer;
  const data = Buffer.from(input);
  const signature =
    alg === 'ES256'
      ? sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
      : sign(alg === 'EdDSA' ? null : 'sha256', data, privateKey);
  return `${input}.${signature.toString('base64url')}`;
}

/** HS256 with the text of the issuer's own public key as the secret: the classic confusion (RFC 8725 §2.1). */
export function confusedToken(header: object, payload: unknown, key: IssuerKey): string {
  const input = `${part({ ...header, alg: 'HS256' })}.${part(payload)}`;
  const pem = createPublicKey(key.privateKey).export({ type: 'spki', format: 'pem' });
  return `${input}.${createHmac('sha256', pem).update(input).digest('base64url')}`;
}
