import { refusal, type Refusal } from '../base/errors.ts';
import { tokenBytesMax } from '../base/limits.ts';
import { err, ok, type Result } from '../base/result.ts';
import { Secret } from '../base/secret.ts';

/** The one credential of a request. `ignored` names the other credential headers it came with, without values. */
export type Bearer = { readonly token: Secret; readonly ignored: readonly string[] };

/** RFC 6750 §2.1 (`b64token`); the scheme is case-insensitive (RFC 9110 §11.1). */
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/** apiserver pkg/authentication/request/websocket/protocol.go: a bearer token that travels as a subprotocol. */
const SUBPROTOCOL_PREFIX = 'base64url.bearer.authorization.k8s.io.';

/** Front-proxy identity headers of kube-apiserver begin with this (`--requestheader-*-headers`, defaults). */
const FRONT_PROXY_PREFIX = 'x-remote-';

/** Headers that carry a credential elsewhere: without effect here, and on no allow-list of what leaves. */
const IGNORED = new Set(['cookie', 'proxy-authorization']);

const refused = (message: string) => err(refusal('HOLDGATE_IDENTIFY_CREDENTIAL_REFUSED', message));

/**
 * Takes the one bearer token out of raw headers (name, value, name, value …).
 *
 * The raw list is read because Node keeps the first of two Authorization headers silently: a proxy before us that
 * looked at the second would have checked another caller than we serve. Names are compared in lower case and with
 * `_` as `-`, since some servers take `Impersonate_User` for `Impersonate-User`.
 *
 * Refused: a repeated Authorization, a scheme other than Bearer, a WebSocket subprotocol that carries a token,
 * Impersonate-* in any spelling. Ignored, and named in the answer: Cookie, Proxy-Authorization, X-Remote-*.
 */
export function readBearer(rawHeaders: readonly string[]): Result<Bearer, Refusal> {
  const authorizations: string[] = [];
  const ignored = new Set<string>();
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = (rawHeaders[index] ?? '').trim().toLowerCase().replaceAll('_', '-');
    const value = rawHeaders[index + 1] ?? '';
    if (name === 'authorization') authorizations.push(value.trim());
    if (name.startsWith('impersonate-')) {
      return refused(
        'the request carries Impersonate-* headers (kubectl --as, --as-group, --as-uid), and the gateway lets nobody act as somebody else',
      );
    }
    if (name === 'sec-websocket-protocol' && carriesToken(value)) {
      return refused(
        'the Sec-WebSocket-Protocol header carries a bearer token (base64url.bearer.authorization.k8s.io.…), which is taken from the Authorization header only',
      );
    }
    if (IGNORED.has(name) || name.startsWith(FRONT_PROXY_PREFIX)) ignored.add(name);
  }
  const token = bearerOf(authorizations);
  return token.ok ? ok({ token: token.value, ignored: [...ignored] }) : token;
}

function carriesToken(subprotocols: string): boolean {
  return subprotocols
    .split(',')
    .some((subprotocol) => subprotocol.trim().toLowerCase().startsWith(SUBPROTOCOL_PREFIX));
}

/** No message here repeats any part of the value: a token sent without its scheme would be shown. */
function bearerOf(authorizations: readonly string[]): Result<Secret, Refusal> {
  const [value = ''] = authorizations;
  if (authorizations.length > 1) {
    return refused(`the request carries ${authorizations.length} Authorization headers`);
  }
  if (value === '') {
    return err(
      refusal(
        'HOLDGATE_IDENTIFY_TOKEN_MISSING',
        'the request carries no Authorization header; the gateway takes exactly one, with a bearer token',
      ),
    );
  }
  if (!/^bearer(?: |$)/i.test(value)) {
    return refused(
      'the Authorization header has a scheme other than Bearer; Basic and all others are refused',
    );
  }
  if (value.length > tokenBytesMax + 'bearer '.length) return err(tooLarge(value.length));
  const token = BEARER.exec(value)?.[1];
  if (token === undefined) {
    return err(
      refusal(
        'HOLDGATE_IDENTIFY_TOKEN_MALFORMED',
        'the Authorization header does not have the form `Bearer <token>` with one token',
      ),
    );
  }
  return token.length > tokenBytesMax ? err(tooLarge(token.length)) : ok(new Secret(token));
}

function tooLarge(bytes: number): Refusal {
  return refusal(
    'HOLDGATE_IDENTIFY_TOKEN_MALFORMED',
    `the bearer token is larger than ${tokenBytesMax} bytes (about ${bytes}); ask the issuer for a token with fewer groups`,
  );
}
